"""Optimisers and schedulers are tried before anything is trained with them, without a word where they are sound."""

import warnings

from tats_exp.config.compose import compose_run, configuration
from tats_exp.config.optimizers import check_optimizer
from tats_exp.config.schema import Config, validated


def test_a_sound_scheduler_is_tried_without_a_warning() -> None:
    with configuration():
        config = validated(compose_run(["scale=toy"]), Config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_optimizer("vqgan", config.vqgan.training)
        check_optimizer("transformer", config.transformer.training)
