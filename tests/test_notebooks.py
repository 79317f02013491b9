"""Notebooks are explained, stored without outputs, and named in the README; that they run, pytest itself sees to."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks_and_a_map_names_them() -> None:
    assert len(NOTEBOOKS) >= 4
    assert [path.name for path in NOTEBOOKS if path.name not in (ROOT / "README.md").read_text()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_what_it_printed(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert cells[0]["cell_type"] == "markdown" and len(cells) > len(code) > 3
