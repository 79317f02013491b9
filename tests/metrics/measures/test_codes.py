"""Codes: drift, use, time-agnosticity, likelihoods and leak."""

import math
from dataclasses import replace

import pytest
import torch

from metrics.made_findings import CODES, FRAMES, a_window, of_folders, of_run
from tats_exp.metrics.findings import SplitNLL
from tats_exp.metrics.measures import CodeDrift, CodeUse, LeakThroughMask, Likelihood, TimeAgnosticity


def test_real_codes_in_place_of_sampled_ones_do_not_drift() -> None:
    findings = of_run(windows=3)
    count = findings.real.total
    same = findings.codes.train[:count].repeat(1, 3, 1, 1)
    given = CodeDrift()(replace(findings, codes=replace(findings.codes, sampled=same)))
    assert given.curves["codes/js_divergence"] == [0, 0, 0] and given.values["codes/js_divergence/slope"] == 0
    assert given.floors["real"]["codes/js_divergence"] > 0


def test_codes_of_the_slots_drawn_do_not_drift_from_them_and_do_from_their_places() -> None:
    """Every later latent frame is a real one of slot 1."""
    findings = of_run(windows=3, videos=12)
    marked = findings.codes.train // 4 + 2 * torch.arange(FRAMES)[:, None, None]  # slots share no code
    real = marked[: len(findings.codes.held_out)]
    sampled = torch.cat([real, *[real[:, 1:2]] * (2 * FRAMES)], dim=1)
    codes = replace(findings.codes, train=marked, learned=marked, learned_held_out=real.roll(1, 0), sampled=sampled)
    given = CodeDrift()(replace(findings, codes=codes))
    assert given.curves["codes/js_drawn"] == [0, 0, 0] == [given.values["codes/js_drawn/last"]] * 3
    assert given.floors["real"]["codes/js_drawn"] == 0
    assert given.values["codes/js_divergence/last"] > 0.7 * math.log(2)


def test_a_sampler_that_does_not_say_where_it_draws_has_no_such_divergence() -> None:
    findings = of_run()
    given = CodeDrift()(replace(findings, codes=replace(findings.codes, slots=None)))
    assert given.values["codes/js_drawn/last"] is None and "codes/js_drawn" not in given.curves
    assert "codes/js_drawn" not in given.floors["real"] and given.values["codes/js_divergence/last"] > 0


def test_two_windows_have_no_slope_and_no_resamples_no_interval() -> None:
    assert not [key for key in CodeDrift()(of_run(windows=2)).values if "slope" in key]
    values = CodeDrift()(replace(of_run(windows=3), resamples=0)).values
    assert [key for key in values if "slope" in key] == ["codes/js_divergence/slope"]


def test_use_is_the_share_of_the_codebook_that_occurs() -> None:
    findings = of_run()
    one = replace(findings.codes, train=torch.zeros_like(findings.codes.train))
    values = CodeUse()(replace(findings, codes=one)).values
    assert values["codes/usage/train"] == 1 / CODES and values["codes/perplexity/train"] == 1
    assert values["codes/usage/held_out"] == 1 and values["codes/perplexity/held_out"] > CODES / 2


def test_codes_that_move_with_their_frames_are_unchanged() -> None:
    given = TimeAgnosticity()(of_run())
    assert given.values["codes/unchanged"] == 1
    assert given.floors["chance"]["codes/place_probe"] == 1 / FRAMES
    assert given.values["codes/shift_nll_gap"] == pytest.approx(0.3)
    assert given.values["codes/shift_nll_gap/slot_2"] == 0.6 and not given.notes
    assert given.values["codes/sliding_gap"] == 0.25


def test_the_latent_shift_is_that_of_the_slots_and_null_where_latents_are_all_the_same() -> None:
    findings = of_run()
    values = TimeAgnosticity()(findings).values
    assert values["codes/latent_shift"] == pytest.approx(0.2)
    assert [values[f"codes/latent_shift/slot_{slot}"] for slot in (1, 2, 3)] == [0.2, 0.1, 0.3]
    same = replace(findings.codes, latent_shift=torch.full((3,), math.nan, dtype=torch.float64))
    values = TimeAgnosticity()(replace(findings, codes=same)).values
    assert values["codes/latent_shift"] is None and values["codes/latent_shift/slot_1"] is None


def test_a_single_held_out_video_has_no_probe() -> None:
    findings = of_run()
    single = replace(findings.codes, held_out_videos=torch.zeros(12, dtype=torch.int64))
    values = TimeAgnosticity()(replace(findings, codes=single)).values
    assert values["codes/place_probe"] is None and values["codes/place_probe/se"] is None


def test_a_probe_tested_on_a_single_video_has_no_error() -> None:
    findings = of_run()
    two = replace(findings.codes, held_out_videos=torch.arange(12) // 6)
    values = TimeAgnosticity()(replace(findings, codes=two)).values
    assert values["codes/place_probe"] is not None and values["codes/place_probe/se"] is None


def test_a_transformer_of_key_frames_has_no_shift_gap_and_it_is_said_why() -> None:
    findings = of_run()
    keys = replace(findings.codes, key_every=3)
    given = TimeAgnosticity()(replace(findings, shift_gap=None, sliding_gap=None, codes=keys))
    gaps = {key: value for key, value in given.values.items() if "_gap" in key}
    assert gaps == {"codes/shift_nll_gap": None, "codes/sliding_gap": None}
    said = "codes/shift_nll_gap, codes/sliding_gap: not measured, the transformer models every 3rd latent frame"
    assert given.notes == [said]


def test_likelihoods_are_of_the_transformers_that_there_are() -> None:
    values = Likelihood()(replace(of_run(), nll={"transformer": SplitNLL(train=1.5, held_out=2.0)})).values
    assert values == {"val/transformer/nll": 2.0, "val/transformer/nll_gap": 0.5}


def test_a_leak_is_what_codes_are_better_expected_by() -> None:
    findings = of_run()
    assert LeakThroughMask()(findings).values == {"leak/gradient": 0.25, "leak/nll": 0.5}
    rounding = replace(findings, leak=replace(findings.leak, hidden=findings.leak.forced - 1e-6))
    assert str(LeakThroughMask()(rounding).values["leak/nll"]) == "0.0"


@pytest.mark.parametrize("measure", [CodeDrift, CodeUse, TimeAgnosticity, Likelihood, LeakThroughMask])
def test_what_folders_do_not_tell_is_left_out(measure: type) -> None:
    given = measure()(of_folders([a_window(20, 1)]))
    assert not given.values and not given.curves and not given.floors and not given.notes
