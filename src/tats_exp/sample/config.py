"""What the command may be asked for; imports no torch, so that a typo is told at once."""

import re
from pathlib import Path
from typing import Literal

from omegaconf import OmegaConf
from pydantic import BaseModel, Field, StrictFloat, StrictInt, StrictStr, ValidationError

from tats_exp import UserError
from tats_exp.cli import one_line, path_of
from tats_exp.config.overrides import assigned, at_home
from tats_exp.config.schema import StoryEntry, check_story
from tats_exp.config.sections import Section

SUFFIX = ".mp4"
ENDLESS = "inf"


class SampleConfig(Section):
    """What was asked for, checked. See conf/sample.yaml for what each key means."""

    run: str
    out: str
    frames: StrictInt | StrictFloat | StrictStr
    seed: int = Field(ge=0)
    text: StrictStr | None
    label: StrictStr | StrictInt | StrictFloat | None
    story: str | None
    audio: str | None
    given: str | None
    given_frames: int | None = Field(ge=1)
    given_start: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda"]

    @property
    def wanted(self) -> int | None:
        """Frames to sample; None: without an end.

        Raises:
            UserError: no such number.
        """
        if isinstance(self.frames, str) and self.frames.lower() == ENDLESS:
            return None
        if not isinstance(self.frames, int) or self.frames < 1:
            raise UserError(f"frames={self.frames}: allowed: 1 or more, or {ENDLESS}")
        return self.frames

    def check_asked(self) -> None:
        """Refuse to be asked for several things at once.

        Raises:
            UserError: in one line.
        """
        asked = [key for key in ("text", "label", "story", "audio") if getattr(self, key) is not None]
        if len(asked) > 1:
            raise UserError(f"{' and '.join(asked)}: a video is asked for one of them; leave out all but one")
        if self.given is None and (self.given_frames is not None or self.given_start):
            key = "given_start" if self.given_frames is None else "given_frames"
            raise UserError(f"{key}: of no video; allowed with given=VIDEO")


QUOTED = re.compile(r"""(['"])(?:(?!\1)[^\\]|\\.)*\1""", re.DOTALL)
"""A text that is in quotes as a whole, and not one that begins or ends with a quotation."""


def as_typed(line: str) -> str:
    """An override that Hydra reads as it was typed: a text with commas in it is one, and inf is no number."""
    key, _, value = line.partition("=")
    if key == "text" and value != "null" and not QUOTED.fullmatch(value):
        return assigned(key, value.replace("${", r"\${"))  # which OmegaConf would fill in
    return assigned(key, value) if key == "frames" and value.lower() == ENDLESS else line


def check_out(out: str) -> Path:
    """The file to write, after a look whether it can be.

    Raises:
        UserError: another suffix, no such folder, or a folder of that name; one line.
    """
    path = Path(out)
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"out={out}: allowed: a file that ends with {SUFFIX}")
    with path_of("out", out):
        if not path.parent.is_dir():
            raise UserError(f"out={out}: there is no folder {path.parent}")
        if path.is_dir():
            raise UserError(f"out={out}: is a folder; allowed: a file")
    return path


class _Story(BaseModel):
    entries: list[StoryEntry]


def read_story(file: str) -> list[StoryEntry]:
    """The seconds and prompts of a file.

    Raises:
        UserError: it cannot be read, is no list of pairs, does not begin at 0 or is out of order; one line.
    """
    with path_of("story", file):
        text = Path(at_home(file)).read_bytes()
    try:
        content = OmegaConf.to_container(OmegaConf.create(text.decode()))
    except Exception as error:  # whatever YAML raises over what is none
        raise UserError(f"story={file}: no YAML ({one_line(error)})") from error
    try:
        entries = _Story.model_validate({"entries": content}).entries
        check_story(entries)
    except ValidationError as error:
        finding = error.errors()[0]
        entry = "".join(f" {part}" for part in finding["loc"][1:2])
        wanted = "a list of [SECOND, PROMPT], of texts or classes"
        raise UserError(f"story={file}: entry{entry}: {str(finding['input'])[:60]}; allowed: {wanted}") from error
    except UserError as error:
        raise UserError(f"story={file}: {error}") from error
    return entries
