"""Keys of the stages of a run: what changes a value is in them, where things lie and how they are run is not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp.config.check import check
from tats_exp.config.networks import identities
from tats_exp.config.schema import conf_dir
from tats_exp.features import I3D
from tats_exp.progress import Progress
from tats_exp.run.log import FilesOnly
from tats_exp.run.store import Store
from tats_exp.run.walk import walk
from tats_exp.stages.context import RunContext
from tats_exp.stages.order import stages_of

QUICK = ("scale=smoke", "logger=csv", "trainer=cpu")
ALL = ("sampler=hierarchical", "discriminators=both")


class MakesNothing(Store):
    """A store that knows the keys of all stages and makes none of them."""

    def _make(self, name: str, folder: Path, recipe: dict[str, Any], make: Any) -> None:
        folder.mkdir(parents=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An I3D, the same in another place, and another."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {name: folder / name / "i3d.pt" for name in ("here", "there", "other")}
    for name, path in paths.items():
        torch.manual_seed(name == "other")
        path.parent.mkdir()
        torch.save(I3D().state_dict(), path)
    return paths


def keys(folder: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> dict[str, str]:
    monkeypatch.setattr(I3D, "compile", lambda self: None)  # compiled or not, nothing is computed here
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = check(compose("config", overrides=[*QUICK, f"store.root={folder / 'store'}", *overrides]))
    run, store = RunContext(config), MakesNothing(folder / "store")
    for stage in stages_of(config, run.condition):
        walk(stage, run, store, Progress(folder, ""), FilesOnly())
    return {name: made.key for name, made in store.used.items()}


def test_what_changes_no_value_changes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = keys(tmp_path, monkeypatch, *ALL)
    housekeeping = (
        *("endpoint=val/vqgan/psnr", "secondary=[val/vqgan/ssim]"),
        *("name=other", "question=why", "threads=1", "workers=1", "compile=true"),
        *("metrics.batch_size=3", "codes.batch_size=5", "sampling.batch_size=2", "sampling.gaps_at_once=3"),
        *("sampling.decode_chunk=4", "vqgan.training.usage_window=7", "longest_frames=480", "trainer=auto"),
        *(
            f"{model}.training.{key}=3"
            for model in ("vqgan", "transformer")
            for key in ("log_every", "checkpoint_every")
        ),
        "logger=wandb",
    )
    assert keys(tmp_path / "elsewhere", monkeypatch, *ALL, *housekeeping) == found


def test_a_network_is_known_by_what_it_sees_not_by_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: dict[str, Path]
) -> None:
    def with_network(name: str, *more: str) -> dict[str, str]:
        return keys(tmp_path, monkeypatch, "metrics=i3d", f"metrics.network.weights={weights[name]}", *more)

    found = with_network("here")
    assert with_network("there") == found
    assert with_network("here", "metrics.network.compile=true") == found
    changed = {"reference", "rebuilt", "metrics"}
    for other in (with_network("other"), with_network("here", "metrics.network.precision=bf16")):
        assert {name for name, key in other.items() if key != found[name]} == changed


def test_a_classifier_is_known_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dark(torch.nn.Module):
        def forward(self, video: torch.Tensor) -> torch.Tensor:
            return torch.stack([video.mean(dim=(1, 2, 3, 4))] * 2, dim=1)

    def with_classifier(name: str, size: int = 8) -> dict[str, str]:
        node = f"_target_: tats_exp.features.torchscript.TorchScriptClassifier, path: {tmp_path / name}"
        node = f"{{{node}, name: dark, size: {size}, value_range: [-0.5, 0.5], trust_torchscript: true}}"
        return keys(tmp_path, monkeypatch, f"metrics.classifier={node}")

    torch.jit.script(Dark()).save(str(tmp_path / "here.pt"))
    (tmp_path / "there.pt").write_bytes((tmp_path / "here.pt").read_bytes())
    found = with_classifier("here.pt")
    assert with_classifier("there.pt") == found
    assert with_classifier("here.pt", size=9)["reference"] != found["reference"]
    assert keys(tmp_path, monkeypatch)["reference"] != found["reference"]


@pytest.mark.parametrize(
    "override, first",
    [
        ("seed=1", "vqgan"),
        ("data.seed=1", "reference"),
        ("metrics.split=all", "reference"),
        ("eval_videos=6", "reference"),
        ("metrics.windows=ends", "rebuilt"),
        ("metrics.resamples=0", "metrics"),
        ("~metrics.measures.memorisation", "metrics"),
        ("padding=zero", "vqgan"),
        ("padding.decoder=zero", "vqgan"),
        ("vqgan.training.reconstruction_weight=1", "vqgan"),
        ("reconstruction=l1", "vqgan"),
        ("data.grounds=palettes", "reference"),
        ("codes.train_windows=31", "codes"),
        ("transformer.window=5", "long_codes"),
        ("transformer.model.layers=2", "transformer"),
        ("interpolation.anchors_in_loss=true", "interpolation"),
        ("mask=a", "interpolation"),
        ("sampler.top_p=0.5", "samples"),
        ("sampling.precision=bf16", "samples"),
        ("sampling.seed=1", "samples"),
        ("reference_seed=1", "reference"),
        ("condition=label", "codes"),
    ],
)
def test_what_changes_a_value_changes_its_key_and_those_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, first: str
) -> None:
    found, other = (keys(tmp_path, monkeypatch, *ALL, *more) for more in ((), (override,)))
    changed = [name for name, key in other.items() if key != found[name]]
    assert first in changed and "metrics" in changed
    assert next(name for name in found if name in changed) == first


def test_another_draw_or_another_reference_leaves_the_models_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = keys(tmp_path, monkeypatch)
    for override, changed in (
        ("sampling.seed=1", {"samples", "metrics"}),
        ("reference_seed=1", {"reference", "rebuilt", "metrics"}),
    ):
        other = keys(tmp_path, monkeypatch, override)
        assert {name for name in found if other[name] != found[name]} == changed
    assert keys(tmp_path, monkeypatch, "sampling.seed=0", "reference_seed=0") == found  # what null stands for


def test_what_a_sampler_keeps_when_it_slides_is_in_no_key_of_codes_or_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held-out windows are encoded at every shift once, whatever the context."""
    for options in ((), ("transformer.window=8",), ALL):
        one, three = (keys(tmp_path, monkeypatch, *options, f"sampler.context={context}") for context in (1, 3))
        assert {name for name in one if one[name] != three[name]} == {"samples", "metrics"}


def test_a_window_as_long_as_a_clip_is_no_other_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, same, longer = (keys(tmp_path, monkeypatch, f"transformer.window={window}") for window in ("null", "4", "8"))
    assert same == found and "long_codes" not in found
    changed = {name for name, key in longer.items() if key != found.get(name)}
    assert changed == {"long_codes", "transformer", "samples", "metrics"}


def test_evaluate_keeps_what_it_saw_under_the_same_names(weights: dict[str, Path]) -> None:
    """`evaluate` and a run ask one function what their networks are."""
    seen = []
    for name, compiled in (("here", False), ("there", True)):
        options = [f"metrics.network.weights={weights[name]}", f"metrics.network.compile={compiled}"]
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = check(compose("config", overrides=[*QUICK, "metrics=i3d", *options]))
        seen.append(identities(config.metrics, I3D.pretrained(weights[name]), None))
    assert seen[0] == seen[1] and str(weights["here"].parent.parent) not in str(seen)
