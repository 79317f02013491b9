"""A target of another kind than its group's is refused before anything of it is called."""

from pathlib import Path
from typing import Self

import pytest

from tats_exp import UserError
from tats_exp.config.targets import check_target

CALLED: list[str] = []


class Base:
    """A kind."""


class Derived(Base):
    """One of the kind."""

    def __init__(self, size: int, inner: Base | None = None) -> None:
        CALLED.append("Derived")

    @classmethod
    def made(cls) -> Self:
        """One of the kind, too."""
        return cls(1)


class Other:
    """Not one of the kind."""

    def __init__(self) -> None:
        CALLED.append("Other")


def makes_one(size: int) -> Derived:
    CALLED.append("makes_one")
    return Derived(size)


def makes_another() -> Other:
    CALLED.append("makes_another")
    return Other()


def says_nothing():
    CALLED.append("says_nothing")


def node(name: str, **keys: object) -> dict[str, object]:
    return {"_target_": f"{__name__}.{name}", **keys}


@pytest.fixture(autouse=True)
def nothing_is_called() -> None:
    CALLED.clear()
    yield
    assert not CALLED


@pytest.mark.parametrize("given", [node("Derived", size=1), node("makes_one", size=1), node("Derived.made")])
def test_a_class_of_the_kind_and_what_says_to_make_one_are_taken(given: dict[str, object]) -> None:
    check_target("group", given, Base)


@pytest.mark.parametrize(
    "given, said",
    [
        (node("Other"), r"Other: no Base; allowed: subclasses of .*\.Base"),
        (node("makes_another"), r"its return annotation is Other; allowed: .*\.Base or a subclass"),
        (node("says_nothing"), "its return annotation names no class"),
        (node("Derived", size="many"), r"^group\.size='many'"),
        (node("Derived", sise=1), r"^group\.sise: unknown key; did you mean 'size'\? allowed: inner, size"),
        (node("Derived"), r"^group\.size is missing"),
        (node("Derived", size=1, inner=node("Other")), r"^group\.inner\._target_=.*Other: no Base"),
        ({"_target_": "no.such.thing"}, r"^group\._target_: cannot import 'no\.such\.thing'"),
        ({}, r"^group\._target_ is missing"),
    ],
)
def test_anything_else_is_one_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        check_target("group", given, Base)
    assert "\n" not in str(error.value)


def test_what_the_code_supplies_is_not_to_be_given() -> None:
    check_target("group", node("Derived"), Base, supplied=("size",))
    with pytest.raises(UserError, match=r"group\.size: unknown key"):
        check_target("group", node("Derived", size=1), Base, supplied=("size",))


def test_a_builtin_is_no_padding(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"subprocess|no Base|annotation"):
        check_target("group", {"_target_": "os.system", "command": f"touch {tmp_path / 'ran'}"}, Base)
    assert not (tmp_path / "ran").exists()
