"""The layout distance of frames between key frames: to rebuilt windows, at the same frames, window by window."""

import math
from dataclasses import replace

import pytest
import torch

from tats_exp.metrics.findings import GapFindings
from tats_exp.metrics.layout import layout_distance
from tats_exp.metrics.measures import GapLayout
from tests.metrics.made_findings import of_folders, of_run


def test_each_window_is_held_against_the_same_latent_frames_of_rebuilt_windows() -> None:
    findings = of_run()
    frames = torch.tensor([[False, True, True, True], [True, True, False, True]])
    layouts = [0.1 * torch.rand(20, 48, generator=torch.Generator().manual_seed(t)) for t in range(2)]
    measured = GapLayout()(replace(findings, gaps=GapFindings(frames, layouts)))
    assert findings.rebuilt is not None and findings.rebuilt.latent_layouts is not None
    rebuilt = findings.rebuilt.latent_layouts[0]
    references = [rebuilt[:, chosen].mean(dim=1) for chosen in frames]
    expected = [float(layout_distance(r[20:], seen)) for r, seen in zip(references, layouts, strict=True)]
    floors = [float(layout_distance(r[20:], r[:20])) for r in references]
    assert measured.curves["layout/gaps"] == pytest.approx(expected)
    assert measured.values["layout/gaps/window_0"] == pytest.approx(expected[0])
    assert measured.values["layout/gaps/last"] == pytest.approx(expected[1])
    assert measured.values["layout/gaps/mean"] == pytest.approx(sum(expected) / 2)
    ends = dict(zip(("layout/gaps/window_0", "layout/gaps/last"), floors, strict=True))
    assert measured.floors["rebuilt"] == pytest.approx({"layout/gaps/mean": sum(floors) / 2, **ends})


def test_windows_whose_gaps_lie_alike_share_a_floor_with_their_curve() -> None:
    floors = GapLayout()(of_run()).floors["rebuilt"]
    assert len(set(floors.values())) == 1 and "layout/gaps" in floors


def test_a_window_of_key_frames_alone_has_no_value_and_does_not_enter_the_mean() -> None:
    frames = torch.tensor([[False, False, False, False], [True, True, True, True]])
    seen = 0.1 * torch.rand(20, 48, generator=torch.Generator().manual_seed(0))
    measured = GapLayout()(replace(of_run(), gaps=GapFindings(frames, [None, seen])))
    first, second = measured.curves["layout/gaps"]
    assert math.isnan(first) and measured.values["layout/gaps/mean"] == second


def test_without_key_frames_or_codes_there_is_nothing_to_measure() -> None:
    windows = list(of_run().windows)
    assert GapLayout()(of_folders(windows)).values == GapLayout()(replace(of_run(), gaps=None)).values == {}
