"""From a trained transformer to codes, and from codes to video, of any length."""

from tats_exp.sampling.decoding import ChunkDecoder, decode_chunks, decode_stream, decode_videos
from tats_exp.sampling.hierarchical import Hierarchical
from tats_exp.sampling.next_code import Chooser, RandomStreams, sample_codes
from tats_exp.sampling.sampler import Sampler
from tats_exp.sampling.sliding_window import ShortClip, SlidingWindow
from tats_exp.sampling.story import Moving, OverTime, Story

__all__ = [
    "Chooser",
    "ChunkDecoder",
    "Hierarchical",
    "Moving",
    "OverTime",
    "RandomStreams",
    "Sampler",
    "ShortClip",
    "SlidingWindow",
    "Story",
    "decode_chunks",
    "decode_stream",
    "decode_videos",
    "sample_codes",
]
