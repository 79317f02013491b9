from pathlib import Path

import pytest

from tats_exp.features.weights import obtain_i3d


@pytest.fixture(scope="session")
def i3d_weights() -> Path:
    """The weights of I3D in the user's cache; fetched, 47 MB, when they are not there. It fails without a network."""
    return obtain_i3d()
