"""Random overrides of all keys: each is refused in one line, or a dry run of the stages takes what it makes."""

import copy
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
import yaml
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

COUNT = 300
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


@pytest.fixture
def parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra reads the same YAML files for every run: parsed once, what it does with them is as ever."""
    load: Callable[..., Any] = yaml.load
    known = cache(lambda text, loader: load(text, Loader=loader))

    def loaded(stream: Any, Loader: type) -> Any:
        text = stream if isinstance(stream, str) else stream.read()
        return copy.deepcopy(known(text, LOADERS.setdefault(Loader.__name__, Loader)))

    monkeypatch.setattr(yaml, "load", loaded)


LOADERS: dict[str, type] = {}


@pytest.mark.usefixtures("parsed_once")
def test_no_override_ends_in_a_traceback_and_what_is_accepted_a_dry_run_takes() -> None:
    with configuration():
        whole = compose_run(SMOKE)
    accepted = 0
    for override in overrides(whole, COUNT, seed=0):
        try:
            plan = make_plan([*SMOKE, override])
        except UserError as error:
            assert "\n" not in str(error) and str(error), override
            continue
        except Exception as error:
            raise AssertionError(f"{override} ended in a traceback") from error
        accepted += 1
        try:
            dry_run(plan)
        except Exception as error:
            raise AssertionError(f"{override} was accepted, and a dry run of the stages refuses it") from error
    assert COUNT / 20 < accepted < COUNT
