"""What the command may be asked for; imports no torch, so that a typo is told at once."""

from typing import Literal

from pydantic import Field

from tats_exp.config.schema import MetricsOfFolders
from tats_exp.config.sections import Section
from tats_exp.data.limits import Limits


class SanityConfig(Section):
    """What was asked for, checked. See conf/sanity.yaml for what each key means."""

    clips: str
    out: str
    windows: int = Field(ge=2)
    resolution: int | None = Field(ge=1)
    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda"]
    limits: Limits
    eval_videos: int
    reference_videos: int
    metrics: MetricsOfFolders
