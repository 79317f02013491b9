"""The time-agnostic VQGAN: video to a small grid of codes and back. Axes: B C T H W pixels, t h w latent grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.utils import convert_conv3d_weight_memory_format

from tats_exp.vqgan.conv3d import SamePadConv3d, crop_time
from tats_exp.vqgan.encoder_decoder import Decoder, Encoder, Norm
from tats_exp.vqgan.padding import Replicate, TimePadding
from tats_exp.vqgan.quantizer import Quantizer
from tats_exp.vqgan.receptive_field import margins

MOST_BLOCKS = 1000
"""ResBlocks per level; more are no model, and would be built for minutes."""


@dataclass(frozen=True)
class Reconstruction:
    """What a training step needs to know of a clip and its reconstruction, margins cut off.

    Attributes:
        video: reconstruction of the clip, about [-0.5, 0.5].
        codes: its codes.
        commitment: weighted commitment loss, scalar.
        perplexity: of the codes, 1..K, scalar.
    """

    video: Float[Tensor, "B C T H W"]
    codes: Int64[Tensor, "B t h w"]
    commitment: Float[Tensor, ""]
    perplexity: Float[Tensor, ""]


class VQGAN(nn.Module):
    """Encoder, codebook and decoder.

    Attributes:
        margin: true frames that `latents` and `encode` want on each side; 0 unless the encoder's padding needs them.
        code_margin: true latent frames that `decode` wants on each side; 0 unless the decoder's needs them.
        training_margin: frames that `forward` wants on each side, margin + time_stride * code_margin.
        time_stride: frames per latent frame.
        downsample: (time, height, width).
        discriminators: adversaries "spatial" (B,C,H,W) and "temporal" (B,C,T,H,W) that came with a checkpoint, empty
            otherwise; no part of the model: not among its weights, and neither trained nor moved with it.

    Source: Ge et al. 2022, section 3.1, in the layout of the official code.
    """

    def __init__(
        self,
        codebook: Quantizer,
        n_hiddens: int,
        downsample: Sequence[int],
        decoder_blocks: int = 2,
        norm: Norm = "batch",
        encoder_padding: TimePadding = Replicate(),
        decoder_padding: TimePadding = Replicate(),
        image_channels: int = 3,
    ) -> None:
        """Make the model.

        Args:
            codebook: quantizer; its `dim` is the width of the latents.
            n_hiddens: width at full resolution, doubled per level.
            downsample: how much smaller the latent grid is in time, height and width; powers of two.
            decoder_blocks: ResBlocks per level of the decoder; the paper has 2.
            norm: normalisation.
            encoder_padding: what pads the encoder's convolutions.
            decoder_padding: what pads the decoder's convolutions.
            image_channels: channels of the video.

        Raises:
            ValueError: an argument is out of range, or `norm=group` (each frame sees all others) meets a padding that
                needs true neighbours.
        """
        super().__init__()
        for name, value in (("n_hiddens", n_hiddens), ("decoder_blocks", decoder_blocks)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if decoder_blocks > MOST_BLOCKS:
            raise ValueError(f"decoder_blocks={decoder_blocks} must be at most {MOST_BLOCKS}")
        self.margin, self.code_margin = margins(downsample, decoder_blocks, encoder_padding, decoder_padding)
        for padding in (encoder_padding, decoder_padding):
            if norm == "group" and padding.needs_neighbours:
                raise ValueError(
                    f"norm=group lets every frame see all others, beyond the true neighbours of {padding}; "
                    "allowed: batch, frame_group"
                )
        self.n_hiddens, self.decoder_blocks, self.norm = n_hiddens, decoder_blocks, norm
        self.encoder_padding, self.decoder_padding = encoder_padding, decoder_padding
        self.downsample = (downsample[0], downsample[1], downsample[2])
        self.time_stride = downsample[0]
        self.training_margin = self.margin + self.time_stride * self.code_margin
        self.encoder = Encoder(n_hiddens, downsample, norm, encoder_padding, image_channels)
        self.decoder = Decoder(n_hiddens, downsample, decoder_blocks, norm, decoder_padding, image_channels)
        self.pre_vq_conv = SamePadConv3d(self.encoder.out_channels, codebook.dim, 1)
        self.post_vq_conv = SamePadConv3d(codebook.dim, self.encoder.out_channels, 1)
        self.codebook = codebook
        self.discriminators: dict[str, nn.Module] = {}
        # Features follow the layout of the weights; a training step on a CPU takes a fifth less time than in the other.
        convert_conv3d_weight_memory_format(self, torch.channels_last_3d)

    def check_clip(self, frames: int, resolution: int) -> None:
        """Refuse clips that do not fit the downsampling.

        Args:
            frames: T, without margins.
            resolution: H and W.

        Raises:
            ValueError: `frames` or `resolution` is no positive multiple of what the model divides it by.
        """
        _check_multiple("frames", frames, self.time_stride, self.downsample)
        for factor in self.downsample[1:]:
            _check_multiple("resolution", resolution, factor, self.downsample)

    def latents(self, video: Float[Tensor, "B C _ H W"]) -> Float[Tensor, "B D _ _ _"]:
        """Encode to what enters the codebook.

        Args:
            video: (B, C, margin + T + margin, H, W) in [-0.5, 0.5].

        Returns:
            (B, D, t, h, w).

        Raises:
            ValueError: T, H or W is no positive multiple of what the model divides it by.
        """
        _check_multiple(f"frames (without {self.margin} of margin a side)", *self._frames(video), self.downsample)
        for name, size, factor in zip(("height", "width"), video.shape[3:], self.downsample[1:], strict=True):
            _check_multiple(name, size, factor, self.downsample)
        return self.pre_vq_conv(self.encoder(video))

    def encode(self, video: Float[Tensor, "B C _ H W"]) -> Int64[Tensor, "B _ _ _"]:
        """Encode to codes.

        Args:
            video: (B, C, margin + T + margin, H, W) in [-0.5, 0.5].

        Returns:
            Codes (B, t, h, w), 0..K-1.
        """
        return self.codebook.nearest(self.latents(video))

    def decode(self, codes: Int64[Tensor, "B _ _ _"]) -> Float[Tensor, "B C _ _ _"]:
        """Decode codes.

        Args:
            codes: (B, code_margin + t + code_margin, h, w), 0..K-1.

        Returns:
            Video (B, C, T, H, W), about [-0.5, 0.5].
        """
        return self.decode_latents(self.codebook.lookup(codes))

    def decode_latents(self, quantized: Float[Tensor, "B D _ _ _"]) -> Float[Tensor, "B C _ _ _"]:
        """Decode entries of the codebook.

        Args:
            quantized: (B, D, code_margin + t + code_margin, h, w).

        Returns:
            Video (B, C, T, H, W), about [-0.5, 0.5].

        Raises:
            ValueError: there is no latent frame between the margins.
        """
        if quantized.shape[2] <= 2 * self.code_margin:
            raise ValueError(f"{quantized.shape[2]} latent frames given; allowed: more than {2 * self.code_margin}")
        return self.decoder(self.post_vq_conv(quantized))

    def forward(self, video: Float[Tensor, "B C _ H W"]) -> Reconstruction:
        """Encode, quantize and decode a training clip; in training mode the codebook learns from it.

        Args:
            video: (B, C, training_margin + T + training_margin, H, W) in [-0.5, 0.5].

        Returns:
            The reconstruction of the middle T frames (`middle` cuts out the target).
        """
        quantized = self.codebook(self.latents(video), margin=self.code_margin)
        codes = quantized.codes
        return Reconstruction(
            video=self.decode_latents(quantized.quantized),
            codes=codes[:, self.code_margin : codes.shape[1] - self.code_margin],
            commitment=quantized.commitment,
            perplexity=quantized.perplexity,
        )

    def middle(self, video: Float[Tensor, "B C _ H W"]) -> Float[Tensor, "B C _ H W"]:
        """Cut the margins of a training clip off.

        Args:
            video: (B, C, training_margin + T + training_margin, H, W).

        Returns:
            (B, C, T, H, W), a view.
        """
        return crop_time(video, self.training_margin, self.training_margin)

    def _frames(self, video: Tensor) -> tuple[int, int]:
        return video.shape[2] - 2 * self.margin, self.time_stride


def _check_multiple(name: str, size: int, factor: int, downsample: tuple[int, int, int]) -> None:
    if size < factor or size % factor:
        raise ValueError(f"{name}={size} must be a positive multiple of {factor} (downsample={downsample})")
