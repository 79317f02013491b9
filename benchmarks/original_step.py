"""A training step as the original code takes it, transcribed plainly: what `vqgan_training.py` is measured against.

Eager, contiguous, two optimisers that Lightning toggles: for each of them the whole autoencoder runs, the codebook
learns, and the discriminators judge. The codebook holds all N x K distances and a one-hot matrix of the same size.
Parameter names are the official ones, so that both sides can be given the same weights. The pass of the
transformer takes ours.

Source: songweige/TATS, VQGAN, Codebook and GPT; its perceptual network is left out on both sides.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tats_exp.transformer import Transformer


def same(kernel: int, stride: tuple[int, int, int]) -> tuple[int, ...]:
    """Widths of padding for `F.pad`, the last axis first, the larger half in front."""
    widths = [(kernel - s) for s in stride]
    return tuple(w for total in widths[::-1] for w in (total // 2 + total % 2, total // 2))


class SamePadConv3d(nn.Module):
    """Pad with copies of the border, then convolve."""

    def __init__(self, before: int, after: int, kernel: int, stride: tuple[int, int, int] = (1, 1, 1)) -> None:
        super().__init__()
        self.widths = same(kernel, stride)
        self.conv = nn.Conv3d(before, after, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        return self.conv(F.pad(x, self.widths, mode="replicate"))


class SamePadConvTranspose3d(nn.Module):
    """Pad with copies of the border, then convolve transposed."""

    def __init__(self, before: int, after: int, kernel: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.widths = same(kernel, stride)
        self.convt = nn.ConvTranspose3d(before, after, kernel, stride, padding=kernel - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        return self.convt(F.pad(x, self.widths, mode="replicate"))


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm3d(channels), nn.BatchNorm3d(channels)
        self.conv1, self.conv2 = SamePadConv3d(channels, channels, 3), SamePadConv3d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Transform."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def strides(downsample: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Stride of every level: 2 in the axes that are not yet as small as they should be."""
    levels = [factor.bit_length() - 1 for factor in downsample]
    return [tuple(2 if level < n else 1 for n in levels) for level in range(max(levels))]  # type: ignore[misc]


class Encoder(nn.Module):
    """Video to features."""

    def __init__(self, width: int, downsample: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv_first = SamePadConv3d(3, width, 3)
        self.conv_blocks = nn.ModuleList()
        for i, stride in enumerate(strides(downsample)):
            block = nn.Module()
            block.down = SamePadConv3d(width * 2**i, width * 2 ** (i + 1), 4, stride)
            block.res = ResBlock(width * 2 ** (i + 1))
            self.conv_blocks.append(block)
        self.out = width * 2 ** len(self.conv_blocks)
        self.final_block = nn.Sequential(nn.BatchNorm3d(self.out), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        """Encode."""
        x = self.conv_first(x)
        for block in self.conv_blocks:
            x = block.res(block.down(x))
        return self.final_block(x)


class Decoder(nn.Module):
    """Features to video."""

    def __init__(self, width: int, downsample: tuple[int, int, int]) -> None:
        super().__init__()
        # The levels come in the encoder's order of strides, as in the original.
        levels = strides(downsample)
        before = width * 2 ** len(levels)
        self.final_block = nn.Sequential(nn.BatchNorm3d(before), nn.SiLU())
        self.conv_blocks = nn.ModuleList()
        for i, stride in enumerate(levels):
            after = width * 2 ** (len(levels) - i)
            block = nn.Module()
            block.up = SamePadConvTranspose3d(before, after, 4, stride)
            block.res1, block.res2 = ResBlock(after), ResBlock(after)
            self.conv_blocks.append(block)
            before = after
        self.conv_last = SamePadConv3d(before, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Decode."""
        x = self.final_block(x)
        for block in self.conv_blocks:
            x = block.res2(block.res1(block.up(x)))
        return self.conv_last(x)


class DenseCodebook(nn.Module):
    """Nearest neighbours by a one-hot matrix, learned as moving averages."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", torch.randn(size, dim))
        self.register_buffer("N", torch.zeros(size))
        self.register_buffer("z_avg", self.embeddings.clone())

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Quantize (B, D, t, h, w) and learn; the entries with a straight gradient, and the commitment loss."""
        rows = z.permute(0, 2, 3, 4, 1).flatten(0, 3)
        distances = rows.square().sum(1, keepdim=True) - 2 * rows @ self.embeddings.t()
        distances = distances + self.embeddings.t().square().sum(0, keepdim=True)
        indices = distances.argmin(1)
        one_hot = F.one_hot(indices, len(self.embeddings)).type_as(rows)
        grid = indices.view(z.shape[0], *z.shape[2:])
        entries = F.embedding(grid, self.embeddings).permute(0, 4, 1, 2, 3)
        commitment = 0.25 * F.mse_loss(z, entries.detach())
        if self.training:
            with torch.no_grad():
                self.N.mul_(0.99).add_(one_hot.sum(0), alpha=0.01)
                self.z_avg.mul_(0.99).add_((rows.t().float() @ one_hot.float()).t(), alpha=0.01)
                n = self.N.sum()
                weights = (self.N + 1e-7) / (n + len(self.N) * 1e-7) * n
                self.embeddings.copy_(self.z_avg / weights[:, None])
        average = one_hot.float().mean(0)
        self.perplexity = torch.exp(-(average * torch.log(average + 1e-10)).sum())
        return (entries - z).detach() + z, commitment


class PatchGAN(nn.Module):
    """Convolutions whose features are kept."""

    def __init__(self, conv: type, norm: type, width: int, layers: int) -> None:
        super().__init__()
        widths = [3, *(min(width * 2**i, 512) for i in range(layers + 1)), 1]
        self.depth = layers + 2
        for i, (before, after) in enumerate(pairwise(widths)):
            parts = [conv(before, after, 4, stride=2 if i < layers else 1, padding=2)]
            parts += [norm(after)] if 0 < i <= layers else []
            parts += [nn.LeakyReLU(0.2, True)] if i <= layers else []
            setattr(self, f"model{i}", nn.Sequential(*parts))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of every block; the last are the logits."""
        found = [x]
        for i in range(self.depth):
            found.append(getattr(self, f"model{i}")(found[-1]))
        return found[1:]


class OriginalVQGAN(nn.Module):
    """All that is trained, and the two halves of its training step."""

    def __init__(self, width: int, downsample: tuple[int, int, int], codes: int, dim: int, judges: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(width, downsample), Decoder(width, downsample)
        self.pre_vq_conv = SamePadConv3d(self.encoder.out, dim, 1)
        self.post_vq_conv = SamePadConv3d(dim, self.encoder.out, 1)
        self.codebook = DenseCodebook(codes, dim)
        self.image_discriminator = PatchGAN(nn.Conv2d, nn.BatchNorm2d, judges, 3)
        self.video_discriminator = PatchGAN(nn.Conv3d, nn.BatchNorm3d, judges, 3)

    def sides(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Weights of the autoencoder, and of the discriminators."""
        judges = [*self.image_discriminator.parameters(), *self.video_discriminator.parameters()]
        theirs = {id(p) for p in judges}
        return [p for p in self.parameters() if id(p) not in theirs], judges

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction and commitment loss."""
        entries, commitment = self.codebook(self.pre_vq_conv(self.encoder(x)))
        return self.decoder(self.post_vq_conv(entries)), commitment

    def loss(self, x: Tensor, side: int, frame: Tensor) -> dict[str, Tensor]:
        """What optimiser number `side` minimises, in terms."""
        x_hat, commitment = self.reconstruct(x)
        places = frame.view(-1, 1, 1, 1, 1).expand(-1, x.shape[1], 1, *x.shape[3:])
        frames, frames_hat = x.gather(2, places).squeeze(2), x_hat.gather(2, places).squeeze(2)
        pairs = ((self.image_discriminator, frames, frames_hat), (self.video_discriminator, x, x_hat))
        if side == 0:
            terms = {"l1": F.l1_loss(x_hat, x), "commitment": commitment}
            terms |= {"adversarial": x.new_zeros(()), "matching": x.new_zeros(())}
            for judge, real, fake in pairs:
                fakes = judge(fake)
                terms["adversarial"] = terms["adversarial"] - fakes[-1].mean()
                for seen, remade in zip(judge(real)[:-1], fakes[:-1], strict=True):
                    terms["matching"] = terms["matching"] + 4 * F.l1_loss(remade, seen.detach())
            terms["total"] = 4 * terms["l1"] + commitment + terms["adversarial"] + terms["matching"]
            return terms
        total = x.new_zeros(())
        for judge, real, fake in pairs:
            logits, fakes = judge(real.detach())[-1], judge(fake.detach())[-1]
            total = total + (F.relu(1 - logits).mean() + F.relu(1 + fakes).mean()) / 2
        return {"total": total}


def original_step(
    vqgan: OriginalVQGAN, optimizers: list[torch.optim.Optimizer], x: Tensor, frame: Tensor, bf16: bool
) -> dict[str, Tensor]:
    """One step of both optimisers; the terms of the autoencoder's loss."""
    first: dict[str, Tensor] = {}
    for side, optimizer in enumerate(optimizers):
        for other, weights in enumerate(vqgan.sides()):
            for weight in weights:
                weight.requires_grad_(other == side)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            terms = vqgan.loss(x, side, frame)
        optimizer.zero_grad()
        terms["total"].backward()
        nn.utils.clip_grad_norm_(vqgan.sides()[side], 1.0)
        optimizer.step()
        first = first or {name: value.detach() for name, value in terms.items()}
    return first


def original_logits(model: Transformer, condition: Tensor, codes: Tensor, visible: Tensor) -> Tensor:
    """A pass over a window as the original's GPT makes it: all scores in memory, an explicit softmax.

    Args:
        model: whose weights it takes.
        condition: (B, c).
        codes: (B, L), without offset.
        visible: (N, N), who may look at whom.

    Returns:
        (B, L, V).
    """
    tokens = torch.cat([condition, codes + model.condition_codes], dim=1)[:, :-1]
    x = model.tok_emb(tokens) + model.pos_emb[:, : tokens.shape[1]]
    for block in model.blocks:
        y, attention = block.ln1(x), block.attn
        shape = (*y.shape[:2], attention.heads, y.shape[2] // attention.heads)
        key, query, value = (
            projection(y).view(shape).transpose(1, 2)
            for projection in (attention.key, attention.query, attention.value)
        )
        scores = (query @ key.transpose(-2, -1)) / math.sqrt(shape[-1])
        scores = scores.masked_fill(~visible, -math.inf).softmax(dim=-1)
        x = x + attention.proj((scores @ value).transpose(1, 2).reshape(y.shape))
        x = x + block.mlp(block.ln2(x))
    return model.head(model.ln_f(x))[:, model.condition_length - 1 :]
