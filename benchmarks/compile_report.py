"""What torch.compile makes of the VQGAN's pass with `compile=true`: `python benchmarks/compile_report.py`.

Prints, for every norm and quantizer, the number of graphs and of graph breaks, with their reasons: one graph and none.
"""

from itertools import product
from typing import get_args

import torch

from tats_exp.vqgan import FSQ, VQGAN, EMACodebook
from tats_exp.vqgan.encoder_decoder import Norm


def main() -> None:
    """Explain each, forward and in training mode, at smoke size."""
    quantizers = {"ema": EMACodebook(16, 4, restart_below=1.0), "fsq": FSQ([5, 3])}
    print("| norm | quantizer | graphs | breaks |\n|---|---|---:|---:|")
    for norm, (name, quantizer) in product(get_args(Norm), quantizers.items()):
        torch._dynamo.reset()
        vqgan = VQGAN(quantizer, 4, (4, 4, 4), 1, norm)
        found = torch._dynamo.explain(vqgan)(torch.rand(2, 3, 8, 8, 8) - 0.5)
        print(f"| {norm} | {name} | {found.graph_count} | {found.graph_break_count} |")
        for reason in found.break_reasons:
            print(f"  {reason.reason}")


if __name__ == "__main__":
    main()
