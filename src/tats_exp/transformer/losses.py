"""The loss of the transformer: how surprised it is by each code."""

from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy


def code_nll(logits: Float[Tensor, "B L V"], codes: Int64[Tensor, "B L"], condition_codes: int) -> Float[Tensor, "B L"]:
    """Negative log likelihood of every video code, among the whole vocabulary.

    Args:
        logits: teacher-forced scores over condition and video codes, as `Transformer.logits` gives them.
        codes: the true video codes, 0..K-1, without offset.
        condition_codes: C, where the video codes begin in the vocabulary.

    Returns:
        Nats per code, float32 or better whatever the precision of the logits; the mean over all is the training loss.

    Source: Ge et al. 2022. An interpolation model leaves its anchors out by slicing the result.
    """
    precise = logits.float() if logits.itemsize < 4 else logits
    return cross_entropy(rearrange(precise, "B L V -> B V L"), codes + condition_codes, reduction="none")
