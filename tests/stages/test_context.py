"""The key of a stage follows from its declared inputs, and from nothing else."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp.config.check import check
from tats_exp.config.schema import conf_dir
from tats_exp.config.sections import Node
from tats_exp.data.mirrored import MirroredVideos
from tats_exp.data.shapes import Shapes
from tats_exp.stages.codes import CODES_STAGE
from tats_exp.stages.context import (
    Chosen,
    Earlier,
    IfAny,
    Left,
    NoMeaning,
    RunContext,
    meaning,
    spare_cores,
)
from tats_exp.stages.reference import REFERENCE_STAGE
from tats_exp.stages.vqgan import VQGAN_STAGE


@dataclass(frozen=True)
class Inputs:
    videos: object
    earlier: Earlier[int]
    chosen: Chosen[object]
    nested: dict[str, object]
    batch_size: NoMeaning[int]


def inputs(batch_size: int, key: str = "a", identity: Node | None = None) -> Inputs:
    videos = Shapes(train_videos=8, test_videos=1, frames=16, resolution=8, seed=0).split("train")
    return Inputs(
        videos, Earlier(key, lambda: 1), Chosen(object(), identity), {"of": [Earlier("b", lambda: 2), 1.5]}, batch_size
    )


def test_every_field_stands_for_what_it_means() -> None:
    found = meaning(inputs(3, identity={"checksum": "c"}))
    assert found["earlier"] == "a" and found["chosen"] == {"checksum": "c"} and found["nested"] == {"of": ["b", 1.5]}
    assert (
        found["videos"]
        == Shapes(train_videos=8, test_videos=1, frames=16, resolution=8, seed=0).split("train").fingerprint()
    )


def test_a_field_without_meaning_changes_no_key_and_any_other_does() -> None:
    assert meaning(inputs(3)) == meaning(inputs(4))
    assert meaning(inputs(3)) != meaning(inputs(3, key="other"))
    assert meaning(inputs(3)) != meaning(inputs(3, identity={}))


def test_what_is_off_leaves_no_trace_in_a_key() -> None:
    @dataclass
    class Optional:
        steps: int
        drop: IfAny[float] = 0.0

    assert meaning(Optional(3)) == {"steps": 3} and meaning(Optional(3, 0.1)) == {"steps": 3, "drop": 0.1}


def test_what_cannot_say_what_it_means_is_no_input() -> None:
    @dataclass
    class Wrong:
        thing: object

    with pytest.raises(TypeError, match="object cannot be part of the key"):
        meaning(Wrong(object()))


@pytest.mark.parametrize(
    ("device", "threads", "processes", "workers"),
    [
        ("cpu", 16, 1, 0),
        ("cuda", 16, 1, 8),
        ("cuda", 6, 1, 5),
        ("cuda", 16, 4, 3),
        ("cuda", 2, 4, 0),
        ("cuda", None, 8, 1),
    ],
)
def test_cores_to_spare_read_clips_where_a_gpu_trains(
    device: str, threads: int | None, processes: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert spare_cores(torch.device(device), threads, processes) == workers


def test_no_more_cores_are_spared_than_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 4, 5, 6}, raising=False)
    assert spare_cores(torch.device("cuda"), 128, 1) == 3


@pytest.mark.parametrize("flip", ["true", "false"])
def test_models_learn_from_mirror_images_where_asked_and_nothing_is_measured_against_them(flip: str) -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        quick = ("scale=smoke", "trainer=cpu", "data.train_videos=8", "data.test_videos=4", f"flip={flip}")
        run = RunContext(check(compose("config", overrides=[*quick])))
    run.left["vqgan"] = Left("vqgan", Path())
    for stage in (VQGAN_STAGE, CODES_STAGE):
        assert isinstance(stage.inputs(run).train, MirroredVideos) == (flip == "true")
    assert not isinstance(REFERENCE_STAGE.inputs(run).real, MirroredVideos)
