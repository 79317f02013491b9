"""The same numbers on a CUDA device as on the CPU, and a whole run there. Skipped, saying so, without a device."""

from pathlib import Path

import pytest
import torch

from runs import run_folders, tats_exp
from tats_exp.features.shapes_cnn import ShapesCNN
from tats_exp.sampling import Hierarchical, SlidingWindow
from tats_exp.transformer import Transformer, attention_mask, code_nll
from tats_exp.transformer.attention import BlockMask, visible_pairs
from tats_exp.vqgan import VQGAN, EMACodebook, TimePadding
from tests.vqgan.models import PADDINGS
from tests.vqgan.test_compile import one_graph

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def exact_matmuls(monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32 would hide an error below its own rounding."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.parametrize("padding", PADDINGS, ids=repr)
def test_vqgan_equals_the_cpu(padding: TimePadding) -> None:
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


@pytest.mark.parametrize("mask", ["a", "b", "c"])
def test_a_hierarchy_sampled_on_the_gpu_equals_the_cpu(mask: str) -> None:
    torch.manual_seed(0)
    transformer = Transformer(4, 32, (4, 2, 2), layers=2, heads=2, width=32).eval()
    interpolation = Transformer(4, 32, (5, 2, 2), layers=2, heads=2, width=32, mask=mask).eval()
    condition, sample = torch.tensor([[0], [3]]), Hierarchical(4, top_p=0.9)
    on_cpu = sample(transformer, condition, 12, [1, 2], interpolation=interpolation)
    transformer.to("cuda")
    on_gpu = sample(transformer, condition.to("cuda"), 12, [1, 2], interpolation=interpolation.to("cuda"))
    assert torch.equal(on_gpu.cpu(), on_cpu)


@pytest.mark.parametrize("mask", ["b", "c"])
def test_block_kernels_equal_the_plain_mask(mask: str) -> None:
    """Logits and gradients of the kernels that skip blocks, against a dense mask on the CPU."""
    torch.manual_seed(0)
    model = Transformer(4, 32, (5, 12, 12), layers=2, heads=2, width=64, mask=mask)
    condition, codes = torch.tensor([[0], [3]]), torch.randint(32, (2, 720))
    assert isinstance(visible_pairs(mask, 1, (5, 12, 12), 32, torch.device("cuda")), BlockMask)
    on_cpu = visible_pairs(mask, 1, (5, 12, 12), 32, torch.device("cpu"))
    assert torch.equal(on_cpu, attention_mask(mask, 1, (5, 12, 12)))
    logits, gradients = [], []
    for device in ("cpu", "cuda"):
        model.to(device).zero_grad()
        found = model.logits(condition.to(device), codes.to(device))
        code_nll(found, codes.to(device), 4).mean().backward()
        logits.append(found.detach().cpu())
        gradients.append(model.tok_emb.weight.grad.to("cpu", copy=True))  # it moves along with the model
    torch.testing.assert_close(logits[1], logits[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-3)


def test_features_are_those_of_the_cpu_although_tf32_is_allowed() -> None:
    torch.backends.cudnn.allow_tf32 = True  # the fixture sets it back
    video, network = torch.randint(256, (4, 16, 16, 16, 3), dtype=torch.uint8), ShapesCNN.pretrained()
    on_cpu = network.features(video)
    assert torch.backends.cudnn.allow_tf32
    torch.testing.assert_close(network.to("cuda").features(video.to("cuda")).cpu(), on_cpu, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [("ema", "batch", "Replicate", "Replicate"), ("ema", "group", "Zero", "Zero")],
    ids=["batch", "group"],
)
def test_the_training_pass_is_one_graph(options: tuple[str, ...]) -> None:
    one_graph("cuda", *options)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
def test_a_run_on_the_gpu(tmp_path: Path, sampler: str, precision: str) -> None:
    options = ("scale=smoke", "logger=csv", "trainer=gpu", f"sampler={sampler}")
    result = tats_exp(tmp_path, *options, f"trainer.precision={precision}")
    assert result.returncode == 0, result.stderr
    assert '"device": "cuda"' in (run_folders(tmp_path)[-1] / "status.json").read_text()
