"""Random overrides of all keys: none ends in a traceback, and none is accepted that a dry run of the stages refuses."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml

from odd_overrides import examine

COUNT = 100
LOADERS: dict[str, type] = {}


@pytest.fixture
def parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra reads the same YAML files for every run: parsed once, what it does with them is as ever."""
    load: Callable[..., Any] = yaml.load
    known = cache(lambda text, loader: load(text, Loader=loader))

    def loaded(stream: Any, Loader: type) -> Any:
        text = stream if isinstance(stream, str) else stream.read()
        return copy.deepcopy(known(text, LOADERS.setdefault(Loader.__name__, Loader)))

    monkeypatch.setattr(yaml, "load", loaded)


@pytest.mark.usefixtures("parsed_once")
@pytest.mark.parametrize("first", range(0, 300, COUNT))  # in parts, for several processes
def test_no_override_ends_in_a_traceback_and_what_is_accepted_a_dry_run_takes(first: int) -> None:
    outcomes = [outcome for _, outcome in examine(range(first, first + COUNT), seed=0)]
    assert [(outcome.line, outcome.finding) for outcome in outcomes if outcome.finding] == []
    assert COUNT / 20 < sum(not outcome.refused for outcome in outcomes) < COUNT
