"""Names that models share with the schema of the config and with the report, which are read without torch."""

from typing import Literal

TimePadding = Literal["zero", "replicate", "real", "loop", "reflect", "zero_space"]
"""How frames are padded in time; see vqgan/padding.py."""
Mask = Literal["causal", "a", "b", "c"]
"""Who sees whom in a window of codes; see transformer/masks.py."""
DiscriminatorLoss = Literal["hinge", "log"]
"""Loss of the discriminators; see vqgan/adversarial.py."""
