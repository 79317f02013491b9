"""What the documents name is there, and what there is they name."""

import re
import textwrap
from pathlib import Path

import pytest

from tats_exp.config.schema import conf_dir
from tats_exp.run.plan import make_plan

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("*.md", "docs/**/*.md", "*/README.md", "experiments/*/*.md")
PAGES = sorted({page for pattern in FOLDERS for page in ROOT.glob(pattern)})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "docs/running.md"])
def test_every_option_of_every_group_is_named(page: str) -> None:
    text = (ROOT / page).read_text()
    options = [path.relative_to(conf_dir()).with_suffix("") for path in sorted(conf_dir().glob("*/*.yaml"))]
    assert options and [str(path) for path in options if f"`{path.name}`" not in text] == []


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    pages = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")]
    assert pages and [page for page in pages if f"({page})" not in text] == []


def test_the_experiment_that_the_docs_show_composes(tmp_path: Path) -> None:
    shown = (ROOT / "docs" / "adding.md").read_text().partition("## An experiment\n\n")[2].partition("\n\n")[0]
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "loop_or_reflect.yaml").write_text(textwrap.dedent(shown))
    plan = make_plan([f"hydra.searchpath=['{tmp_path}']", "+experiment=loop_or_reflect"])
    assert (plan.name, plan.jobs, plan.configs[0].endpoint) == ("loop_or_reflect", 4, "layout/growth")
