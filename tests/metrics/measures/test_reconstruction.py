"""Errors of reconstructions and motion at joints, which pure functions give, under the keys that are logged."""

from dataclasses import replace

import pytest
import torch

from metrics.made_findings import a_window, of_folders, of_run
from tats_exp.metrics.findings import JointFindings
from tats_exp.metrics.measures import Joints, ReconstructionError


def test_every_frame_of_a_window_has_its_error() -> None:
    findings = of_run()
    errors, values = findings.reconstruction, ReconstructionError()(findings).values
    assert [values[f"val/vqgan/l1/frame_{frame}"] for frame in range(16)] == errors.frame_errors.tolist()
    assert values["val/vqgan/psnr"] == errors.psnr and values["val/vqgan/edge_ratio"] == errors.edge_ratio


def test_motion_like_that_of_real_video_has_ratio_one() -> None:
    motion = torch.rand(5, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same = replace(of_run(), joints=JointFindings(motion, motion, 4))
    assert Joints()(same).values == {"drift/joints": pytest.approx(1)}
    still = replace(of_run(), joints=JointFindings(motion, 0 * motion, 4))
    assert Joints()(still).values["drift/joints"] is None


def test_what_folders_do_not_tell_is_left_out() -> None:
    for measure in (ReconstructionError(), Joints()):
        assert measure(of_folders([a_window(20, 1)])).values == {}
