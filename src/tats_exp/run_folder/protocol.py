"""How a distance was measured. Two values measured differently are two quantities: never one table column."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tats_exp import UserError


@dataclass(frozen=True)
class Protocol:
    """Everything about a measurement that changes its value but is not the model being measured.

    Args:
        features: Name of the feature network, as in `fvd/<name>`.
        checksum: SHA-256 of its weights.
        precision: How the network computed, "fp32" or "bf16".
        classifier: Name and SHA-256 of the network that IS, CCS and ICS asked.
        n_real: Clips of the reference.
        n_generated: Clips compared with it.
        repeats: How often both were drawn anew; the value is the mean.
        reference: What distances that do not name another reference were taken to: real windows, or the same windows
            rebuilt, and by what.
        split: Split of the real windows.
        clip_length: Frames a clip.
        windows: Windows of such length that generated videos were measured to; the last one is "last".
        frame_stride: Source frames from one frame of a clip to the next.
        resolution: Of the frames that the network was given, "64x64": height x width in pixels.
        resize_real: How real frames were brought to that resolution.
        resize_generated: The same of the generated ones.
        codec_real: Codecs that real frames went through on their way to the network, "h264+mpeg4"; "none" if none.
        codec_generated: The same of the generated ones.
        decoder_real: What decoded real frames, name and version; "none" for pixels as they are.
        decoder_generated: The same of the generated ones.
        data: Fingerprint of the data.
        seed: Seed the reference was drawn with.
        given_frames: Real frames that each generated video went on from; they are not measured. 0: none.
    """

    features: str
    checksum: str
    precision: str
    classifier: str
    n_real: int
    n_generated: int
    repeats: int
    reference: str
    split: str
    clip_length: int
    windows: int
    frame_stride: int
    resolution: str
    resize_real: str
    resize_generated: str
    codec_real: str
    codec_generated: str
    decoder_real: str
    decoder_generated: str
    data: str
    seed: int
    given_frames: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Protocol":
        """Read what `as_dict` wrote.

        Raises:
            UserError: Fields are missing or unknown, as in what an older version wrote, or hold another type; one line.
        """
        known = {field.name: field.default is MISSING for field in fields(cls)}
        missing = [name for name, is_needed in known.items() if is_needed and name not in values]
        unknown = [name for name in values if name not in known]
        if missing or unknown:
            problems = [f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("has", unknown)) if names]
            raise UserError(f"protocol {' and '.join(problems)}: written by another version, measure again")
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(f"protocol.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    def as_dict(self) -> dict[str, str | int]:
        """The fields by name, flat, ready for JSON; `from_dict` reads them back."""
        return asdict(self)

    def differences(self, other: "Protocol") -> list[str]:
        """Names of the fields in which two protocols differ, in the order of the class."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]


def same_protocol(protocols: Iterable[Protocol]) -> None:
    """Refuse values that were not measured alike.

    Args:
        protocols: Protocols of the values that would stand in one column.

    Raises:
        UserError: They are not all equal; the message is one line and names the fields and what they hold.
    """
    distinct = list(dict.fromkeys(protocols))
    differing = dict.fromkeys(name for other in distinct[1:] for name in distinct[0].differences(other))
    if differing:
        problems = "; ".join(f"{name}: {_values(distinct, name)}" for name in differing)
        raise UserError(f"protocols differ, the values cannot be compared ({problems})")


def _values(protocols: list[Protocol], name: str) -> str:
    return ", ".join(dict.fromkeys(str(getattr(protocol, name)) for protocol in protocols))
