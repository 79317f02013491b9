"""`metrics.measures`: what is no measure is refused before anything of it is called."""

import pytest

from tats_exp import UserError
from tats_exp.config.measures import build_measures
from tats_exp.metrics.measures import Joints, KernelDistance

JOINTS = {"_target_": "tats_exp.metrics.measures.Joints"}


class Loud:
    def __init__(self) -> None:
        raise AssertionError("was called")


def test_measures_are_built_in_their_order() -> None:
    nodes = {"b": {"_target_": "tats_exp.metrics.measures.KernelDistance"}, "a": JOINTS}
    built = build_measures(nodes)
    assert list(built) == ["b", "a"]
    assert isinstance(built["b"], KernelDistance) and isinstance(built["a"], Joints)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"mine": {"_target_": f"{__name__}.Loud"}}, "metrics.measures.mine._target_: Loud is no Measure"),
        ({"mine": {"_target_": "os.getcwd"}}, "metrics.measures.mine: str is no Measure"),
        ({"mine": {"_target_": "no.such.Thing"}}, "metrics.measures.mine._target_: "),
        ({"one": JOINTS, "two": JOINTS}, "two: the column drift/joints is one of metrics.measures.one, too"),
    ],
)
def test_what_is_no_measure_is_one_line(nodes: dict[str, dict[str, str]], said: str) -> None:
    with pytest.raises(UserError) as error:
        build_measures(nodes)
    assert said in str(error.value) and "\n" not in str(error.value)
