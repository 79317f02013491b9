"""Train `ShapesCNN` and write its weights: `python -m tats_exp.features.train_shapes_cnn FILE.safetensors`.

It needs torch, numpy, einops, jaxtyping, safetensors and tqdm alone. The weights that ship with the package are such a
file, at the place that `shapes_cnn.WEIGHTS` names. An H100 took 141 s for as many steps while one process rendered what
it waited for; now others render ahead. One CPU core should take some 20 minutes (an estimate).

Clips are of all three grounds. Beside the label the network learns to read off the layout (which colours are where),
the texture and the sprite's size and speed, so that its features notice when those go wrong too; the heads for this are
thrown away.
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float, Int64, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from tats_exp.data.shapes import LABEL_NAMES, LAWS, Grounds, Scene, Shapes
from tats_exp.features.shapes_cnn import ShapesCNN

RESOLUTIONS = (16, 32, 64)
GROUNDS: tuple[Grounds, ...] = get_args(Grounds)
FRAMES = 16
TRAITS, FIELDS = 5, 48
TRAIN_SEED, TEST_SEED = 1_000_000_000, 2_000_000_000
"""The first of the seeds that are used up, one a step: every step is a world of its own, and none is a data set's."""

logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Clips and what is to be learned of them.

    Attributes:
        video: RGB, 0 to 255.
        labels: of the world.
        traits: `traits` of their scenes.
    """

    video: UInt8[Tensor, "B T H W C"]
    labels: Int64[Tensor, " B"]
    traits: Float[Tensor, "B traits"]


class Batches(Dataset[Batch]):
    """The batches of a training; batch i hangs on i alone, so that any process can draw it."""

    def __init__(self, steps: int, size: int) -> None:
        """Of so many steps, of so many clips each; the resolution changes, every second one is the smallest."""
        self.steps, self.size = steps, size

    def __len__(self) -> int:
        """Number of steps."""
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Draw one batch."""
        return draw_batch(self.size, (16, 32, 16, 64)[step % 4], TRAIN_SEED, step)


def traits(scene: Scene, grounds: Grounds) -> list[float]:
    """What extra heads learn of a scene, each scaled to about [-1, 1]: texture, size and speed of the sprite."""
    texture = [scene.wave[0] / 1.5, scene.wave[1] / 1.5, (scene.drift - 0.02) / 0.01]
    seen = texture if grounds == "textures" else [0.0, 0.0, 0.0]
    return [*seen, (scene.radius - 0.165) / 0.025, (scene.speed - 0.045) / 0.015]


def draw_batch(size: int, resolution: int, seed: int, step: int, grounds: tuple[Grounds, ...] = GROUNDS) -> Batch:
    """Clips from `size` videos of a new world, at random times, over each of these grounds in turn."""
    worlds = [
        Shapes(size, 1, frames=100_000, resolution=resolution, seed=seed + step, grounds=kind).split("train")
        for kind in grounds
    ]
    rng = np.random.default_rng(seed + step)
    turns = [(place, worlds[place % len(worlds)]) for place in range(size)]
    clips = [world.read(place, int(rng.integers(world.frames - FRAMES)), FRAMES) for place, world in turns]
    scenes = [(world.scene(place), world.grounds) for place, world in turns]
    return Batch(
        torch.from_numpy(np.stack(clips)),
        torch.tensor([scene.label for scene, _ in scenes]),
        torch.tensor([traits(scene, kind) for scene, kind in scenes], dtype=torch.float32),
    )


def fields(video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B 48"]:
    """Mean colour of each of 4 x 4 fields of the frames, over the clip, scaled to about [-1, 1]."""
    means = reduce(video.float(), "b t (h y) (w x) c -> b (h w c)", "mean", h=4, w=4)
    return (means / 255 - 0.35) / 0.25


def train(steps: int, batch_size: int, learning_rate: float, device: torch.device, workers: int = 0) -> ShapesCNN:
    """Train the network from scratch.

    Args:
        steps: optimiser steps.
        batch_size: clips of a step.
        learning_rate: peak of the one-cycle schedule.
        device: to train on.
        workers: processes that render clips ahead; the weights do not hang on them.

    Returns:
        The network in eval mode, on the CPU.
    """
    torch.manual_seed(TRAIN_SEED)
    network = ShapesCNN().to(device)
    extra = nn.Linear(network.width, TRAITS + FIELDS).to(device)
    parameters = [*network.parameters(), *extra.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
    for step, batch in enumerate(DataLoader(Batches(steps, batch_size), batch_size=None, num_workers=workers)):
        video = batch.video.to(device)
        features = network.features(video)
        guessed_traits, guessed_fields = extra(features).split([TRAITS, FIELDS], dim=1)
        label_loss = functional.cross_entropy(network.head(features), batch.labels.to(device))
        trait_loss = functional.mse_loss(guessed_traits, batch.traits.to(device))
        field_loss = functional.mse_loss(guessed_fields, fields(video))
        loss = label_loss + 0.3 * trait_loss + field_loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            parts = (label_loss.item(), trait_loss.item(), field_loss.item())
            logger.info("step %d of %d: label loss %.3f, traits %.3f, layout %.3f", step, steps, *parts)
    return network.cpu().eval()


@torch.inference_mode()
def accuracy(
    network: ShapesCNN, resolution: int, videos: int, grounds: tuple[Grounds, ...] = GROUNDS
) -> dict[str, float]:
    """Share of clips from an unseen world whose label, shape, colour and motion law the network tells."""
    logits, labels = [], []
    for step in range(videos // 64):
        batch = draw_batch(64, resolution, TEST_SEED, step, grounds)
        logits.append(network(batch.video))
        labels.append(batch.labels)
    guess, truth = torch.cat(logits).argmax(1), torch.cat(labels)
    laws, colours = len(LAWS), len(LABEL_NAMES) // len(LAWS) // 2
    right = {
        "label": guess == truth,
        "shape": guess // (laws * colours) == truth // (laws * colours),
        "colour": guess // laws % colours == truth // laws % colours,
        "law": guess % laws == truth % laws,
    }
    return {name: hits.double().mean().item() for name, hits in right.items()}


def save(network: ShapesCNN, path: Path) -> None:
    """Write the weights in half precision, as `ShapesCNN.pretrained` reads them."""
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, path)


def main(arguments: list[str] | None = None) -> None:
    """Train, write the weights, and report what they are worth.

    Args:
        arguments: of the command line; None: those that the process was given.
    """
    parser = argparse.ArgumentParser(description="Train the network that tells the labels of the shapes world.")
    parser.add_argument("file", type=Path, help="where to write the weights, a safetensors file")
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps (%(default)s)")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    workers = max(0, min(12, (os.cpu_count() or 1) - 2))
    # Shape and motion law are learned last: 1,200 steps at half this rate left them at .80 and .76.
    save(train(given.steps, batch_size=64, learning_rate=8e-3, device=device, workers=workers), given.file)
    network = ShapesCNN.pretrained(given.file)
    for grounds in GROUNDS:
        for resolution in RESOLUTIONS:
            shares = accuracy(network, resolution, 512, (grounds,))
            told = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
            logger.info("%s, %d pixels, 512 unseen clips: %s", grounds, resolution, told)


if __name__ == "__main__":
    main()
