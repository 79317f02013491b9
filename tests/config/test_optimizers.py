"""Optimisers and schedulers are tried before anything is trained with them, without a word where they are sound."""

import warnings

from tats_exp.config.optimizers import check_optimizer
from tats_exp.run.plan import make_plan


def test_a_sound_scheduler_is_tried_without_a_warning() -> None:
    config = make_plan(["scale=toy"]).configs[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_optimizer("vqgan", config.vqgan.training)
        check_optimizer("transformer", config.transformer.training)
