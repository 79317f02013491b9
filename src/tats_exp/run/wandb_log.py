"""The log of a run in Weights & Biases."""

import hashlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tats_exp.run.log import RunLog
from tats_exp.run.store import Made
from tats_exp.run_folder import WANDB_ID

TAG, NAME = 64, 128
"""Letters that W&B takes of a tag, and of the name of a run or a group."""
TRAINED = ("vqgan", "audio_vqgan", "transformer", "interpolation")
KEPT = (*TRAINED, "codes", "samples")
"""Stages whose files become artifacts."""
BY_FRAME = re.compile(r"(.+)/frame_(\d+)")
"""Keys of values that there are of each frame of a clip."""


class WandbLog(RunLog):
    """One W&B run per run, however often it starts; offline unless logged in or WANDB_MODE says otherwise.

    Losses lie over the step of their own stage (`step/vqgan`, ...), curves over `window`. A run that goes on tells what
    its checkpoints hold again: what the server has is passed over, and what an earlier start left in files that were
    not uploaded is replaced.
    """

    def __init__(self, project: str = "tats_exp", artifacts: bool = False) -> None:
        """Choose what W&B gets.

        Args:
            project: of W&B.
            artifacts: whether models, codes and samples become artifacts: output of the run that made them, input of
                runs that found them in the store.
        """
        self.project, self.artifacts, self.offline = project, artifacts, False
        self.wandb: Any = None
        self.run: Any = None
        self._told: dict[str, float] = {}

    def start(self, folder: Path, name: str, group: str, tags: list[str], config: Mapping[str, Any]) -> None:
        """Open the W&B run; its files lie in `folder/wandb`."""
        if "wandb" not in sys.modules:  # a service that this process found may still have this run open from a start
            os.environ.pop("WANDB_SERVICE", None)  # that was killed, and would write on into its files
        import wandb  # here, because it takes seconds and only this log needs it

        self.wandb = wandb
        os.environ.setdefault("WANDB_SILENT", "true")
        mode = os.environ.get("WANDB_MODE") or ("online" if self.wandb.login(prompt=False) else "offline")
        self.offline = mode != "online"
        identity, resume = _identity(folder)
        before = [left for left in folder.glob(f"wandb/offline-run-*-{identity}") if not any(left.glob("*.synced"))]
        self.run = self.wandb.init(
            project=self.project,
            dir=folder,
            id=identity,
            resume="allow" if resume and not self.offline else None,
            job_type="train",
            name=shortened(name, NAME),
            group=shortened(group, NAME),
            tags=[shortened(tag, TAG) for tag in tags],
            config=dict(config),
            mode=mode,
            reinit="finish_previous",
            settings=self.wandb.Settings(console="off"),
        )
        for left in before if mode in ("offline", "online") else ():  # all that it holds is told again
            shutil.rmtree(left)
        steps = [*(f"step/{stage}" for stage in TRAINED), "window"]
        self._told = {key: self.run.summary.get(key, -1) for key in steps} if self.run.resumed else {}
        for stage in TRAINED:
            self.run.define_metric(f"train/{stage}/*", step_metric=f"step/{stage}")
        self.run.define_metric("alarm/*", step_metric="step/vqgan")

    def losses(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """One W&B row over the step of the stage."""
        if step > self._told.get(f"step/{stage}", -1):
            self.run.log({f"step/{stage}": step, **values})

    def curves(self, rows: list[dict[str, float]]) -> None:
        """One W&B row per window."""
        for key in dict.fromkeys(key for row in rows for key in row if key != "window"):
            self.run.define_metric(key, step_metric="window")
        for row in rows:
            if row["window"] > self._told.get("window", -1):
                self.run.log(row)

    def histogram(self, key: str, counts: list[int]) -> None:
        """A W&B histogram with one bin per code."""
        bins = list(range(len(counts) + 1))
        if len(counts) > self.wandb.Histogram.MAX_LENGTH:  # W&B keeps no more bins: neighbours are joined
            width = -(-len(counts) // self.wandb.Histogram.MAX_LENGTH)
            counts = [sum(counts[i : i + width]) for i in range(0, len(counts), width)]
            bins = [i * width for i in range(len(counts) + 1)]
        self.run.log({key: self.wandb.Histogram(np_histogram=(np.array(counts), np.array(bins)))})

    def video(self, key: str, path: Path) -> None:
        """Copied into the W&B run."""
        self.run.log({key: self.wandb.Video(str(path), format="mp4")})

    def protocol(self, protocol: Mapping[str, str | int]) -> None:
        """Part of the summary, as `protocol.<field>`."""
        self.run.summary.update({"protocol": dict(protocol)})

    def stage(self, made: Made, name: str, made_from: Mapping[str, str]) -> None:
        """An artifact `<stage>-<key>` with the files of the store as they lie there, where artifacts are wanted."""
        if not self.artifacts or name not in KEPT:
            return
        named = {stage: _artifact(stage, key) for stage, key in made_from.items() if stage in KEPT}
        artifact = self.wandb.Artifact(_artifact(name, made.key), type=name, metadata={"made_from": named})
        artifact.add_dir(str(made.path), policy="immutable")
        if made.reused and not self.offline:
            self.run.use_artifact(artifact)  # the server knows it by its content
        else:
            self.run.log_artifact(artifact)

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """The final metrics become the summary, those by frame a table; None is left out."""
        if self.run is None:  # it could not even be opened, which is what failed
            return
        tables: dict[str, list[list[float]]] = {}
        for key, value in values.items():
            if value is None:
                continue
            if (by_frame := BY_FRAME.fullmatch(key)) is None:
                self.run.summary[key] = value
            else:
                tables.setdefault(by_frame[1], []).append([int(by_frame[2]), value])
        for key, rows in tables.items():
            self.run.log({f"{key}/by_frame": self.wandb.Table(columns=["frame", key], data=sorted(rows))})
        self.run.finish(exit_code=int(failed))


def _artifact(stage: str, key: str) -> str:
    return f"{stage}-{key[:16]}"


def _identity(folder: Path) -> tuple[str, bool]:
    """The id of the W&B run of a run, and whether an earlier start has drawn it."""
    path = folder / WANDB_ID
    if path.is_file() and re.fullmatch("[a-z0-9]{1,64}", text := path.read_text(errors="replace").strip()):
        return text, True
    identity = secrets.token_hex(4)
    path.write_text(f"{identity}\n")
    return identity, False


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters: both ends of a longer one, and a hash that tells it from others alike."""
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]
    left = most - len(digest) - 2
    return f"{text[: left // 2]}…{text[-(left - left // 2) :]}~{digest}"
