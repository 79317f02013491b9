"""What a run leaves in its folder: one typed record, one writer and one reader for each file.

    status.json          Status         how the run went, what it chose, what it reused, who wrote it
    config.yaml                         the config as it ran, resolved
    metrics.json         Metrics        final values, floors, notes, and the protocol they were measured under
    curves.csv           Columns        a row per window of the sampled videos
    losses.csv           Losses         a row per stage, step and key
    code_histogram.csv   Columns        the share of each code among real and generated ones
    mask.json            MaskLeak       the mask of an interpolation transformer, and what leaks through it
    told.json            Told           what sampled videos were asked for, where that was anything
    videos/*.mp4         paths          sampled, real and reconstructed videos

A report leaves a table of several runs: `report/table.csv`, kept as `experiments/<name>/results.csv` (ResultRow).
Nothing here imports torch or the science.
"""

from pathlib import Path

from tats_exp.files import sha256
from tats_exp.run_folder.columns import Column
from tats_exp.run_folder.protocol import Protocol, same_protocol
from tats_exp.run_folder.records import (
    MaskLeak,
    Metrics,
    Published,
    Record,
    Status,
    Told,
    marked_running,
    write_metrics,
)
from tats_exp.run_folder.results import ResultRow, read_results, results_csv
from tats_exp.run_folder.series import (
    CODE_HISTOGRAM,
    CURVES,
    LOSSES,
    Columns,
    Losses,
    Series,
    read_columns,
    read_losses,
    write_losses,
    write_table,
)

CONFIG = "config.yaml"
VIDEOS = "videos"
WANDB_ID = "wandb_id.txt"
"""File in the folder of a run with the id of its W&B run, which stays the same however often the run starts."""
RESULTS = (Metrics.FILE, MaskLeak.FILE, Told.FILE, CURVES, LOSSES, CODE_HISTOGRAM)
"""Files of a finished run whose numbers are shown."""


def sums_of_results(folder: Path) -> dict[str, str]:
    """SHA-256 of its config and the results that a run left in its folder, as its status keeps them."""
    return {name: sha256(folder / name) for name in (CONFIG, *RESULTS) if (folder / name).is_file()}


__all__ = [
    "CODE_HISTOGRAM",
    "CONFIG",
    "CURVES",
    "LOSSES",
    "VIDEOS",
    "WANDB_ID",
    "Column",
    "Columns",
    "Losses",
    "MaskLeak",
    "Metrics",
    "Protocol",
    "Published",
    "Record",
    "ResultRow",
    "Series",
    "Status",
    "Told",
    "marked_running",
    "read_columns",
    "read_losses",
    "read_results",
    "results_csv",
    "same_protocol",
    "sums_of_results",
    "write_losses",
    "write_metrics",
    "write_table",
]
