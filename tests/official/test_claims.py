"""No file makes a model larger than its own tensors, whatever its arguments claim."""

import random
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from tats_exp import UserError
from tats_exp.official import (
    load_transformer,
    load_vqgan,
    reading,
    save_official_vqgan,
)
from tats_exp.transformer import Transformer
from tats_exp.vqgan import VQGAN, EMACodebook
from tests.official.models import with_discriminators


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
            monkeypatch.setattr(reading, model, None)
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
