"""Shapes of every annotated tensor are checked in tests, and one thread per process keeps parallel tests fair.

`TATS_EXP_TEST_THREADS=2 make test` gives each process two: every test must pass with any number.

Verdicts on the videos that tests make, and figures, are kept in a folder that is gone when the tests are over.
"""

import os
import shutil
import tempfile

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

_KEPT = pytest.StashKey[str]()

install_import_hook("tats_exp", "beartype.beartype")
# How long an example takes, and to draw one, hangs on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
torch.set_num_threads(int(os.environ.get("TATS_EXP_TEST_THREADS", "1")))
os.environ.setdefault("WANDB__SERVICE_WAIT", "1800")  # on a machine busy with other work 30 seconds are too few


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test draws without a seed of its own does not hang on the tests before it."""
    torch.manual_seed(0)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # workers inherit what the process that started them has set
        config.stash[_KEPT] = kept = tempfile.mkdtemp(prefix="tats_exp_kept_")
        os.environ |= {"TATS_EXP_VERDICTS": f"{kept}/verdicts", "TATS_EXP_FIGURES": f"{kept}/figures"}


def pytest_unconfigure(config: pytest.Config) -> None:
    if _KEPT in config.stash:
        shutil.rmtree(config.stash[_KEPT], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):  # its keywords hold the names of folders, too
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
