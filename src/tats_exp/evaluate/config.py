"""What an evaluation may be asked for; imports no torch, so that a typo is told at once."""

from typing import Annotated, Literal

from pydantic import Field

from tats_exp.config.schema import MetricsOfFolders
from tats_exp.config.sections import Section
from tats_exp.data.limits import Limits


class EvaluateConfig(Section):
    """An evaluation, checked. See conf/evaluate.yaml for what each key means."""

    real: str
    generated: str | Annotated[list[str], Field(min_length=1)]
    rebuilt: str | None
    frames: int = Field(ge=2)
    frame_stride: int = Field(ge=1)
    resolution: int | None = Field(ge=1)
    seed: int = Field(ge=0)
    eval_videos: int = Field(ge=2)
    reference_videos: int = Field(ge=2)
    out: str | None
    store: str = Field(min_length=1)
    device: Literal["auto", "cpu", "cuda"]
    limits: Limits
    metrics: MetricsOfFolders
