"""The masks of interpolation transformers, drawn by latent frames: who may look at whom, and what leaks in fact."""

from __future__ import annotations

import numpy as np
from einops import reduce
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tats_exp.report.panel import panels
from tats_exp.report.runs import Group
from tats_exp.report.style import Ink
from tats_exp.run_folder import MaskLeak


def masks(groups: list[Group], ink: Ink) -> Figure | None:
    """For each mask and window, on the left who may look at whom, on the right gradients that should not be there.

    The left is the share of pairs of positions: 1 for a block that is seen as a whole, about a half where a latent
    frame sees its own past. The right is the root mean square gradient, mean over runs, of the logits of a latent
    frame's codes (row) with respect to codes that they must not know (column).
    """
    found: dict[tuple[str, int, tuple[int, int, int]], list[MaskLeak]] = {}
    for one in (run.mask for group in groups for run in group.runs if run.mask):
        found.setdefault((one.mask, one.condition_length, one.window), []).append(one)
    if not found:
        return None
    figure, axes = panels(2 * len(found), 2, 2.9)
    leaks = {key: _leak(alike) for key, alike in found.items()}
    several = len(found) > len({mask for mask, *_ in found})
    most = max((np.nanmax(leak) for leak in leaks.values()), default=0.0)
    for row, key in enumerate(sorted(found)):
        mask, _, window = key
        which = f"mask {mask}" + (f", {'x'.join(map(str, window))}" if several else "")
        names = ["start", *_names(window[0])]
        _blocks(axes[2 * row], np.array(found[key][0].visible), names, 1.0, ink)
        axes[2 * row].set_title(f"{which}: row sees column")
        _blocks(axes[2 * row + 1], leaks[key], _names(window[0]), most, ink)
        axes[2 * row + 1].set_title(f"{which}: row hears of column")
    return figure


def _leak(alike: list[MaskLeak]) -> np.ndarray:
    values = np.array([[[np.nan if v is None else v for v in row] for row in one.leak] for one in alike])
    return reduce(values, "runs row column -> row column", "mean")


def _names(frames: int) -> list[str]:
    return ["anchor", *(str(place) for place in range(2, frames)), "anchor"]


def _blocks(axis: Axes, values: np.ndarray, names: list[str], most: float, ink: Ink) -> None:
    colours = LinearSegmentedColormap.from_list("ink", [ink.paper, ink.colours[0]])
    axis.imshow(values, cmap=colours, vmin=0, vmax=most or 1.0)
    axis.grid(visible=False)
    for row, column in np.argwhere(~np.isnan(values)):
        value = values[row, column]
        text = f"{value:.0f}" if value == 0 or value >= 100 else f"{value:.2g}"
        colour = ink.paper if value > 0.6 * (most or 1.0) else ink.text
        axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color=ink.faint, linewidth=1)
    axis.tick_params(which="minor", length=0)
