"""What a classifier says of the videos: IS, CCS, ICS, and the class that was asked for."""

import math
from dataclasses import replace

import pytest
import torch

from metrics.made_findings import CLASSES, a_window, of_folders, of_run
from tats_exp.metrics.findings import LabelFindings
from tats_exp.metrics.measures import ClassCoherence, InceptionScore, LabelShare


def test_a_window_that_no_network_saw_has_no_opinion() -> None:
    windows = [a_window(20, 1), a_window(20, 2, looked_at=False), a_window(20, 3)]
    for measure in (InceptionScore(), ClassCoherence()):
        for curve in measure(of_folders(windows)).curves.values():
            assert [math.isnan(value) for value in curve] == [False, True, False]


def test_window_0_coheres_with_itself() -> None:
    curves = ClassCoherence()(of_folders([a_window(20, 1), a_window(20, 2)])).curves
    assert curves["ccs/judge"][0] == 1 and curves["ics/judge"][0] == 0
    assert curves["ccs/judge"][1] < 1 and curves["ics/judge"][1] > 0


def test_videos_of_one_window_keep_nothing() -> None:
    values = ClassCoherence()(of_folders([a_window(20, 1)])).values
    assert values["ccs/judge/last"] is None and values["ics/judge/last"] is None


def test_the_floor_of_the_inception_score_is_that_of_real_windows() -> None:
    given = InceptionScore()(of_folders([a_window(20, 1)]))
    assert 1 < given.floors["real"]["is/judge"] < CLASSES
    assert given.values["is/judge/window_0"] == given.values["is/judge/last"] == given.curves["is/judge"][0]


def test_the_share_of_labels_is_that_of_the_classes_asked_for() -> None:
    findings = of_run(windows=2)
    classes = findings.windows[1].probabilities.argmax(dim=-1)
    right = replace(findings, labels=LabelFindings(classes, findings.labels.floor))
    given = LabelShare()(right)
    assert given.values["label/judge/last"] == 1 > given.values["label/judge/window_0"]
    share = (findings.real.probabilities.argmax(dim=-1) == findings.labels.floor).double().mean()
    assert given.floors["real"]["label/judge"] == pytest.approx(float(share))
    assert torch.equal(right.labels.asked_for, classes)


def test_without_a_class_there_is_no_share() -> None:
    given = LabelShare()(of_folders([a_window(20, 1)]))
    assert given.values == {} and given.curves == {}
