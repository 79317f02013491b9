"""Whether latents and codes depend on where in their window they were encoded; no sampling is involved."""

import torch
from jaxtyping import Float64
from torch import Tensor

from tats_exp.metrics.findings import CodeFindings, Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, defined, free_of_charge
from tats_exp.metrics.time_agnosticity import Probe, place_probe, share_unchanged
from tats_exp.run_folder.columns import Column

_SHIFT, _GAP = "codes/latent_shift", "codes/shift_nll_gap"
_FIGURE = "time_agnosticity"


class TimeAgnosticity(Measure):
    """Latent shift, codes unchanged, a probe of their place, and what a shifted context costs in likelihood."""

    columns = (
        Column(
            _SHIFT,
            ("latent", "shift"),
            "Squared distance of latents of the same frames one place apart, over the sum of their variances: 0 where "
            "the place does not matter, 1 where nothing else does.",
            unit="share of the variance",
            better="lower",
            phrase="relative latent shift",
            in_table=True,
            figure=_FIGURE,
        ),
        Column(
            f"{_SHIFT}/slot_*",
            ("latent shift", "slot *"),
            "The same from one slot of the window to the one before it.",
            unit="share of the variance",
            better="lower",
        ),
        Column(
            "codes/sliding_gap",
            ("sliding", "gap"),
            "NLL of real codes behind a context encoded as a sliding window meets it, less that behind the context "
            "encoded where it stands; null: no window of consecutive latent frames slides.",
            unit="nats per code",
            better="zero",
            phrase="sliding gap",
            in_table=True,
            figure=_FIGURE,
        ),
        Column(
            "codes/unchanged",
            ("codes", "unchanged"),
            "Share of codes that stay the same where the window begins one latent frame later; null: no video has room "
            "for a shifted window.",
            unit="share",
            better="higher",
            phrase="share of codes unchanged under a shift",
            figure=_FIGURE,
        ),
        Column(
            "codes/place_probe",
            ("place", "probe"),
            "Accuracy of a logistic regression that tells a latent frame's place from its codes; null: one video only.",
            unit="accuracy",
            better="lower",
            phrase="place-probe accuracy",
            figure=_FIGURE,
        ),
        Column(
            "codes/place_probe/se",
            ("place probe", "standard error"),
            "Of that accuracy over the videos it is tested on: standard deviation of the accuracies of V videos / "
            "sqrt(V); null: one video only.",
            unit="accuracy",
        ),
        Column(
            _GAP,
            ("shift-NLL", "gap"),
            "NLL of codes that were encoded one place later than where they stand, less that of native codes; null: "
            "the transformer models key frames, or no video has room for a shifted window.",
            unit="nats per code",
            better="zero",
            phrase="shift-NLL gap",
            figure=_FIGURE,
        ),
        Column(f"{_GAP}/slot_*", ("shift-NLL gap", "slot *"), "The same at one place of the window.", "nats per code"),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (codes := findings.codes) is None:
            return Measurement()
        probe = _probe(codes)
        gaps: Values = {_GAP: None} if findings.shift_gap is None else {**_by_slot(_GAP, findings.shift_gap)}
        values: Values = {
            **{key: defined(shift) for key, shift in _by_slot(_SHIFT, codes.latent_shift, first=1).items()},
            "codes/sliding_gap": findings.sliding_gap,
            "codes/unchanged": share_unchanged(codes.held_out_shifts) if codes.held_out_shifts.shape[1] > 1 else None,
            "codes/place_probe": probe.accuracy if probe else None,
            "codes/place_probe/se": defined(probe.standard_error) if probe else None,
            **gaps,
        }
        free = free_of_charge(findings.one_code, "codes/sliding_gap", "codes/unchanged", "codes/place_probe", *gaps)
        notes = []
        if codes.key_every > 1:
            every = {2: "2nd", 3: "3rd"}.get(codes.key_every, f"{codes.key_every}th")
            notes = [f"{_GAP}, codes/sliding_gap: not measured, the transformer models every {every} latent frame"]
        return Measurement(values, floors={"chance": {"codes/place_probe": 1 / codes.frames}}, notes=notes, free=free)


def _by_slot(key: str, values: Float64[Tensor, " slots"], first: int = 0) -> dict[str, float]:
    """The mean under a key, and the values of all slots below it; `first`: number of the first of them."""
    slots = {f"{key}/slot_{first + place}": value for place, value in enumerate(values.tolist())}
    return {key: float(values.mean()), **slots}


def _probe(codes: CodeFindings) -> Probe | None:
    """None: a single held-out video cannot be both trained and tested on."""
    videos = codes.held_out_videos
    first = torch.isin(videos, videos.unique()[: len(videos.unique()) // 2])
    if not first.any():
        return None
    return place_probe(codes.held_out[first], codes.held_out[~first], codes.size, videos[~first])
