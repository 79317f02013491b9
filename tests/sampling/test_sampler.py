"""Every sampler of conf/ is called in one way, and goes on from given frames."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from tats_exp.config.schema import conf_dir
from tats_exp.sampling import Sampler, ShortClip
from tests.transformer.test_transformer import small

OPTIONS = sorted((conf_dir() / "sampler").glob("*.yaml"))
LABELS, SEEDS = torch.tensor([[0, 1], [2, 0], [1, 1]]), [3, 1, 4]
KEY_EVERY = 3  # of the small interpolation transformer, whose window is 4 latent frames


def section(option: Path) -> DictConfig:
    """The section `sampler` of an option, which may set other sections, too."""
    node = OmegaConf.load(option)
    return node.get("sampler", node)


def sampler_of(option) -> Sampler:
    node = section(option)
    if "context" in node:
        node.context = 1  # which the scale says
    return instantiate(node, **({"key_every": KEY_EVERY} if "key_every" in node else {}))


def parameters(kind: type, method: str) -> list[tuple]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(getattr(kind, method)).parameters.values()]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.stem)
def test_all_samplers_have_one_signature(option):
    kind = get_object(section(option)["_target_"])
    assert issubclass(kind, Sampler) and {type(kind.long), type(kind.interpolates)} == {bool}
    for method in ("__call__", "check", "slots"):
        assert parameters(kind, method) == parameters(Sampler, method)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.stem)
@pytest.mark.parametrize("given", range(1, 4))
def test_all_samplers_go_on_from_given_frames(option, given):
    """Given the beginning of its own video a sampler makes the same one; from another beginning, another."""
    model, sample = small(), sampler_of(option)
    more = {"interpolation": small("c"), "gaps_at_once": 2}
    whole = sample(model, LABELS, 4, SEEDS, None, None, **more)
    assert torch.equal(sample(model, LABELS, 4, SEEDS, None, whole[:, :given], **more), whole)
    told = []
    other = whole[:, :given].flip(0)
    found = sample(model, LABELS, 4, SEEDS, lambda *said: told.append(said), other, **more)
    assert torch.equal(found[:, :given], other) and not torch.equal(found, whole)
    assert told[-1] == (4, 4)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.stem)
def test_all_samplers_refuse_what_they_cannot_go_on_from(option):
    sample, more = sampler_of(option), {"interpolation": small("c")}
    for given, said in (
        ((3, 4, 2, 2), "given holds 4 latent frames; allowed: fewer than the 4"),
        ((3, 1, 3, 2), "3x2"),
    ):
        with pytest.raises(ValueError, match=said):
            sample(small(), LABELS, 4, SEEDS, None, torch.zeros(given, dtype=torch.int64), **more)


def test_a_sampler_that_interpolates_says_what_it_lacks():
    (option,) = (path for path in OPTIONS if path.stem == "hierarchical")
    with pytest.raises(ValueError, match="interpolation is missing"):
        sampler_of(option)(small(), LABELS, 4, SEEDS)


def test_a_sampler_says_where_it_draws_only_if_it_knows():
    class Unknown(ShortClip):
        slots = Sampler.slots

    assert Unknown().slots(4, 4) is None and Unknown().context is None
