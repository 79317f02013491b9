"""Whether a code depends on where in its window it was encoded; no sampling is involved."""

import torch

from tats_exp.metrics.findings import CodeFindings, Findings
from tats_exp.metrics.measure import Measure, Measurement, Values
from tats_exp.metrics.time_agnosticity import place_probe, share_unchanged
from tats_exp.run_folder.columns import Column

_GAP = "codes/shift_nll_gap"
_FIGURE = "time_agnosticity"


class TimeAgnosticity(Measure):
    """Share of codes unchanged under a shift, accuracy of a probe of their place, and shift-NLL gap."""

    columns = (
        Column(
            "codes/unchanged",
            ("codes", "unchanged"),
            "Share of codes that stay the same where the window begins one latent frame later.",
            unit="share",
            better="higher",
            phrase="share of codes unchanged under a shift",
            in_table=True,
            figure=_FIGURE,
        ),
        Column(
            "codes/place_probe",
            ("place", "probe"),
            "Accuracy of a logistic regression that tells a latent frame's place from its codes; null: one video only.",
            unit="accuracy",
            better="lower",
            phrase="place-probe accuracy",
            in_table=True,
            figure=_FIGURE,
        ),
        Column(
            _GAP,
            ("shift-NLL", "gap"),
            "NLL of codes that were encoded one place later than where they stand, less that of native codes.",
            unit="nats per code",
            better="zero",
            phrase="shift-NLL gap",
            in_table=True,
            figure=_FIGURE,
        ),
        Column(f"{_GAP}/slot_*", ("shift-NLL gap", "slot *"), "The same at one place of the window.", "nats per code"),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (codes := findings.codes) is None:
            return Measurement()
        values: Values = {
            "codes/unchanged": share_unchanged(codes.held_out, codes.held_out_shifted),
            "codes/place_probe": _probe(codes),
        }
        notes = []
        if (gap := findings.shift_gap) is not None:
            values[_GAP] = float(gap.mean())
            values |= {f"{_GAP}/slot_{slot}": value for slot, value in enumerate(gap.tolist())}
        else:
            every = {2: "2nd", 3: "3rd"}.get(codes.key_every, f"{codes.key_every}th")
            notes = [f"{_GAP}: not measured, the transformer models every {every} latent frame"]
        return Measurement(values, floors={"chance": {"codes/place_probe": 1 / codes.frames}}, notes=notes)


def _probe(codes: CodeFindings) -> float | None:
    """None: a single held-out video cannot be both trained and tested on."""
    videos = codes.held_out_videos
    first = torch.isin(videos, videos.unique()[: len(videos.unique()) // 2])
    return place_probe(codes.held_out[first], codes.held_out[~first], codes.size) if first.any() else None
