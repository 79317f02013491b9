"""Official checkpoints: the same numbers from the same weights."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tats_exp.official import (
    load_transformer,
    load_vqgan,
    transformer_state_dict,
)
from tats_exp.sampling import sample_codes
from tats_exp.vqgan import VQGAN, EMACodebook
from tests.golden import (
    GOLDEN,
    formula_video,
    golden_transformer,
    golden_vqgan,
    saved,
)

REFERENCE = Path(os.environ.get("TATS_EXP_REFERENCE", "."))
needs_reference = pytest.mark.skipif("TATS_EXP_REFERENCE" not in os.environ, reason="TATS_EXP_REFERENCE is not set")


def assert_sampled(x: Tensor, recorded: list) -> None:
    """The recorded values are every so-manieth one of `x`."""
    step = max(x.numel() // len(recorded), 1)
    values = x.flatten()[::step][: len(recorded)]
    torch.testing.assert_close(values, torch.tensor(recorded), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("vqgan")])
@torch.no_grad()
def test_vqgan_equals_the_official_one_with_formula_weights(name: str, tmp_path: Path) -> None:
    case = GOLDEN[name]
    vqgan = load_vqgan(saved(golden_vqgan(name), tmp_path))
    video = formula_video(case["frames"], case["size"])
    latents, codes = vqgan.latents(video), vqgan.encode(video)
    reconstruction = vqgan.decode(codes)
    assert [list(x.shape) for x in (latents, codes, reconstruction)] == [
        case[f"{x}_shape"] for x in ("latents", "codes", "reconstruction")
    ]
    assert_sampled(latents, case["latents"])
    assert codes.flatten().tolist() == case["codes"]
    assert_sampled(reconstruction, case["reconstruction"])
    for kind, x in (("spatial", video[:, :, case["frames"] // 2]), ("temporal", video)):
        logits, features = vqgan.discriminators[kind](x)
        assert list(logits.shape) == case[f"{kind}_logits_shape"]
        assert_sampled(logits, case[f"{kind}_logits"])
        for feature, recorded in zip(features, case[f"{kind}_features"], strict=True):
            assert_sampled(feature, recorded)


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("transformer")])
@torch.no_grad()
def test_transformer_equals_the_official_one_with_formula_weights(name: str, tmp_path: Path) -> None:
    case = GOLDEN[name]
    transformer = load_transformer(saved(golden_transformer(name), tmp_path))
    n = torch.arange(transformer.window_codes)
    codes = ((7 * n + 3 * n**2) % transformer.video_codes)[None]
    condition = torch.tensor([case["condition"]])
    logits = transformer.logits(condition, codes)
    assert list(logits.shape) == case["logits_shape"]
    assert_sampled(logits, case["logits"])
    if "greedy_unrestricted" in case:
        rolled_out = sample_codes(transformer, condition, codes.shape[1], greedy=True, restrict=False)
        assert rolled_out[0].tolist() == case["greedy_unrestricted"]


@needs_reference
@pytest.mark.parametrize("name", ["vqgan_ucf_like", "vqgan_groupnorm"])
@torch.no_grad()
def test_vqgan_equals_the_reference(name: str) -> None:
    vqgan, recorded = load_vqgan(REFERENCE / f"{name}.ckpt"), torch.load(REFERENCE / f"{name}.io.pt")
    video = recorded["video"]
    assert torch.equal(vqgan.encode(video), recorded["codes"])
    frame = video[:, :, video.shape[2] // 2]
    logits_image, image_features = vqgan.discriminators["spatial"](frame)
    logits_video, video_features = vqgan.discriminators["temporal"](video)
    computed = {
        "h_pre_quantization": vqgan.latents(video),
        "reconstruction": vqgan.decode(recorded["codes"]),
        "logits_image": logits_image,
        "logits_video": logits_video,
        "image_features": image_features,
        "video_features": video_features,
    }
    for key, value in computed.items():
        torch.testing.assert_close(value, recorded[key], rtol=0, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


@needs_reference
@pytest.mark.parametrize(
    "name,window,mask,classes", [("gpt_ar_label", (4, 4, 4), "causal", 8), ("gpt_interp_mask_c", (5, 4, 4), "c", 0)]
)
@torch.no_grad()
def test_transformer_equals_the_reference(name: str, window: tuple, mask: str, classes: int) -> None:
    transformer, recorded = load_transformer(REFERENCE / f"{name}.ckpt"), torch.load(REFERENCE / f"{name}.io.pt")
    assert (transformer.window, transformer.mask, transformer.condition_codes) == (window, mask, classes)
    logits = transformer.logits(recorded["cond"], recorded["codes"])
    torch.testing.assert_close(logits, recorded["logits"], rtol=0, atol=1e-4)
    if "greedy" in recorded:
        rolled_out = sample_codes(transformer, recorded["cond"], 64, greedy=True, restrict=False)
        assert torch.equal(rolled_out, recorded["greedy"])


def test_loaded_modules_are_ready_to_use_and_discriminators_are_no_part_of_the_model(tmp_path: Path) -> None:
    path = saved(golden_vqgan("vqgan_group_222"), tmp_path)
    stream = torch.get_rng_state()
    vqgan = load_vqgan(path)
    assert torch.equal(torch.get_rng_state(), stream), "reading draws no random numbers"
    adversaries = list(vqgan.discriminators.values())
    assert not any(module.training for whole in (vqgan, *adversaries) for module in whole.modules())
    fresh = VQGAN(EMACodebook(16, 4), 32, (2, 2, 2), norm="group")
    assert vqgan.state_dict().keys() == fresh.state_dict().keys()
    assert vqgan.encoder.conv_first.conv.weight.stride() == fresh.encoder.conv_first.conv.weight.stride()


def test_training_on_begins_from_the_loaded_codebook(tmp_path: Path) -> None:
    vqgan = load_vqgan(saved(golden_vqgan("vqgan_group_222"), tmp_path)).train()
    before = vqgan.codebook.embeddings.clone()
    vqgan(formula_video(4, 8))
    drift = (vqgan.codebook.embeddings - before).abs().max()
    assert 0 < drift < 0.2 * before.abs().max(), "training on must move the entries a little, not begin anew"


def test_what_else_a_real_checkpoint_carries_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Older versions of Lightning kept the state of a callback under its class.
    module = ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": module.__name__})
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    callback = {"best_model_path": "best.ckpt", "best_model_score": torch.tensor(0.1)}
    rest = {
        "optimizer_states": [{"state": {0: {"step": 1, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4}]}],
        "callbacks": {module.ModelCheckpoint: callback, "ModelCheckpoint{'monitor': 'val/loss'}": callback},
        "lr_schedulers": [],
        "loops": {"fit_loop": {"state_dict": {}}},
    }
    inside = {"perceptual_model.lin0.model.1.weight": torch.ones(1), "epoch_metric": 3}
    whole = golden_vqgan("vqgan_group_222")
    lone = load_vqgan(saved(whole, tmp_path))
    vqgan = load_vqgan(saved(whole | rest | {"state_dict": whole["state_dict"] | inside}, tmp_path))
    assert all(torch.equal(value, lone.state_dict()[name]) for name, value in vqgan.state_dict().items())

    inside = {"first_stage_model.encoder.conv_first.conv.weight": torch.ones(1), "cond_stage_model.x": torch.ones(1)}
    whole = golden_transformer("transformer_mask_c")
    loaded = load_transformer(saved(whole | rest | {"state_dict": whole["state_dict"] | inside}, tmp_path))
    assert loaded.video_codes == 32


def test_the_window_can_be_told_where_the_checkpoint_does_not_say(tmp_path: Path) -> None:
    path = saved(golden_transformer("transformer_causal_label"), tmp_path)
    assert load_transformer(path).window == (3, 4, 4)
    assert load_transformer(path, window=(4, 3, 4)).window == (4, 3, 4)
    with pytest.raises(ValueError, match=r"window=\(4, 4, 4\)"):
        load_transformer(path, window=(4, 4, 4))


def test_transformer_map_takes_the_gpt_alone() -> None:
    gpt = {"pos_emb": torch.ones(1), "tok_emb.weight": torch.ones(2), "head.weight": torch.ones(3)}
    gpt |= {"blocks.0.attn.mask": torch.ones(4), "blocks.0.attn.key.weight": torch.ones(5)}
    names = {"pos_emb", "tok_emb.weight", "head.weight", "blocks.0.attn.key.weight"}
    assert set(transformer_state_dict(gpt)) == names
