"""`metrics.measures`: what is no measure is refused before anything of it is called."""

import pytest
from hydra import compose, initialize_config_dir

from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.measures import build_measures
from tats_exp.config.schema import conf_dir
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


def test_two_measures_of_one_column_are_refused() -> None:
    with pytest.raises(UserError, match=r"two: the column drift/joints is one of metrics\.measures\.one, too"):
        build_measures({"one": JOINTS, "two": JOINTS})


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (f"{__name__}.Loud", r"^metrics\.measures\.mine\._target_=.*Loud: no Measure; allowed"),
        ("os.getcwd", r"^metrics\.measures\.mine\._target_=os\.getcwd: "),
        ("no.such.Thing", r"^metrics\.measures\.mine\._target_: cannot import"),
    ],
)
def test_what_is_no_measure_is_one_line_and_not_called(target: str, said: str) -> None:
    overrides = ["scale=smoke", "trainer=cpu", f"+metrics.measures.mine={{_target_: {target}}}"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=overrides)
    with pytest.raises(UserError, match=said) as error:
        check(config)
    assert "\n" not in str(error.value)
