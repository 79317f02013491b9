"""`compile=true` makes the VQGAN's training pass one piece, and that piece computes what the pieces did.

In a process of its own: the checks of shapes that tests switch on cannot be compiled.
"""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import torch
from tats_exp.vqgan import FSQ, VQGAN, EMACodebook, padding

device, quantizer, norm, encoder, decoder = sys.argv[1:]
torch.manual_seed(0)
torch.set_num_threads(1)
codebook = EMACodebook(16, 4, restart_below=1.0) if quantizer == "ema" else FSQ([5, 3])
vqgan = VQGAN(codebook, 4, (4, 4, 4), 1, norm, getattr(padding, encoder)(), getattr(padding, decoder)()).to(device)
torch.backends.cudnn.allow_tf32 = False
frames = 8 + 2 * vqgan.training_margin
video = torch.rand(2, 3, frames, 8, 8).to(device) - 0.5
explained = torch._dynamo.explain(vqgan)(video)
assert explained.graph_break_count == 0, explained.break_reasons
assert explained.graph_count == 1, explained.graph_count
state = {name: value.clone() for name, value in vqgan.state_dict().items()}
eager = [vqgan(video).video for _ in range(3)]
vqgan.load_state_dict(state)
compiled = torch.compile(vqgan, fullgraph=True, backend="aot_eager")
for expected in eager:  # the codebook begins in the first pass alone
    found = compiled(video).video
    assert torch.allclose(expected, found, atol=1e-5), (expected - found).abs().max()
"""


def one_graph(device: str, *options: str) -> None:
    """See that the pass on a device is one graph, with these options of the VQGAN."""
    result = subprocess.run([sys.executable, "-c", PROGRAM, device, *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [("ema", "batch", "Replicate", "Replicate"), ("fsq", "frame_group", "Loop", "Reflect")],
    ids=["ema", "fsq"],
)
def test_the_training_pass_is_one_graph(options: tuple[str, ...]) -> None:
    one_graph("cpu", *options)
