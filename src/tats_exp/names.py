"""Names that both the models and the schema of the config take; a config is read without torch, and so is this."""

from typing import Literal

TimePadding = Literal["zero", "replicate", "real", "loop", "reflect", "zero_space"]
"""How frames are padded in time; see vqgan/padding.py."""
DiscriminatorLoss = Literal["hinge", "log"]
"""Loss of the discriminators; see vqgan/adversarial.py."""
