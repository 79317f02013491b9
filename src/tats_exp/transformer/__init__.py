"""The second stage: a transformer that models windows of codes and knows where in its window a code stands."""

from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.masks import Mask, attention_mask
from tats_exp.transformer.transformer import Cache, Transformer

__all__ = ["Cache", "Mask", "Transformer", "attention_mask", "code_nll"]
