"""Whether videos that were made coarse to fine jump at their anchors."""

import math

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.joints import joint_ratio
from tats_exp.metrics.measure import Measure, Measurement, defined
from tats_exp.run_folder.columns import Column


class Joints(Measure):
    """Motion at anchors over that elsewhere, relative to the same in real video."""

    columns = (
        Column(
            "drift/joints",
            ("motion at", "anchors"),
            "Motion into and out of anchors over that between latent frames of a gap, relative to real video; null: "
            "nothing moves.",
            unit="ratio to elsewhere",
            better="one",
            phrase="motion at anchors",
            protocol=True,
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (joints := findings.joints) is None:
            return Measurement()
        real = joint_ratio(joints.real, joints.time_stride)
        ratio = joint_ratio(joints.generated, joints.time_stride) / real if real else math.nan
        return Measurement({"drift/joints": defined(ratio)})
