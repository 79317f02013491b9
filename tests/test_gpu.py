"""The same numbers on a CUDA device as on the CPU, and a whole run there. Skipped, saying so, without a device."""

from pathlib import Path

import pytest
import torch

from runs import run_folders, tats_exp
from tats_exp.sampling import SlidingWindow
from tats_exp.transformer import Transformer
from tats_exp.vqgan import VQGAN, EMACodebook

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def exact_matmuls() -> None:
    """TF32 would hide an error below its own rounding."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.mark.parametrize("padding", ["zero", "replicate", "real", "loop", "reflect", "zero_space"])
def test_vqgan_equals_the_cpu(padding: str) -> None:
    torch.manual_seed(0)
    vqgan = VQGAN(EMACodebook(32, 8), 8, (4, 4, 4), 1, "batch", padding, padding)
    video = torch.rand(2, 3, 16 + 2 * vqgan.training_margin, 16, 16) - 0.5
    vqgan(video)  # gives the codebook entries and the norms statistics
    vqgan.eval()
    latents = vqgan.latents(video)
    codes = vqgan.encode(video)
    decoded = vqgan.decode(codes)
    vqgan.to("cuda")
    assert torch.allclose(vqgan.latents(video.to("cuda")).cpu(), latents, atol=1e-4)
    assert (vqgan.encode(video.to("cuda")).cpu() == codes).float().mean() > 0.99
    assert torch.allclose(vqgan.decode(codes.to("cuda")).cpu(), decoded, atol=1e-4)


def test_sampled_codes_equal_the_cpu() -> None:
    torch.manual_seed(0)
    transformer = Transformer(4, 32, (4, 2, 2), layers=2, heads=2, width=32).eval()
    condition = torch.tensor([[0], [3]])
    sampler = SlidingWindow(context=2, top_p=0.9)
    on_cpu = sampler(transformer, condition, 12, seeds=[1, 2])
    on_gpu = sampler(transformer.to("cuda"), condition.to("cuda"), 12, seeds=[1, 2])
    assert torch.equal(on_gpu.cpu(), on_cpu)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_on_the_gpu(tmp_path: Path, precision: str) -> None:
    result = tats_exp(tmp_path, "scale=smoke", "logger=csv", "trainer=gpu", f"trainer.precision={precision}")
    assert result.returncode == 0, result.stderr
    assert '"device": "cuda"' in (run_folders(tmp_path)[-1] / "status.json").read_text()
