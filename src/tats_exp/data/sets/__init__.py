"""The data sets of the paper: where each of them keeps its videos, and how many there are."""
