"""The log of a run in Weights & Biases."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tats_exp.run.log import RunLog

TAG, NAME = 64, 128
"""Letters that W&B takes of a tag, and of the name of a run or a group."""


class WandbLog(RunLog):
    """One W&B run per run; offline unless logged in or WANDB_MODE says otherwise.

    Losses lie over the step of their own stage (`step/vqgan`, ...), curves over `window`.
    """

    def __init__(self, project: str = "tats_exp") -> None:
        """Name the W&B project."""
        self.project = project
        self.wandb: Any = None
        self.run: Any = None

    def start(self, folder: Path, name: str, group: str, tags: list[str], config: Mapping[str, Any]) -> None:
        """Open the W&B run; its files lie in `folder/wandb`."""
        import wandb  # here, because it takes seconds and only this log needs it

        self.wandb = wandb
        os.environ.setdefault("WANDB_SILENT", "true")
        mode = os.environ.get("WANDB_MODE") or ("online" if self.wandb.login(prompt=False) else "offline")
        self.run = self.wandb.init(
            project=self.project,
            dir=folder,
            name=shortened(name, NAME),
            group=shortened(group, NAME),
            tags=[shortened(tag, TAG) for tag in tags],
            config=dict(config),
            mode=mode,
            reinit="finish_previous",
            settings=self.wandb.Settings(console="off"),
        )
        for stage in ("vqgan", "audio_vqgan", "transformer", "interpolation"):
            self.run.define_metric(f"train/{stage}/*", step_metric=f"step/{stage}")
        self.run.define_metric("alarm/*", step_metric="step/vqgan")

    def losses(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """One W&B row over the step of the stage."""
        self.run.log({f"step/{stage}": step, **values})

    def curves(self, rows: list[dict[str, float]]) -> None:
        """One W&B row per window."""
        for key in dict.fromkeys(key for row in rows for key in row if key != "window"):
            self.run.define_metric(key, step_metric="window")
        for row in rows:
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

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """The final metrics become the summary; None is left out."""
        if self.run is None:  # it could not even be opened, which is what failed
            return
        self.run.summary.update({key: value for key, value in values.items() if value is not None})
        self.run.finish(exit_code=int(failed))


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters: both ends of a longer one, and a hash that tells it from others alike."""
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]
    left = most - len(digest) - 2
    return f"{text[: left // 2]}…{text[-(left - left // 2) :]}~{digest}"
