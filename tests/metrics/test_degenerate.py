"""What a degenerate model gets for nothing is marked, what is not defined is None, what is not finite ends the run."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from metrics.made_findings import of_run, rebuilt_windows
from tats_exp import NotFiniteError
from tats_exp.metrics import Findings, LatentShift
from tats_exp.metrics.evaluation import evaluate
from tats_exp.metrics.measure import Measure, Measurement
from tats_exp.metrics.measures import (
    ClassCoherence,
    CodeDrift,
    FrechetDistance,
    KernelDistance,
    LayoutDrift,
    Likelihood,
    ReconstructionError,
    TimeAgnosticity,
)
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.run_folder.columns import Column

MEASURES: dict[str, Measure] = {
    measure.__class__.__name__: measure
    for measure in (
        ClassCoherence(),
        CodeDrift(),
        FrechetDistance(),
        KernelDistance(),
        LayoutDrift(30.0),
        Likelihood(),
        TimeAgnosticity(),
    )
}
OF_CODES = {"codes/unchanged", "codes/sliding_gap", "codes/shift_nll_gap", "codes/place_probe", "val/transformer/nll"}
OF_CODES |= {"codes/js_divergence/last", "codes/js_drawn/last", "fvd/net/last", "kvd/net/last", "layout/last"}
ALONG = {"layout/growth", "drift/collapse_window", "drift/first_window", "coherence/kappa_last", "coherence/js_last"}
ALONG |= {"ccs/judge/last", "fvd/net/growth"}


def with_codes(real: int | None = None, sampled: int | None = None) -> Findings:
    """Findings in which codes of real windows, or of the samples, are all the same."""
    found = of_run()
    codes = found.codes
    assert codes is not None
    if real is not None:
        same = {name: torch.full_like(getattr(codes, name), real) for name in ("train", "held_out_shifts")}
        codes = replace(codes, **same)
    if sampled is not None:
        codes = replace(codes, sampled=torch.full_like(codes.sampled, sampled))
    return replace(found, codes=codes)


def test_a_healthy_model_earns_all_its_values() -> None:
    assert evaluate(MEASURES, of_run()).free == {}


def test_one_code_in_use_gets_its_code_metrics_and_distances_to_rebuilt_windows_for_nothing() -> None:
    found = evaluate(MEASURES, with_codes(real=3))
    assert found.values["codes/unchanged"] == 1.0  # it is still told
    assert set(found.free) >= OF_CODES | ALONG
    assert set(found.free.values()) == {"one code in use"}
    assert {"fvd/net/last/to_real", "codes/latent_shift", "layout/last/to_real"}.isdisjoint(found.free)


def test_samples_of_one_code_stay_as_they_are_for_nothing() -> None:
    found = evaluate(MEASURES, with_codes(sampled=2))
    assert set(found.free) >= ALONG and OF_CODES.isdisjoint(found.free)
    assert set(found.free.values()) == {"one code in all sampled videos"}


def test_constant_videos_keep_their_class_for_nothing_unless_real_ones_are_stills() -> None:
    moving = of_run()
    still = replace(moving, windows=[replace(w, motion=torch.zeros_like(w.motion)) for w in moving.windows])
    assert set(evaluate(MEASURES, still).free) >= ALONG
    stills = replace(still.real, motion=torch.zeros_like(still.real.motion))
    assert evaluate(MEASURES, replace(still, real=stills)).free == {}


def test_videos_that_stand_still_at_last_have_earned_what_they_get() -> None:
    found = of_run()
    windows = [*found.windows[:-1], replace(found.windows[-1], motion=torch.zeros_like(found.windows[-1].motion))]
    assert evaluate(MEASURES, replace(found, windows=windows)).free == {}


def test_without_a_floor_there_is_no_window_of_collapse() -> None:
    rebuilt = rebuilt_windows()
    same = {name: torch.full_like(getattr(rebuilt.windows, name), 0.5) for name in ("layout", "floor_layout")}
    found = replace(of_run(), rebuilt=replace(rebuilt, windows=replace(rebuilt.windows, **same)))
    values = LayoutDrift(30.0)(found).values
    assert values["drift/collapse_window"] is None and values["diversity/last"] is None
    assert values["drift/collapse_window/to_real"] is not None


def test_latents_that_are_all_the_same_have_no_shift() -> None:
    shift = LatentShift()
    same = torch.full((3, 2, 4, 2, 2), 0.1)
    shift.add(same, same)
    assert bool(shift.values().isnan().all())
    shift.add(torch.full_like(same, math.inf), same)
    with pytest.raises(NotFiniteError):
        shift.values()


def test_without_a_window_nothing_is_said_of_reconstructions() -> None:
    errors = ReconstructionErrors()
    assert math.isnan(errors.psnr) and errors.ssim is None and bool(errors.frame_errors.isnan().all())
    assert ReconstructionError()(replace(of_run(), reconstruction=errors)).values == {}


def test_a_perfect_reconstruction_has_no_psnr() -> None:
    errors, clip = ReconstructionErrors(), torch.randint(0, 256, (2, 8, 16, 16, 3), dtype=torch.uint8)
    errors.add(clip, clip)
    values = ReconstructionError()(replace(of_run(), reconstruction=errors)).values
    assert values["val/vqgan/psnr"] is None and values["val/vqgan/edge_ratio"] is None
    assert values["val/vqgan/gradient_ratio"] == 1.0


class Broken(Measure):
    """Gives what a test wants."""

    columns = (
        Column("a", ("a", ""), "."),
        Column("c", ("c", ""), ".", is_curve=True),
        Column("n", ("n", ""), ".", never=True),
    )

    def __init__(self, values: Mapping[str, float | None], curve: list[float]) -> None:
        self.values, self.curve = values, curve

    def __call__(self, findings: Findings) -> Measurement:
        return Measurement(self.values, {"c": self.curve})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_ends_the_run(value: float) -> None:
    with pytest.raises(NotFiniteError, match=rf"metrics\.measures\.broken: a is {value}"):
        evaluate({"broken": Broken({"a": value}, [0.0] * 4)}, of_run())
    with pytest.raises(NotFiniteError, match="the curve c is infinite"):
        evaluate({"broken": Broken({"a": 0.0}, [0.0, math.inf, 0.0, 0.0])}, of_run())


def test_never_and_undefined_are_no_faults() -> None:
    found = evaluate({"broken": Broken({"a": None, "n": math.inf}, [math.nan] * 4)}, of_run())
    assert found.values == {"a": None, "n": math.inf}


def test_a_gap_that_is_nan_is_a_fault_and_not_undefined() -> None:
    gone = torch.tensor([0.1, math.nan, 0.2], dtype=torch.float64)
    with pytest.raises(NotFiniteError, match="codes/shift_nll_gap"):
        evaluate(MEASURES, replace(of_run(), shift_gap=gone))
