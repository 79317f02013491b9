"""Random overrides of all keys: each is refused in one line, or a dry run of the stages takes what it makes."""

import random
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig

from tats_exp import UserError
from tats_exp.config.compose import compose_run, configuration
from tats_exp.config.models import build_adversaries, build_vqgan, transformer_of
from tats_exp.data.clips import Clips
from tats_exp.data.pixels import to_float
from tats_exp.run.disk import bytes_of_sweep
from tats_exp.run.estimate import seen_of
from tats_exp.run.plan import Plan, make_plan
from tats_exp.run.planned import planned_stages
from tats_exp.sampling.next_code import Chooser
from tats_exp.stages.context import RunContext
from tats_exp.stages.trained import optimization

SMOKE = ["scale=smoke", "logger=csv", "trainer=cpu", "threads=1"]
VALUES = (
    *("0", "1", "2", "3", "4", "7", "16", "64", "-1", "0.5", "1e-300", "-1e300", "1e300", "nan", "inf", str(10**12)),
    *(str(2**63), str(10**30), "true", "null", "''", "' '", "'-'", "x", "'???'", "'a/b'", "'a\\\\nb'", "a" * 300),
    *("'\u00dc \u6f22\u5b57 \u2603'", "'\u00b2'", "'${nope}'", "'${seed}'", "'${data}'"),
    *("[]", "{}", "[1,2,3]", "[[[1]]]", "[a,null]", "{a:1}", "{a:{b:{c:[1]}}}", "{_target_:os.getcwd}"),
)


def overrides(cfg: DictConfig, count: int, seed: int) -> Iterator[str]:
    """Each key and section before any comes again, with a value at random."""
    draw = random.Random(seed)
    keys: list[str] = []
    for _ in range(count):
        keys = keys or draw.sample(paths := keys_of(cfg), len(paths))
        yield f"{keys.pop()}={draw.choice(VALUES)}"


def keys_of(node: DictConfig, path: str = "") -> list[str]:
    """Every key and section below a node."""
    found = []
    for name in node:
        key, inner = f"{path}{name}", node._get_node(name)
        found += [key, *(keys_of(inner, f"{key}.") if isinstance(inner, DictConfig) else [])]
    return found


def dry_run(plan: Plan) -> None:
    """What the stages of the first run can try without training: keys, sizes, models on a clip, the draw of a code."""
    config, planned = plan.configs[0], planned_stages(plan.configs)
    run: RunContext = planned[0][0].run
    bytes_of_sweep(planned, seen_of)
    for section in (config.vqgan, config.transformer, config.interpolation):
        optimization(section.training)
    build_adversaries(config.vqgan.training)
    vqgan = build_vqgan(config.vqgan.model, config.padding.halves).eval()
    clips = Clips(run.learned, config.frames, vqgan.training_margin, config.reserve.training)
    vocabulary = run.condition.vocabulary(len(run.train.label_names))
    transformer = transformer_of(config, "transformer", vocabulary, run.condition.length).eval()
    first = {key: config.sampler[key] for key in ("temperature", "top_k", "top_p") if key in config.sampler}
    with torch.inference_mode():
        vqgan(to_float(torch.as_tensor(clips[0]["video"])[None]))
        codes = torch.zeros(1, transformer.window_codes, dtype=torch.int64)
        logits = transformer.logits(torch.zeros(1, transformer.condition_length, dtype=torch.int64), codes)
        Chooser(**first)(logits[:, 0, vocabulary:], torch.full((1,), 0.5))


@dataclass(frozen=True)
class Outcome:
    """What became of one override: whether it was refused, and what must never be, if it was."""

    line: str
    refused: bool
    finding: str | None = None


def examine(numbers: Sequence[int], seed: int) -> Iterator[tuple[int, Outcome]]:
    """Each of the overrides with these numbers, planned, and tried where it is accepted."""
    if not numbers:
        return
    with configuration():
        whole = compose_run(SMOKE)
    wanted = set(numbers)
    for number, line in enumerate(overrides(whole, max(wanted) + 1, seed)):
        if number in wanted:
            yield number, _examine(line)


def _examine(line: str) -> Outcome:
    try:
        plan = make_plan([*SMOKE, line])
    except UserError as error:
        said = str(error)
        return Outcome(line, True, None if said and "\n" not in said else f"not one line: {said!r}")
    except Exception:
        return Outcome(line, True, traceback.format_exc())
    try:
        dry_run(plan)
    except Exception:
        return Outcome(line, False, f"accepted, but a dry run of the stages refuses it: {traceback.format_exc()}")
    return Outcome(line, False)
