"""Experiments on long video generation: time-agnostic VQGAN, time-sensitive transformer (Ge et al., ECCV 2022)."""
