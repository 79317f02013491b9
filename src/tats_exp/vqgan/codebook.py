"""The codebook: nearest neighbours, learned as moving averages of the latents that chose them.

Axes: B D t h w latents, n = B*t*h*w rows, K codebook size. Memory is O(n + K D) beside one tile of distances.
All state lives in buffers, and every random choice is a function of (seed, step), so that a training that is saved and
goes on equals one that never stopped, on any device.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.distributed as dist
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tats_exp.vqgan.quantizer import Quantized, Quantizer

TILE = 2**22  # distances held at a time: 16 MiB


class EMACodebook(Quantizer):
    """Codebook learned by exponential moving averages, initialised from the first batch it is trained on.

    Source: official `Codebook` (van den Oord et al. 2017, appendix A.1), with the initialised flag kept, no one-hot
    matrix, and a restart that also resets the averages: otherwise the next update would undo it.
    """

    embeddings: Tensor
    N: Tensor
    z_avg: Tensor
    initialised: Tensor
    step: Tensor

    def __init__(
        self,
        size: int,
        dim: int,
        decay: float = 0.99,
        commitment: float = 0.25,
        restart_below: float | None = None,
        seed: int = 0,
    ) -> None:
        """Make the codebook.

        Args:
            size: K, entries.
            dim: D, their width.
            decay: of the moving averages, per training step, 0..1.
            commitment: weight of the commitment loss, 0 or more.
            restart_below: entries chosen less often than this (moving average of times per batch) are replaced by
                latents of the batch, 0..1; None never does so. A restarted entry counts as chosen once: above 1 it
                would be replaced at every step, however it is used.
            seed: of the latents drawn for initialisation and restart.

        Raises:
            ValueError: an argument is out of range.
        """
        super().__init__()
        if size < 1 or dim < 1:
            raise ValueError(f"codebook size={size}, dim={dim} must both be at least 1")
        shares = {"decay": decay, "restart_below": restart_below}
        for name, value in shares.items():
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"codebook {name}={value}; allowed: 0 to 1")
        if not commitment >= 0:
            raise ValueError(f"codebook commitment={commitment}; allowed: 0 or more")
        self.size, self.dim = size, dim
        self.decay, self.commitment, self.restart_below, self.seed = decay, commitment, restart_below, seed
        self.register_buffer("embeddings", nn.init.normal_(torch.empty(size, dim)))
        self.register_buffer("N", torch.ones(size))
        self.register_buffer("z_avg", self.embeddings.clone())
        self.register_buffer("initialised", torch.tensor(False))
        self.register_buffer("step", torch.tensor(0))
        # Whether `initialised` is known to be true. Not knowing costs one draw for nothing and changes no number, so a
        # loaded codebook begins by not knowing: reading the buffer would stall a GPU and break a compiled graph.
        self._begun = False
        self.register_load_state_dict_post_hook(_forget)

    def forward(self, latents: Float[Tensor, "B D t h w"], margin: int = 0) -> Quantized:
        """Quantize; in training mode also learn from the latents.

        Args:
            latents: (B, D, t, h, w).
            margin: latent frames at each end that are quantized but neither learned from nor counted.

        Returns:
            The codes and what goes with them.
        """
        latents = latents.float()
        middle = latents[:, :, margin : latents.shape[2] - margin]
        rows = _rows(middle.detach())
        if self.training and not self._begun:
            self._initialise_once(rows)
            self._begun = True
        codes = self.nearest(latents)
        quantized = self.lookup(codes)
        chosen = codes[:, margin : codes.shape[1] - margin]
        counts = self._learn(rows, chosen.flatten()) if self.training else self._count(chosen.flatten())
        commitment = self.commitment * F.mse_loss(middle, quantized[:, :, margin : latents.shape[2] - margin])
        shares = counts / counts.sum()
        return Quantized(
            codes=codes,
            quantized=latents + (quantized - latents).detach(),
            commitment=commitment,
            perplexity=torch.exp(-torch.xlogy(shares, shares).sum()),
        )

    @torch.no_grad()
    def nearest(self, latents: Float[Tensor, "B D t h w"]) -> Int64[Tensor, "B t h w"]:
        """Index of the nearest entry of every latent; distances in float32, also under autocast.

        Args:
            latents: (B, D, t, h, w).

        Returns:
            Codes 0..K-1.
        """
        rows = _rows(latents.float())
        with _full_precision(latents.device.type):
            half_norms = self.embeddings.square().sum(1) / 2
            tiles = rows.split(max(1, TILE // self.size))
            # One buffer for all tiles: freed and asked for again, they would leave holes that a CPU's heap never fills.
            distances, codes = rows.new_empty(len(tiles[0]), self.size), []
            for tile in tiles:
                found = torch.addmm(half_norms, tile, self.embeddings.t(), alpha=-1, out=distances[: len(tile)])
                codes.append(found.argmin(1))
        b, _, t, h, w = latents.shape
        return rearrange(torch.cat(codes), "(b t h w) -> b t h w", b=b, t=t, h=h, w=w)

    @torch.no_grad()
    def lookup(self, codes: Int64[Tensor, "B t h w"]) -> Float[Tensor, "B D t h w"]:
        """Entries of the codes.

        Args:
            codes: 0..K-1.

        Returns:
            (B, D, t, h, w).
        """
        return rearrange(F.embedding(codes, self.embeddings), "b t h w d -> b d t h w")

    @torch.no_grad()
    def _initialise_once(self, rows: Tensor) -> None:
        # No branch on the buffer, which is on the device, perhaps the meta device.
        entries = self._draw(rows)
        self.embeddings.copy_(torch.where(self.initialised, self.embeddings, entries))
        self.z_avg.copy_(torch.where(self.initialised, self.z_avg, entries))
        self.N.copy_(torch.where(self.initialised, self.N, 1.0))
        self.initialised.fill_(True)

    @torch.no_grad()
    def _learn(self, rows: Tensor, codes: Tensor) -> Tensor:
        """Move the averages towards the rows that chose each entry; returns how many did, over all processes."""
        counts = self._count(codes)
        sums = torch.zeros_like(self.z_avg).index_add_(0, codes, rows)
        if dist.is_initialized():
            dist.all_reduce(counts)
            dist.all_reduce(sums)
        self.N.lerp_(counts, 1 - self.decay)
        self.z_avg.lerp_(sums, 1 - self.decay)
        total, floor = self.N.sum(), 1e-7
        smoothed = (self.N + floor) / (total + self.size * floor) * total
        self.embeddings.copy_(self.z_avg / smoothed[:, None])
        if self.restart_below is not None:
            self._restart(self._draw(rows), dead=self.N.lt(self.restart_below))
        self.step += 1
        return counts

    def _restart(self, entries: Tensor, dead: Tensor) -> None:
        self.embeddings.copy_(torch.where(dead[:, None], entries, self.embeddings))
        self.z_avg.copy_(torch.where(dead[:, None], entries, self.z_avg))
        self.N.masked_fill_(dead, 1.0)

    def _count(self, codes: Tensor) -> Tensor:
        return torch.zeros_like(self.N).index_add_(0, codes, torch.ones_like(codes, dtype=self.N.dtype))

    def _draw(self, rows: Tensor) -> Tensor:
        """K rows in random order, the same on every process; where there are fewer, repeated with a little noise."""
        stream = scramble(self.step + (self.seed << 32))
        order = scramble(torch.arange(len(rows), device=rows.device) + stream).argsort()
        index = torch.arange(self.size, device=rows.device)
        drawn = rows[order[index % len(rows)]]
        if len(rows) < self.size:
            noise = scramble(torch.arange(drawn.numel(), device=rows.device) + ~stream).view_as(drawn)
            repeated = (index >= len(rows)).to(rows.dtype)[:, None]
            # Equal entries would tie, and the later ones never be chosen. Width of the noise: official code.
            drawn = drawn + repeated * noise.to(rows.dtype) * (2.0**-63 * 0.01 / self.dim**0.5)
        if dist.is_initialized():
            dist.broadcast(drawn, src=0)
        return drawn


def _forget(codebook: EMACodebook, _: object) -> None:
    codebook._begun = False


def _full_precision(device_type: str) -> AbstractContextManager:
    """Autocast off, where there is one: the meta device refuses even to switch it off."""
    # Not `torch.amp.is_autocast_available`: torch.compile of torch before 2.12 breaks the graph there.
    return nullcontext() if device_type == "meta" else torch.autocast(device_type, enabled=False)


def _rows(latents: Tensor) -> Tensor:
    return rearrange(latents, "b d t h w -> (b t h w) d")


def scramble(x: Tensor) -> Tensor:
    """Hash int64 numbers to evenly spread int64 numbers, alike on every device (a generator would not be).

    Source: the finaliser of SplitMix64 (Steele et al. 2014).
    """
    x = x * -7046029254386353131
    x = (x ^ ((x >> 30) & (2**34 - 1))) * -4658895280553007687
    x = (x ^ ((x >> 27) & (2**37 - 1))) * -7723592293110705685
    return x ^ ((x >> 31) & (2**33 - 1))
