"""What the stages of one run share: the checked config and what it describes, made when first asked for."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as L
import torch

from tats_exp.config.build import build
from tats_exp.config.models import build_adversaries, build_interpolation, build_transformer, build_vqgan
from tats_exp.config.networks import classifier, feature_network
from tats_exp.config.schema import Config
from tats_exp.data.joined import JoinedVideos
from tats_exp.data.videos import Videos, VideoSource
from tats_exp.features.perceptual import Perceptual
from tats_exp.files import read_tensors
from tats_exp.progress import Progress
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN

# Lightning announces hardware and products at every trainer it makes; errors still come through.
for _name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(_name).setLevel(logging.ERROR)

MODEL = "model.safetensors"
DISCRIMINATORS = "discriminators.safetensors"


@dataclass
class Parts:
    """What the stages of one run share: the checked config, and what it instantiates, made when first asked for."""

    config: Config
    progress: Progress

    @cached_property
    def source(self) -> VideoSource:
        """The data set."""
        return build(self.config.data, "data")

    @cached_property
    def train(self) -> Videos:
        """Its train split."""
        return self.source.split("train")

    @cached_property
    def test(self) -> Videos:
        """Its test split."""
        return self.source.split("test")

    @cached_property
    def real(self) -> Videos:
        """Where the real windows of the evaluation come from."""
        return self.train if self.config.metrics.split == "train" else JoinedVideos([self.train, self.test])

    @cached_property
    def condition(self) -> Any:
        """What the transformer is conditioned on."""
        return build(self.config.condition, "condition")

    @cached_property
    def network(self) -> Any:
        """The feature network of the evaluation, in eval mode on the device."""
        return feature_network(self.config.metrics.network, self.device)

    @cached_property
    def classifier(self) -> Any:
        """The network whose opinions are asked for, None where it is the feature network."""
        return classifier(self.config.metrics.classifier, self.device)

    @cached_property
    def perceptual(self) -> Perceptual | None:
        """The perceptual loss of the VQGAN, on the CPU; None where there is none."""
        node = self.config.vqgan.training.perceptual
        return None if node is None else build(node, "vqgan.training.perceptual")

    @cached_property
    def make_trainer(self) -> Callable[..., L.Trainer]:
        """A partial of the Lightning trainer."""
        return build(self.config.trainer, "trainer")

    @cached_property
    def device(self) -> torch.device:
        """Where the trainer trains, everything else runs, too."""
        return self.make_trainer(logger=False, enable_model_summary=False).strategy.root_device

    @property
    def data_seed(self) -> int:
        """Seed of the split, the reference and every fixed list of windows."""
        return self.source.seed

    def vqgan(self, folder: Path) -> VQGAN:
        """The trained VQGAN of a stage and its discriminators, in eval mode on the device."""
        vqgan = cast(VQGAN, self._trained(build_vqgan(self.config), folder / MODEL))
        adversaries = build_adversaries(self.config)
        if adversaries is not None:
            judges = self._trained(adversaries.discriminators, folder / DISCRIMINATORS)
            vqgan.discriminators = dict(judges.named_children())
        return vqgan

    @property
    def condition_codes(self) -> int:
        """C, 0 without a condition."""
        return self.condition.vocabulary(len(self.train.label_names))

    def new_transformer(self) -> Transformer:
        """An autoregressive transformer that fits the data's condition."""
        return cast(Transformer, build_transformer(self.config, self.condition_codes, self.condition.length))

    def transformer(self, folder: Path) -> Transformer:
        """The trained autoregressive transformer of a stage, in eval mode on the device."""
        return cast(Transformer, self._trained(self.new_transformer(), folder / MODEL))

    def new_interpolation(self) -> Transformer:
        """An interpolation transformer that fits the data's condition."""
        return cast(Transformer, build_interpolation(self.config, self.condition_codes, self.condition.length))

    def interpolation(self, folder: Path) -> Transformer:
        """The trained interpolation transformer of a stage, in eval mode on the device."""
        return cast(Transformer, self._trained(self.new_interpolation(), folder / MODEL))

    def _trained(self, model: torch.nn.Module, weights: Path) -> torch.nn.Module:
        model.load_state_dict(read_tensors(weights))
        return model.to(self.device).eval()
