"""Experiments on long video generation: time-agnostic VQGAN, time-sensitive transformer (Ge et al., ECCV 2022)."""


class UserError(ValueError):
    """A mistake of the user, who can mend it: a wrong key, a missing file, a damaged video. The message is one line.

    Commands print it and exit with 2. Every other exception is a mistake of ours, and shows as one.
    """
