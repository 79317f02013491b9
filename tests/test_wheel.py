"""The wheel carries the config groups, the weights and the page's style, and runs outside of a checkout."""

import re
import subprocess
import sys
import tomllib
import venv
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_a_wheel_in_a_bare_environment_finds_its_config(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT]
    built = subprocess.run(build, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    installed = subprocess.run([python, "-m", "pip", "install", "--no-deps", wheel], capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    # What it depends on is taken from this environment; the package itself must not be.
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    code = (
        f"import sys; sys.path[1:1] = [{str(site)!r}]; sys.path += {here!r}; "
        "from tats_exp.config.schema import conf_dir; import tats_exp; from tats_exp.features import ShapesCNN; "
        "from tats_exp.run.plan import make_plan; from tats_exp.report import page; from pathlib import Path; "
        f"assert tats_exp.__file__.startswith({str(site)!r}), tats_exp.__file__; "
        f"assert str(conf_dir()).startswith({str(site)!r}), conf_dir(); "
        "ShapesCNN.pretrained(); "
        "assert all(Path(page.__file__).with_suffix(end).is_file() for end in ('.css', '.html', '.js')); "
        "print(make_plan(['+experiment=padding_ablation', 'scale=smoke']).jobs)"
    )
    ran = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "6"


def test_every_extra_is_part_of_dev_and_can_be_imported() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    modules = [(name, module) for module, names in packages_distributions().items() for name in names]
    # A torchvision that was built for another torch breaks what imports it by the way: clip is no part of dev.
    for extra in extras.keys() - {"dev", "clip"}:
        assert set(extras[extra]) <= set(extras["dev"]), extra
        for needed in extras[extra]:
            wanted = re.split(r"[<>=!~;\[ ]", needed)[0].replace("_", "-").lower()
            found = [module for name, module in modules if name.replace("_", "-").lower() == wanted]
            assert found and all(import_module(module) for module in found), needed
