"""Stages of a condition's own have names of their own, and stand before the codes."""

import pytest
from hydra import compose, initialize_config_dir

from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.schema import Config, conf_dir
from tats_exp.files import Stage
from tats_exp.sampling import SlidingWindow
from tats_exp.stages.order import stages_of
from tats_exp.transformer.conditions import Unconditional


class WithStages(Unconditional):
    def __init__(self, *names: str) -> None:
        self.names = names

    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(name, 1, print, print, print) for name in self.names)


def sampler_by_function(
    context: int, stride: int, top_k: int | None, top_p: float | None, temperature: float, guidance: float
) -> SlidingWindow:
    return SlidingWindow(context, top_k, top_p, temperature, stride, guidance)


def composed(*overrides: str) -> Config:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return check(compose("config", overrides=["scale=smoke", "trainer=cpu", *overrides]))


def test_they_stand_before_the_codes() -> None:
    names = [stage.name for stage in stages_of(composed(), WithStages("tokens", "more"))]
    assert names[:6] == ["reference", "vqgan", "rebuilt", "tokens", "more", "codes"]


@pytest.mark.parametrize("names", [("a", "a"), ("vqgan",), ("codes",), ("../../out",), ("",)])
def test_a_name_that_is_taken_or_no_name_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"^condition: (two stages are called|a stage is called)"):
        stages_of(composed(), WithStages(*names))


def test_a_sampler_made_by_a_function_is_the_sampler_that_it_makes() -> None:
    config = composed(f"sampler._target_={__name__}.sampler_by_function")
    assert config.sampled_frames == config.long_frames == 48 and not config.interpolates and config.key_every == 1
