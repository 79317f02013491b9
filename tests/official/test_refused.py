"""One clear line for every file that is not an official checkpoint, and none of its code is run."""

from pathlib import Path

import pytest
import torch

from tats_exp.official import (
    load_transformer,
    load_vqgan,
    transformer_state_dict,
    vqgan_state_dict,
)
from tests.golden import (
    golden_transformer,
    golden_vqgan,
    saved,
)


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
        ({"args.cond_stage_key": "text"}, "cond_stage_key='text': .* codes the parts of a text have.*allowed: label"),
        (
            {"args.cond_stage_key": "stft"},
            "cond_stage_key='stft': .* how sound becomes the spectrograms.*allowed: label",
        ),
        ({"args.cond_stage_key": "smell"}, "cond_stage_key='smell': .* what its condition is; allowed: label"),
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


def test_each_kind_refuses_the_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no official transformer"):
        load_transformer(saved(golden_vqgan("vqgan_group_222"), tmp_path))
    with pytest.raises(ValueError, match="no official VQGAN"):
        load_vqgan(saved(golden_transformer("transformer_mask_c"), tmp_path))


@pytest.mark.parametrize("convert", [vqgan_state_dict, transformer_state_dict])
def test_foreign_state_dict_is_refused_in_one_line(convert) -> None:
    with pytest.raises(ValueError, match="no weights named") as error:
        convert({"layer4.weight": torch.ones(1)})
    assert "\n" not in str(error.value)
