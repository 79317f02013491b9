"""Train `ShapesCNN`: `python -m tats_exp.features.train_shapes_cnn FILE`; without FILE, the weights of the package.

The shipped weights took 141 s on an H100; one CPU core should take some 20 minutes (an estimate).

Beside the label it learns to read off the background and the sprite's size and speed, so that its features notice when
those go wrong too; the heads for this are thrown away. It learns from textures alone, and tells the labels on every
ground. To learn from all grounds and to regress the layout was tried: a wrong palette then costs no more floors than
before, and all else fewer (experiments/fvd_sanity), so the layout has a distance of its own.
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from tats_exp.data.shapes import Shapes
from tats_exp.data.shapes_scene import LABEL_NAMES, LAWS, PALETTES, Grounds, Scene
from tats_exp.features.shapes_cnn import WEIGHTS, ShapesCNN

RESOLUTIONS = (16, 32, 64)
STEPS = 3000
"""Shape and motion law are learned last: 1,200 steps at half the rate left them at .80 and .76."""
FRAMES = 16
TRAITS = 5
TRAIN_SEED, TEST_SEED = 1_000_000_000, 2_000_000_000
"""The first of the seeds that are used up, one a step: every step is a world of its own, and none is a data set's."""

logger = logging.getLogger(__name__)


def traits(scene: Scene) -> list[float]:
    """What the extra heads learn of a scene, each scaled to about [-1, 1]: texture, size and speed of the sprite."""
    return [
        scene.wave[0] / 1.5,
        scene.wave[1] / 1.5,
        (scene.drift - 0.02) / 0.01,
        (scene.radius - 0.165) / 0.025,
        (scene.speed - 0.045) / 0.015,
    ]


def draw_batch(
    size: int, resolution: int, seed: int, step: int, grounds: Grounds = "textures"
) -> tuple[UInt8[Tensor, "B T H W C"], Int64[Tensor, "B"], Int64[Tensor, "B"], Float[Tensor, "B traits"]]:
    """Clips from `size` videos of a new world, at random times.

    Returns:
        The clips, their labels, palettes and traits.
    """
    world = Shapes(size, 1, frames=100_000, resolution=resolution, seed=seed + step, grounds=grounds).split("train")
    rng = np.random.default_rng(seed + step)
    places = range(size)
    clips = [world.read(place, int(rng.integers(world.frames - FRAMES)), FRAMES) for place in places]
    scenes = [world.scene(place) for place in places]
    return (
        torch.from_numpy(np.stack(clips)),
        torch.tensor([scene.label for scene in scenes]),
        torch.tensor([scene.palette for scene in scenes]),
        torch.tensor([traits(scene) for scene in scenes], dtype=torch.float32),
    )


def train(steps: int, batch_size: int, learning_rate: float, device: torch.device) -> ShapesCNN:
    """Train the network from scratch; the resolution changes from step to step, every second one is the smallest.

    Args:
        steps: optimiser steps.
        batch_size: clips of a step.
        learning_rate: peak of the one-cycle schedule.
        device: to train on; the clips are rendered on the CPU.

    Returns:
        The network in eval mode, on the CPU.
    """
    torch.manual_seed(TRAIN_SEED)
    network = ShapesCNN().to(device)
    extra = nn.Linear(network.width, len(PALETTES) + TRAITS).to(device)
    parameters = [*network.parameters(), *extra.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
    for step in range(steps):
        resolution = (16, 32, 16, 64)[step % 4]
        batch = draw_batch(batch_size, resolution, TRAIN_SEED, step)
        video, labels, palettes, wanted = (part.to(device) for part in batch)
        features = network.features(video)
        palette_logits, guesses = extra(features).split([len(PALETTES), TRAITS], dim=1)
        label_loss = functional.cross_entropy(network.head(features), labels)
        loss = label_loss + 0.3 * functional.cross_entropy(palette_logits, palettes)
        loss = loss + 0.3 * functional.mse_loss(guesses, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            logger.info("step %d of %d: label loss %.3f, loss %.3f", step, steps, label_loss.item(), loss.item())
    return network.cpu().eval()


@torch.inference_mode()
def accuracy(network: ShapesCNN, resolution: int, videos: int, grounds: Grounds = "textures") -> dict[str, float]:
    """Share of clips from an unseen world whose label, shape, colour and motion law the network tells."""
    logits, labels = [], []
    for step in range(videos // 64):
        video, label, _, _ = draw_batch(64, resolution, TEST_SEED, step, grounds)
        logits.append(network(video))
        labels.append(label)
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
    """Train, write the weights, and report how well they tell labels, colours, shapes and laws of unseen worlds."""
    parser = argparse.ArgumentParser(prog="python -m tats_exp.features.train_shapes_cnn", description=__doc__)
    parser.add_argument(
        "file", nargs="?", type=Path, default=WEIGHTS, help="where to; else where the package reads them"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps")
    parser.add_argument(
        "--clips", type=int, default=1024, help="unseen clips of each resolution and ground, 64 at least"
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    save(train(given.steps, batch_size=64, learning_rate=8e-3, device=device), given.file)
    network = ShapesCNN.pretrained(given.file)
    for resolution in RESOLUTIONS:
        for grounds in get_args(Grounds):
            found = accuracy(network, resolution, given.clips, grounds)
            shares = ", ".join(f"{name} {share:.3f}" for name, share in found.items())
            logger.info("%d pixels, %s, %d unseen clips: %s", resolution, grounds, given.clips, shares)


if __name__ == "__main__":
    main()
