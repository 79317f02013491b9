"""The same numbers on a CUDA device as on the CPU, and a whole run there. Skipped, saying so, without a device."""

from pathlib import Path

import pytest
import torch

from runs import killed, run_folders, tats_exp
from tats_exp.features.shapes_cnn import ShapesCNN
from tats_exp.sampling import Hierarchical, SlidingWindow, next_code, sample_codes
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


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("choice", [{"greedy": True}, {"top_p": 0.9}, {"top_k": 5, "top_p": 0.9}, {}])
@pytest.mark.parametrize("mask", ["causal", "a", "c"])
def test_a_captured_step_draws_what_steps_one_by_one_draw(
    mask: str, choice: dict, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the next window, of another model, with other weights, and in another batch."""
    torch.manual_seed(0)
    models = [Transformer(4, 256, (4, 4, 4), 2, 2, 32, mask=mask).eval().to("cuda", precision) for _ in range(2)]
    for parameter in (p for model in models for p in model.parameters() if p.ndim > 1):
        torch.nn.init.normal_(parameter, std=0.2)  # likelihoods that rounding does not decide

    def sampled(model: Transformer, batch: int, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        condition = torch.randint(4, (batch, 1)).to("cuda")
        anchors = torch.randint(256, (2, batch, 16)).to("cuda")
        given = {} if mask == "causal" else {"prefix": anchors[0], "last_anchor": anchors[1]}
        seeds = [seed + video for video in range(batch)]
        return sample_codes(model, condition, 32, seeds=seeds, **given, **choice).cpu()

    def everything() -> list[torch.Tensor]:
        codes = [sampled(model, batch, seed) for model in models for batch in (3, 5) for seed in (0, 1)]
        with torch.inference_mode():
            codes.append(sampled(models[0], 3, 2))
        with torch.no_grad():
            models[0].head.weight.mul_(-1)
        codes.append(sampled(models[0], 3, 2))
        with torch.no_grad():
            models[0].head.weight.mul_(-1)
        return codes

    replayed = everything()
    assert not torch.equal(replayed[-1], replayed[-2])
    monkeypatch.setattr(next_code, "LEAST_STEPS", 1000)
    agree = [(one == two).all(dim=1).double().mean() for one, two in zip(replayed, everything(), strict=True)]
    assert min(agree) == 1 if precision == torch.float32 else sum(agree) / len(agree) > 0.4


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


def test_a_training_that_goes_on_equals_one_that_never_stopped(tmp_path: Path) -> None:
    """To the bit, when it is asked to be deterministic."""
    options = ("scale=smoke", "logger=csv", "trainer=gpu", "+trainer.deterministic=true", "discriminators=both")
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    assert tats_exp(tmp_path / "whole", *options).returncode == 0
    assert killed(tmp_path / "stopped", "*/vqgan/*/last.ckpt", *options).returncode < 0
    assert killed(tmp_path / "stopped", "*/transformer/*/last.ckpt", *options).returncode < 0
    assert tats_exp(tmp_path / "stopped", *options).returncode == 0
    for stage in ("vqgan", "transformer"):
        (one,), (two,) = (
            list((tmp_path / side).rglob(f"{stage}/*/model.safetensors")) for side in ("whole", "stopped")
        )
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
def test_a_run_on_the_gpu(tmp_path: Path, sampler: str, precision: str) -> None:
    options = ("scale=smoke", "logger=csv", "trainer=gpu", f"sampler={sampler}")
    result = tats_exp(tmp_path, *options, f"trainer.precision={precision}")
    assert result.returncode == 0, result.stderr
    assert '"device": "cuda"' in (run_folders(tmp_path)[-1] / "status.json").read_text()
