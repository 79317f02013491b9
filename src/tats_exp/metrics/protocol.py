"""How a distance was measured. Two values measured differently are two quantities: never one table column."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Protocol:
    """Everything about a measurement that changes its value but is not the model being measured.

    Args:
        features: Name of the feature network, as in `fvd/<name>`.
        checksum: SHA-256 of its weights.
        n_real: Clips of the reference.
        n_generated: Clips compared with it.
        split: Split of the reference.
        clip_length: Frames a clip.
        frame_stride: Source frames from one frame of a clip to the next.
        resolution: Height and width in pixels.
        resize: How frames were brought to that resolution.
        codec: Codec the frames went through on their way to the network; `none` when they did not.
        data: Fingerprint of the data.
        seed: Seed the reference was drawn with.
    """

    features: str
    checksum: str
    n_real: int
    n_generated: int
    split: str
    clip_length: int
    frame_stride: int
    resolution: int
    resize: str
    codec: str
    data: str
    seed: int

    def as_dict(self) -> dict[str, str | int]:
        """The fields by name, flat, ready for JSON; `Protocol(**d)` reads it back."""
        return asdict(self)

    def differences(self, other: "Protocol") -> list[str]:
        """Names of the fields in which two protocols differ, in the order of the class."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]


def same_protocol(protocols: Iterable[Protocol]) -> None:
    """Refuse values that were not measured alike.

    Args:
        protocols: Protocols of the values that would stand in one column.

    Raises:
        ValueError: They are not all equal; the message is one line and names the fields and what they hold.
    """
    distinct = list(dict.fromkeys(protocols))
    differing = dict.fromkeys(name for other in distinct[1:] for name in distinct[0].differences(other))
    if differing:
        told = "; ".join(f"{name}: {_values(distinct, name)}" for name in differing)
        raise ValueError(f"protocols differ, the values cannot be compared ({told})")


def _values(protocols: list[Protocol], name: str) -> str:
    return ", ".join(dict.fromkeys(str(getattr(protocol, name)) for protocol in protocols))
