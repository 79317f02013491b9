"""The sections of the config that say how a stage is trained, and which of their values matter to what comes out."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tats_exp import UserError

Node = dict[str, Any]
"""A section with `_target_`, checked against the parameters of its target."""

HOUSEKEEPING = {"log_every", "checkpoint_every"}
NO_MEANING = {"weights", "heads", "path", "compile", "trust_torchscript"}
"""Keys of a network that say where its weights lie (what they are, its checksum says), how and whether it may run."""


def identity(node: Node, checksum: str) -> Node:
    """What a network is, for the key of a stage that asks it: what changes its values, not where it lies.

    Args:
        node: its section.
        checksum: of its weights.
    """
    return {**{key: value for key, value in node.items() if key not in NO_MEANING}, "checksum": checksum}


class Section(BaseModel):
    """A section without `_target_`: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def meaning(self) -> dict[str, Any]:
        """The values that change what is made with them: all, unless a section says otherwise."""
        return self.model_dump()


class Training(Section):
    """Budget and optimiser of one training stage."""

    steps: int = Field(ge=1, le=10**9)
    batch_size: int = Field(ge=1)
    accumulate: int = Field(ge=1, le=10**6)
    gradient_clip: float = Field(ge=0)
    optimizer: Node
    scheduler: Node | None
    log_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)

    def meaning(self) -> dict[str, Any]:
        """The values that change what is trained."""
        return self.model_dump(exclude=HOUSEKEEPING)


class TransformerSection(Section):
    """A transformer and its training, or the file that it is read from. What `condition_drop` comes to, stages say."""

    checkpoint: str | None
    model: Node
    condition_drop: float | None = Field(ge=0, le=1)
    training: Training

    def meaning(self) -> dict[str, Any]:
        """The values that change what is trained."""
        return {"model": self.model, "training": self.training.meaning()}


class AutoregressiveSection(TransformerSection):
    """The autoregressive transformer and its training; `window` in latent frames, None: that of a clip."""

    window: int | None = Field(ge=1)


class InterpolationSection(TransformerSection):
    """The interpolation transformer and its training."""

    anchors_in_loss: bool

    def meaning(self) -> dict[str, Any]:
        """The values that change what is trained."""
        return {**super().meaning(), "anchors_in_loss": self.anchors_in_loss}


class Discriminators(Section):
    """The adversaries of the VQGAN, each there or not, and what they weigh in its loss."""

    spatial: Node | None
    temporal: Node | None
    spatial_weight: float = Field(ge=0)
    temporal_weight: float = Field(ge=0)
    matching_weight: float = Field(ge=0)

    def nodes(self) -> dict[str, Node]:
        """Those that are there."""
        both = {"spatial": self.spatial, "temporal": self.temporal}
        return {kind: node for kind, node in both.items() if node is not None}

    def weights(self) -> dict[str, float]:
        """Weight of the adversarial term of each."""
        return {"spatial": self.spatial_weight, "temporal": self.temporal_weight}


class Adversarial(Section):
    """How VQGAN and discriminators are trained against each other; without discriminators it says nothing."""

    loss: str
    matching_layers: list[float] | None
    start_step: int = Field(ge=0)
    ramp_steps: int = Field(ge=0)
    warmup_steps: int = Field(ge=0)
    adaptive: bool
    lecam_weight: float = Field(ge=0)


class VQGANTrainingSection(Training):
    """Training of the VQGAN: budget, optimiser, weights of the losses, adversaries."""

    reconstruction: Node
    reconstruction_weight: float = Field(ge=0)
    perceptual: Node | None
    perceptual_weight: float = Field(ge=0)
    discriminators: Discriminators
    adversarial: Adversarial
    average_decay: float | None = Field(ge=0, lt=1)
    usage_window: int = Field(ge=1)

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UserError: in one line.
        """
        found, weights = self.discriminators.nodes(), self.discriminators.weights()
        for kind, weight in weights.items():
            if weight and kind not in found:
                raise UserError(
                    f"vqgan.training.discriminators.{kind}_weight={weight}: there is no {kind} discriminator; "
                    f"allowed: 0, or discriminators={kind} or both"
                )
        if self.discriminators.matching_weight and not found:
            raise UserError(
                f"vqgan.training.discriminators.matching_weight={self.discriminators.matching_weight}: there is no "
                "discriminator whose features could match; allowed: 0, or discriminators=spatial, temporal or both"
            )
        if self.perceptual_weight and self.perceptual is None:
            raise UserError(
                f"vqgan.training.perceptual_weight={self.perceptual_weight}: there is no perceptual network; "
                "allowed: 0, or another option of the group perceptual"
            )
        if found and not self.discriminators.matching_weight and not any(weights[kind] for kind in found):
            raise UserError(
                "vqgan.training.discriminators: none of their weights is above 0, they would be trained for nothing; "
                "allowed: a weight above 0, or discriminators=none"
            )
        start, ramp = self.adversarial.start_step, self.adversarial.ramp_steps
        if found and start >= self.steps:
            raise UserError(
                f"vqgan.training.adversarial.start_step={start}: the discriminators would never count, "
                f"vqgan.training.steps={self.steps}; allowed: 0 to {self.steps - 1}"
            )
        if found and start + ramp > self.steps:
            raise UserError(
                f"vqgan.training.adversarial.ramp_steps={ramp}: the discriminators would never count whole, "
                f"vqgan.training.steps={self.steps}; allowed: 0 to {self.steps - start}"
            )

    def meaning(self) -> dict[str, Any]:
        """The values that change what is trained: what is off leaves no trace. What the perceptual network is, its own
        identity says.
        """
        values = super().meaning()
        del values["usage_window"], values["perceptual"]
        if not self.discriminators.nodes():
            del values["discriminators"], values["adversarial"]
        if self.average_decay is None:
            del values["average_decay"]
        if self.perceptual is None:
            del values["perceptual_weight"]
        return values


class Sizes(Section):
    """Sizes of what a group puts into the VQGAN, set by the scale and read by the options of the groups."""

    codes: int = Field(ge=1)
    code_width: int = Field(ge=1)
    fsq_levels: list[int]
    disc_width: int = Field(ge=1)
    disc_layers: int = Field(ge=1)


class AudioSizes(Section):
    """Sizes of what the option `audio` of the group `condition` trains, set by the scale and read by the option."""

    bins: int
    downsample: list[int]
    codes: int
    code_width: int
    n_hiddens: int
    steps: int
    batch_size: int
    learning_rate: float


class VQGANSection(Section):
    """The VQGAN and its training, or the file that it is read from."""

    checkpoint: str | None
    sizes: Sizes
    model: Node
    training: VQGANTrainingSection
