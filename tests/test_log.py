"""The W&B log: what goes wrong in opening it must not hide itself behind an error in closing it."""

from types import SimpleNamespace

import pytest

from tats_exp.log import WandbLog


def test_a_log_that_could_not_be_opened_can_be_closed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    log = WandbLog()
    with pytest.raises(ValueError, match="mode"):
        log.start(tmp_path, "name", "group", [], {})
    log.finish({}, failed=True)


def test_the_protocol_is_part_of_the_summary() -> None:
    log = WandbLog()
    log.run = SimpleNamespace(summary={})
    log.protocol({"n_real": 512})
    assert log.run.summary == {"protocol": {"n_real": 512}}
