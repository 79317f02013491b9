"""I3Ds with weights made by a formula, so that tests need none of the real ones."""

import torch

from tats_exp.features import I3D


def formula_state(a: float, b: float) -> dict[str, torch.Tensor]:
    """The weights that the reference logits were recorded with: see the README of the reference data."""
    state = {}
    for index, (name, value) in enumerate(sorted(I3D().state_dict().items())):
        if not value.is_floating_point():
            state[name] = value
            continue
        waves = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * a + index * b) * 43758.5453
        share = waves - waves.floor()
        if name.endswith("running_var"):
            drawn = 0.5 + share
        elif name.endswith(("running_mean", "bias")):
            drawn = (share - 0.5) * 0.2
        elif value.ndim == 1:
            drawn = 0.75 + 0.5 * share
        else:
            drawn = (share - 0.5) * 2 * (3 / (value.numel() / value.shape[0])) ** 0.5
        state[name] = drawn.reshape(value.shape).float()
    return state


def random_clips(clips: int, frames: int = 9, side: int = 40, seed: int = 0) -> torch.Tensor:
    """Large patches of colour that change from frame to frame; 9 frames are the fewest that I3D takes."""
    random = torch.Generator().manual_seed(seed)
    patches = torch.randint(0, 256, (clips, frames, 4, 4, 3), generator=random, dtype=torch.uint8)
    return patches.repeat_interleave(side // 4, dim=2).repeat_interleave(side // 4, dim=3)
