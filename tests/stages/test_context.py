"""The key of a stage follows from its declared inputs, and from nothing else."""

from dataclasses import dataclass

import pytest

from tats_exp.config.sections import Node
from tats_exp.data.shapes import Shapes
from tats_exp.stages.context import Chosen, Earlier, NoMeaning, meaning


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


def test_what_cannot_say_what_it_means_is_no_input() -> None:
    @dataclass
    class Wrong:
        thing: object

    with pytest.raises(TypeError, match="object cannot be part of the key"):
        meaning(Wrong(object()))
