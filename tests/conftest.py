"""Shapes of every annotated tensor are checked in tests, and one thread per process keeps parallel tests fair."""

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("tats_exp", "beartype.beartype")
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
