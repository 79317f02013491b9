"""What videos show of what they were asked for: right, wrong in one thing, right by chance, and not known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from metrics.made_findings import of_run
from tats_exp.data.shapes import Shapes, ShapesVideos
from tats_exp.data.shapes_captions import attributes
from tats_exp.features.shapes_cnn import ShapesCNN
from tats_exp.metrics import Findings, Networks, ReferenceWindows, WindowStatistics
from tats_exp.metrics.findings import LabelFindings, Rebuilt
from tats_exp.metrics.measures import LabelShare

VIDEOS, RESOLUTION = 64, 16
LAW, SHAPE = 1, 8
"""By how much two classes differ that differ in this alone."""
TOLD = {name: torch.tensor(values) for name, values in attributes().items()}


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(ShapesCNN.pretrained(), None, torch.device("cpu"))


def world() -> ShapesVideos:
    return Shapes(VIDEOS, 1, 10_000, RESOLUTION, seed=77).split("train")


def seen_of(networks: Networks, videos: ShapesVideos, start: int) -> WindowStatistics:
    """Real windows of all videos of a world, as the judge sees them."""
    frames = np.stack([videos.read(video, start, 16) for video in range(VIDEOS)])
    return networks.statistics(torch.from_numpy(frames))


def of_another(videos: ShapesVideos, far: int) -> ShapesVideos:
    """The same videos with one thing about each of them changed."""
    videos.labels = [label ^ far for label in videos.labels]
    return videos


def findings_of(windows: list[WindowStatistics], asked_for: torch.Tensor, rebuilt: Rebuilt | None = None) -> Findings:
    real = ReferenceWindows.of(WindowStatistics.joined([windows[0], windows[0]]), 1, VIDEOS)
    labels = LabelFindings(asked_for, torch.tensor(world().labels), TOLD)
    return Findings("shapes_cnn", "shapes_cnn", real, windows, 0, 0, labels=labels, rebuilt=rebuilt)


def test_videos_that_show_what_was_asked_for_score_1(networks: Networks) -> None:
    windows = [seen_of(networks, world(), start) for start in (300, 316, 5000)]
    given = LabelShare()(findings_of(windows, torch.tensor(world().labels)))
    for part in ("colour", "shape", "law", "all"):
        assert given.curves[f"truth/{part}"] == [1, 1, 1]
        assert given.values[f"truth/{part}/window_0"] == given.values[f"truth/{part}/last"] == 1
        assert given.floors["real"][f"truth/{part}"] == 1


@pytest.mark.parametrize("part, far", [("law", LAW), ("shape", SHAPE)])
def test_a_window_that_is_wrong_in_one_thing_scores_0_in_it_and_1_in_the_others(
    networks: Networks, part: str, far: int
) -> None:
    windows = [seen_of(networks, world(), 300), seen_of(networks, of_another(world(), far), 300)]
    given = LabelShare()(findings_of(windows, torch.tensor(world().labels)))
    for other in ("colour", "shape", "law"):
        assert given.curves[f"truth/{other}"] == [1, float(other != part)]
    assert given.values["truth/all/last"] == given.values["label/shapes_cnn/last"] == 0


def test_shuffled_pairs_score_chance(networks: Networks) -> None:
    labels = torch.tensor(world().labels)
    random = torch.Generator().manual_seed(0)
    window = seen_of(networks, world(), 300)
    shuffled = [labels[torch.randperm(VIDEOS, generator=random)] for _ in range(50)]
    scored = [LabelShare()(findings_of([window], asked_for)) for asked_for in shuffled]
    for part, chance in (("colour", 1 / 4), ("shape", 1 / 2), ("law", 1 / 2), ("all", 1 / 16)):
        assert all(given.floors["chance"][f"truth/{part}/last"] == pytest.approx(chance) for given in scored)
        found = torch.tensor([given.values[f"truth/{part}/last"] for given in scored], dtype=torch.float64)
        assert float(found.mean()) == pytest.approx(chance, abs=0.03)


def test_videos_of_one_look_are_no_better_than_chance(networks: Networks) -> None:
    first = seen_of(networks, world(), 300)
    alike = WindowStatistics.joined([first.ordered(torch.tensor([3]))] * VIDEOS)
    given = LabelShare()(findings_of([first, alike], torch.tensor(world().labels)))
    for part in ("colour", "shape", "law", "all"):
        assert given.values[f"truth/{part}/last"] == pytest.approx(given.floors["chance"][f"truth/{part}/last"])


def test_the_ceiling_is_that_of_real_windows_that_were_rebuilt(networks: Networks) -> None:
    windows = [seen_of(networks, world(), 300)]
    lost = seen_of(networks, of_another(world(), SHAPE), 300)  # of a VQGAN that keeps no shape
    rebuilt = Rebuilt(ReferenceWindows.of(WindowStatistics.joined([lost, lost]), 1, VIDEOS))
    asked_for = torch.tensor(world().labels)
    ceiling = LabelShare()(findings_of(windows, asked_for, rebuilt)).floors["ceiling"]
    assert ceiling["truth/colour"] == ceiling["truth/law"] == 1
    assert ceiling["truth/shape"] == ceiling["truth/all"] == ceiling["label/shapes_cnn"] == 0
    assert "truth/all" not in LabelShare()(findings_of(windows, asked_for)).floors["ceiling"]


def test_what_nothing_was_asked_for_has_no_truth() -> None:
    unasked = replace(of_run(), labels=None)
    assert LabelShare()(unasked).values == {} and LabelShare()(unasked).floors == {}


def test_classes_without_colour_shape_and_law_have_a_label_alone() -> None:
    findings = of_run()
    assert findings.labels is not None
    given = LabelShare()(replace(findings, labels=replace(findings.labels, attributes={})))
    assert {key.split("/")[0] for key in [*given.values, *given.curves]} == {"label"}
