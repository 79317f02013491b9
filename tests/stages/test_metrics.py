"""What of the sampled videos is measured: nothing that was given, nothing twice, nothing left out."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp.config.check import check
from tats_exp.config.schema import conf_dir
from tats_exp.evaluate.evaluator import memorisation
from tats_exp.metrics.evaluation import Evaluation, real_side
from tats_exp.metrics.look import PIXELS
from tats_exp.progress import Progress
from tats_exp.stages.metrics import _inner, _memorisation
from tats_exp.stages.parts import Parts
from tats_exp.stages.samples import Samples
from tats_exp.stages.windows import _generated
from tats_exp.vqgan import VQGAN, EMACodebook, TimePadding
from tats_exp.vqgan.padding import Real, Replicate


def test_a_run_and_evaluate_mean_the_same_by_one_key(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    first = {name: torch.rand(10, generator=generator) for name in PIXELS}
    first |= {name: torch.rand(10, 4, generator=generator) for name in ("features", "probabilities")}
    evaluation = Evaluation("net", "net", real_side(first, 2, 2))
    sampled = {"features": torch.rand(4, 4, generator=generator)}
    options = ["scale=smoke", "trainer=cpu"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        parts = Parts(check(compose("config", overrides=options)), Progress(tmp_path, ""))
    of_run = _memorisation(parts, {**evaluation.real, "held_out": first["features"][:2]}, sampled["features"])
    of_evaluate = memorisation(evaluation, sampled)
    key = "memorisation/nearest_sample"
    assert of_run[key] == of_evaluate[key] and of_run[key]
    assert set(of_run) ^ set(of_evaluate) == {"memorisation/nearest_held_out", "memorisation/nearest_other_real"}


@pytest.mark.parametrize("given", [0, 3, 8, 11])
@pytest.mark.parametrize("pieces", [[24], [8, 8, 8], [1] * 24, [5, 19]])
def test_frames_that_were_given_are_not_measured(given: int, pieces: list[int]) -> None:
    video = torch.arange(24, dtype=torch.uint8)[None, :, None, None, None].expand(2, -1, 2, 2, 3)
    found = torch.cat(list(_generated(video.split(pieces, dim=1), given)), dim=1)
    assert torch.equal(found, video[:, given:])


@pytest.mark.parametrize("padding, margin", [(Replicate(), 0), (Real(), 3)])
def test_codes_that_were_given_are_not_measured(padding: TimePadding, margin: int) -> None:
    vqgan = VQGAN(EMACodebook(16, 8), 4, (4, 4, 4), 1, "batch", padding, padding)
    codes = torch.arange(20)[None, :, None, None].expand(2, -1, 4, 4)
    samples = Samples(codes, torch.zeros(2, dtype=torch.int64), margin > 0, 2, None, 1.0)
    assert _inner(vqgan, samples)[0, :, 0, 0].tolist() == list(range(margin + 2, 20 - margin))
