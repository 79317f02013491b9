"""Shapes of every annotated tensor are checked in tests, and one thread per process keeps parallel tests fair."""

import os

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("tats_exp", "beartype.beartype")
torch.set_num_threads(1)
os.environ.setdefault("WANDB__SERVICE_WAIT", "1800")  # on a machine busy with other work 30 seconds are too few


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test draws without a seed of its own does not hang on the tests before it."""
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
