"""Similarity of frames and texts: right, wrong, by chance, and not known."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from metrics.made_findings import of_run
from tats_exp.metrics.findings import TextFindings
from tats_exp.metrics.measures import TextSimilarity

KEY = "clip/similarity"


def unit(count: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_values_are_means_of_cosines_and_chance_is_that_of_all_other_texts() -> None:
    asked, real, captions, rebuilt = unit(5, 0), unit(3, 1), unit(3, 2), unit(3, 3)
    windows = [asked, None, None, unit(5, 4)]
    texts = TextFindings("0123456789abcdef", asked, windows, captions, real, rebuilt)
    found = replace(of_run(windows=4, videos=5), texts=texts)
    given = TextSimilarity()(found)
    last = windows[-1] @ asked.mT
    apart = [float(last[i, j]) for i in range(5) for j in range(5) if i != j]
    assert given.notes[0].startswith(f"{KEY}: by the CLIP with SHA-256 0123456789ab;") and len(given.notes) == 1
    assert given.values[f"{KEY}/window_0"] == pytest.approx(1, abs=1e-6)
    assert given.values[f"{KEY}/last"] == pytest.approx(float(last.diagonal().mean()), abs=1e-6)
    assert given.floors["chance"][f"{KEY}/last"] == pytest.approx(sum(apart) / len(apart), abs=1e-6)
    assert given.floors["real"][KEY] == pytest.approx(float((real * captions).sum(-1).mean()), abs=1e-6)
    assert given.floors["ceiling"][KEY] == pytest.approx(float((rebuilt * captions).sum(-1).mean()), abs=1e-6)


def test_what_was_not_read_has_no_value() -> None:
    assert TextSimilarity()(replace(of_run(), texts=None)).values == {}
