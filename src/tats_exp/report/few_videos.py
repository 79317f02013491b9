"""Values over so few videos that they say nothing are not shown: a kernel distance of two videos came out as -60."""

from __future__ import annotations

from tats_exp.run_folder import Metrics

LEAST_VIDEOS = 8
"""On either side; `scale=smoke` has as many."""


def refused_columns(metrics: Metrics) -> tuple[set[str], str]:
    """Keys of the columns that compare videos, where there are too few of them, and why; "" where there are enough.

    They stay in `metrics.json`.
    """
    protocol = metrics.protocol
    if protocol is None or min(protocol.n_real, protocol.n_generated) >= LEAST_VIDEOS:
        return set(), ""
    counted = f"{protocol.n_generated} generated videos against {protocol.n_real} real windows"
    why = f"{counted}: below {LEAST_VIDEOS} a side values over videos say nothing and are not shown"
    return {column.key for column in metrics.columns if column.protocol}, why
