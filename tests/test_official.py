"""Official checkpoints: the same numbers from the same weights, and one clear line for every file that is not one."""

import os
import random
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tats_exp import UserError, official
from tats_exp.official import (
    load_transformer,
    load_vqgan,
    save_official_vqgan,
    transformer_state_dict,
    vqgan_state_dict,
)
from tats_exp.sampling import sample_codes
from tats_exp.transformer import Transformer
from tats_exp.vqgan import VQGAN, EMACodebook
from tats_exp.vqgan.discriminators import SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.fsq import FSQ
from tats_exp.vqgan.padding import Real, Zero
from tests.golden import (
    GOLDEN,
    OURS_ALONE,
    discriminator_shapes,
    formula_video,
    golden_transformer,
    golden_vqgan,
    saved,
)
from tests.vqgan.models import noise_video, small_vqgan

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


class Malicious:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return Path.touch, (self.victim,)


def test_code_in_a_checkpoint_is_refused_by_name_and_never_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    path = saved(golden_vqgan("vqgan_group_222") | {"callbacks": Malicious(victim)}, tmp_path)
    with pytest.raises(ValueError, match=r"(Path|getattr).* could run code; allowed: .*argparse\.Namespace") as error:
        load_vqgan(path)
    assert "\n" not in str(error.value) and not victim.exists()
    torch.load(path, weights_only=False)
    assert victim.exists(), "the file was a danger"


@pytest.mark.parametrize(
    "content,said",
    [
        (None, "no such file"),
        (b"", "damaged, cut off or no checkpoint"),
        (b"<html>quota exceeded</html>", "damaged, cut off or no checkpoint"),
        (0.5, "damaged, cut off or no checkpoint"),
        (0.999, "damaged, cut off or no checkpoint"),
        (torch.ones(2), "not of the official code"),
        ({"state_dict": {"encoder.weight": torch.ones(1)}}, "not of the official code"),
    ],
)
@pytest.mark.parametrize("load", [load_vqgan, load_transformer])
def test_files_that_are_no_checkpoints_are_named(load, content, said: str, tmp_path: Path) -> None:
    path = tmp_path / "official.ckpt"
    if isinstance(content, float):
        whole = saved(golden_vqgan("vqgan_group_222"), tmp_path).read_bytes()
        path.write_bytes(whole[: int(content * len(whole))])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        saved(content, tmp_path)
    with pytest.raises(ValueError, match=said) as error:
        load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changed,said",
    [
        ({"args.padding_type": "circular"}, "padding_type='circular' is refused.*allowed: replicate"),
        ({"args.n_codes": None}, "argument n_codes=None"),
        ({"args.downsample": 4}, "argument downsample=4"),
        ({"args.norm_type": "layer"}, "norm_type='layer' is unknown; allowed: batch, group"),
        ({"args.n_hiddens": 16}, "has shape .* its arguments ask for"),
        ({"encoder.conv_first.conv.weight": torch.ones(2, 3, 3, 3, 3)}, "conv_first.conv.weight has shape"),
        ({"codebook.N": None}, "lacks weights, 1 in all: codebook.N"),
        ({"decoder.extra": torch.ones(1)}, "unknown weights, 1 in all: decoder.extra"),
        ({"image_discriminator.model0.0.bias": None}, "lacks weights, 1 in all: blocks.0.0.bias"),
    ],
)
def test_a_vqgan_that_does_not_fit_is_refused(changed: dict, said: str, tmp_path: Path) -> None:
    refused(load_vqgan, golden_vqgan("vqgan_group_222"), changed, said, tmp_path)


@pytest.mark.parametrize(
    "changed,said",
    [
        ({"args.cond_stage_key": "text"}, "cond_stage_key='text'.*allowed: label"),
        ({"args.first_stage_vocab_size": 40}, "tok_emb has 37 rows, first_stage_vocab_size=40"),
        ({"args.unconditional": True}, "tok_emb has 37 rows, first_stage_vocab_size=32"),
        ({"args.resolution": 40}, r"window=\(1, 5, 5\) does not fit block_size=48"),
        ({"args.n_unmasked": 9}, r"window=\(5, 3, 3\) does not fit block_size=48, n_unmasked=9"),
        ({"args.n_embd": 32}, "has shape .* its arguments ask for"),
        ({"transformer.vtokens_pos_emb": torch.ones(1)}, "unknown weights, 1 in all: vtokens_pos_emb"),
        ({"transformer.head.weight": None}, "no weights named head.weight"),
    ],
)
def test_a_transformer_that_does_not_fit_is_refused(changed: dict, said: str, tmp_path: Path) -> None:
    refused(load_transformer, golden_transformer("transformer_causal_label"), changed, said, tmp_path)


def refused(load, whole: dict, changed: dict, said: str, folder: Path) -> None:
    """Change or (None) remove arguments and weights of a good checkpoint, and expect one line."""
    for name, value in changed.items():
        target = whole["state_dict"]
        if name.startswith("args."):
            name, target = name.removeprefix("args."), vars(whole["hyper_parameters"]["args"])
        target[name] = value
        if value is None:
            del target[name]
    with pytest.raises(ValueError, match=said) as error:
        load(saved(whole, folder))
    assert "\n" not in str(error.value)


def changed(source: Path, target: Path, arguments: dict, tensors: dict) -> Path:
    """The same checkpoint with other arguments and tensors; None removes one."""
    content = torch.load(source, weights_only=False)
    for inside, others in ((vars(content["hyper_parameters"]["args"]), arguments), (content["state_dict"], tensors)):
        inside |= others
        for name in [name for name, value in others.items() if value is None]:
            del inside[name]
    torch.save(content, target)
    return target


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each kind, as small as they come."""
    folder = tmp_path_factory.mktemp("official")
    save_official_vqgan(with_discriminators(VQGAN(EMACodebook(6, 2), 2, (1, 2, 2))), folder / "vqgan.ckpt")
    model = Transformer(2, 6, (2, 2, 2), 2, 2, 4)
    args = {"n_layer": 2, "n_head": 2, "n_embd": 4, "n_unmasked": 0, "block_size": 8, "resolution": 16}
    args |= {"first_stage_vocab_size": 6, "cond_stage_key": "label", "unconditional": False}
    state = {f"transformer.{name}": value for name, value in model.state_dict().items()}
    whole = {"state_dict": state, "hyper_parameters": {"args": Namespace(**args)}}
    torch.save(whole, folder / "transformer.ckpt")
    return {path.stem: path for path in folder.iterdir()}


LOAD = {"vqgan": load_vqgan, "transformer": load_transformer}
CLAIMS = {
    "vqgan": "n_codes embedding_dim n_hiddens image_channels downsample norm_type padding_type no_random_restart "
    "disc_channels disc_layers",
    "transformer": "n_layer n_head n_embd n_unmasked block_size first_stage_vocab_size resolution cond_stage_key",
}
LISTS: list = []
for _ in range(200):
    LISTS = [LISTS, LISTS]  # its text has 2^200 characters
WILD = [10**7, 10**12, 10**19, 2**2000, -1, 3.5, float("nan"), "4", None, (4,) * 2000, (10**30, 1, 1), LISTS, {}]


@pytest.mark.parametrize("kind,name", [(kind, name) for kind, names in CLAIMS.items() for name in names.split()])
def test_an_argument_that_the_tensors_do_not_bear_out_is_refused_before_anything_is_built(
    kind: str, name: str, small: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in ("n_head", "norm_type", "no_random_restart", "disc_channels", "disc_layers"):
        for model in ("VQGAN", "Transformer"):
            monkeypatch.setattr(official, model, None)
    wild = [value for value in WILD if (name, value) not in (("padding_type", None), ("cond_stage_key", None))]
    for value in wild:
        path = changed(small[kind], tmp_path / "wild.ckpt", {name: value}, {})
        with pytest.raises(UserError) as error:
            LOAD[kind](path)
        assert str(path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("value", [10**400, -0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, LISTS])
def test_a_threshold_of_restarts_is_a_share(value: object, small: dict, tmp_path: Path) -> None:
    given = {"no_random_restart": False, "restart_thres": value}
    with pytest.raises(UserError, match="argument restart_thres="):
        load_vqgan(changed(small["vqgan"], tmp_path / "wild.ckpt", given, {}))


@pytest.mark.parametrize(
    "kind,tensors,said",
    [
        ("transformer", {f"transformer.blocks.{n}.x": torch.ones(1) for n in range(2, 4000)}, "has 4000 blocks"),
        ("vqgan", {f"encoder.conv_blocks.{n}.x": torch.ones(1) for n in range(1, 4000)}, "has 4000 encoder.conv_bl"),
        ("vqgan", {f"video_discriminator.model{n}.x": torch.ones(1) for n in range(4, 4000)}, "has 4000 blocks"),
        ("vqgan", {"codebook.embeddings": torch.ones(1).expand(6, 2)}, "codebook.embeddings is not stored in one pie"),
        ("vqgan", {"codebook.embeddings": torch.empty(6, 2, device="meta")}, "refused, torch._utils._rebuild_meta_ten"),
        ("vqgan", {"codebook.embeddings": torch.ones(6, 2).to_sparse()}, "refused, torch"),
        ("vqgan", {"codebook.embeddings": torch.ones(6, 2, dtype=torch.int64)}, "has dtype torch.int64, its like hav"),
        ("vqgan", {"codebook.embeddings": torch.ones(6, 2, dtype=torch.complex64)}, "has dtype None"),
        ("vqgan", {"codebook.embeddings": torch.full((6, 2), torch.inf)}, "embeddings holds values that are not fini"),
        ("vqgan", {"codebook.embeddings": 4}, "lacks weights, codebook.embeddings among them"),
        ("vqgan", {"image_discriminator.blocks.0.0.bias": torch.ones(4)}, "image_discriminator.* twice"),
        (
            "vqgan",
            {3: torch.ones(1), ("a", "b"): torch.ones(1), "encoder.\n": torch.ones(1)},
            "unknown weights, 1 in",
        ),
        ("vqgan", {"encoder." + 10**5 * "x": torch.ones(1)}, "a weight's name has 100008 characters"),
        ("transformer", {"transformer.tok_emb.weight": torch.tensor(1.0)}, "tok_emb.weight has shape (), its argume"),
        ("transformer", {"transformer.ln_f.bias": torch.tensor([float("nan")] * 4)}, "ln_f.bias holds values that"),
    ],
)
def test_tensors_that_are_no_weights_are_refused(
    kind: str, tensors: dict, said: str, small: dict, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        LOAD[kind](changed(small[kind], tmp_path / "wild.ckpt", {}, tensors))
    assert said in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_of_another_precision_are_read(dtype: torch.dtype, small: dict, tmp_path: Path) -> None:
    other = {"transformer.head.weight": torch.full((8, 4), 0.25, dtype=dtype)}
    read = load_transformer(changed(small["transformer"], tmp_path / "other.ckpt", {}, other))
    assert torch.equal(read.head.weight, torch.full((8, 4), 0.25))


@pytest.mark.parametrize("kind", LOAD)
def test_whatever_happens_to_a_file_it_is_a_model_no_larger_or_one_line(kind: str, small: dict, tmp_path: Path) -> None:
    """Bytes are turned, cut out and doubled; half the time in its structure, where the claims are."""
    whole, path = small[kind].read_bytes(), tmp_path / "mutant.ckpt"
    structure = whole.index(b"data.pkl") + 8, whole.index(b".format_version")
    rng, read = random.Random(kind), 0
    for _ in range(250):
        mutant, low, high = bytearray(whole), *rng.choice([structure, (0, len(whole))])
        for _ in range(rng.randint(1, 3)):
            place, length = rng.randrange(low, high), rng.choice([1, 1, 1, 4, 100])
            match rng.randrange(4):
                case 0:
                    del mutant[place : place + length]
                case 1:
                    mutant[place:place] = mutant[place : place + length]
                case _:
                    mutant[place : place + length] = rng.randbytes(min(length, 4))
        path.write_bytes(mutant)
        try:
            model = LOAD[kind](path)
        except UserError as error:
            assert str(path) in str(error) and len(str(error).splitlines()) == 1
        else:
            read += 1
            assert sum(value.nbytes for value in model.state_dict().values()) < len(mutant)
    assert 0 < read < 250, "some mutants must be read, and some refused"


def test_each_kind_refuses_the_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no official transformer"):
        load_transformer(saved(golden_vqgan("vqgan_group_222"), tmp_path))
    with pytest.raises(ValueError, match="no official VQGAN"):
        load_vqgan(saved(golden_transformer("transformer_mask_c"), tmp_path))


def test_the_window_can_be_told_where_the_checkpoint_does_not_say(tmp_path: Path) -> None:
    path = saved(golden_transformer("transformer_causal_label"), tmp_path)
    assert load_transformer(path).window == (3, 4, 4)
    assert load_transformer(path, window=(4, 3, 4)).window == (4, 3, 4)
    with pytest.raises(ValueError, match=r"window=\(4, 4, 4\)"):
        load_transformer(path, window=(4, 4, 4))


def with_discriminators(vqgan: VQGAN, width: int = 4) -> VQGAN:
    vqgan.discriminators = {"spatial": SpatialDiscriminator(width, 2), "temporal": TemporalDiscriminator(4, 2)}
    for module in vqgan.discriminators.values():
        module(torch.rand(2, 3, 8, 8) if module is vqgan.discriminators["spatial"] else torch.rand(2, 3, 4, 8, 8))
    return vqgan


@pytest.mark.parametrize("restart_below", [None, 0.5])
@torch.no_grad()
def test_a_written_vqgan_reads_back_identically(restart_below: float | None, tmp_path: Path) -> None:
    vqgan = with_discriminators(small_vqgan(downsample=(2, 4, 4)))
    vqgan.codebook.initialised.fill_(True)
    vqgan.codebook.restart_below = restart_below
    save_official_vqgan(vqgan, tmp_path / "ours.ckpt", frames=8, resolution=8)
    back = load_vqgan(tmp_path / "ours.ckpt")
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in vqgan.state_dict().items())
    assert back.codebook.restart_below == restart_below
    video = noise_video(8)
    assert torch.equal(back.decode(back.encode(video)), vqgan.decode(vqgan.encode(video)))
    for kind, x in (("spatial", video[:, :, 0]), ("temporal", video)):
        assert torch.equal(back.discriminators[kind](x)[0], vqgan.discriminators[kind].eval()(x)[0])


def test_a_written_vqgan_is_in_the_official_format(tmp_path: Path) -> None:
    vqgan = with_discriminators(small_vqgan())
    save_official_vqgan(vqgan, tmp_path / "ours.ckpt", frames=8, resolution=8)
    written = torch.load(tmp_path / "ours.ckpt", weights_only=False)
    args = written["hyper_parameters"]["args"]
    assert isinstance(args, Namespace)
    assert (args.downsample, args.n_codes, args.disc_channels, args.disc_layers) == ((4, 4, 4), 32, 4, 2)
    own = {name: tuple(value.shape) for name, value in vqgan.state_dict().items() if name not in OURS_ALONE}
    for prefix, axes in (("image_discriminator", 2), ("video_discriminator", 3)):
        own |= discriminator_shapes(prefix, axes, 4, 2)
    assert {name: tuple(value.shape) for name, value in written["state_dict"].items()} == own


@needs_reference
def test_the_reference_written_again_is_the_reference(tmp_path: Path) -> None:
    source = REFERENCE / "vqgan_ucf_like.ckpt"
    save_official_vqgan(load_vqgan(source), tmp_path / "again.ckpt", frames=16, resolution=64)
    original, again = (torch.load(path, weights_only=False) for path in (source, tmp_path / "again.ckpt"))
    assert original.keys() == again.keys()
    assert vars(original["hyper_parameters"]["args"]).keys() == vars(again["hyper_parameters"]["args"]).keys()
    assert original["state_dict"].keys() == again["state_dict"].keys()
    assert all(torch.equal(value, again["state_dict"][name]) for name, value in original["state_dict"].items())


def test_a_vqgan_without_discriminators_reads_back_without(tmp_path: Path) -> None:
    save_official_vqgan(small_vqgan(), tmp_path / "ours.ckpt")
    assert load_vqgan(tmp_path / "ours.ckpt").discriminators == {}


@pytest.mark.parametrize(
    "make,said",
    [
        (lambda: small_vqgan(encoder=Zero()), "encoder_padding=Zero() cannot be written; allowed: Replicate()"),
        (lambda: small_vqgan(decoder=Real()), "decoder_padding=Real()"),
        (lambda: small_vqgan(blocks=1), "decoder_blocks=1"),
        (lambda: small_vqgan(norm="frame_group"), "norm='frame_group'"),
        (lambda: small_vqgan(norm="group"), "norm='group'"),  # of fewer than 32 groups
        (lambda: VQGAN(FSQ([4, 4]), 4, (2, 2, 2)), "codebook='FSQ'"),
        (lambda: with_discriminators(small_vqgan(), width=8), "width of a discriminator=4"),
    ],
)
def test_what_the_official_code_does_not_know_is_not_written(make, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        save_official_vqgan(make(), tmp_path / "ours.ckpt")
    assert not list(tmp_path.iterdir())


def test_transformer_map_takes_the_gpt_alone() -> None:
    gpt = {"pos_emb": torch.ones(1), "tok_emb.weight": torch.ones(2), "head.weight": torch.ones(3)}
    gpt |= {"blocks.0.attn.mask": torch.ones(4), "blocks.0.attn.key.weight": torch.ones(5)}
    names = {"pos_emb", "tok_emb.weight", "head.weight", "blocks.0.attn.key.weight"}
    assert set(transformer_state_dict(gpt)) == names


@pytest.mark.parametrize("convert", [vqgan_state_dict, transformer_state_dict])
def test_foreign_state_dict_is_refused_in_one_line(convert) -> None:
    with pytest.raises(ValueError, match="no weights named") as error:
        convert({"layer4.weight": torch.ones(1)})
    assert "\n" not in str(error.value)
