"""Nothing that a config names is called unless it is of the class that its place asks for."""

from pathlib import Path

import pytest

from tats_exp import UserError
from tats_exp.run.plan import make_plan

QUICK = ("scale=smoke", "logger=csv", "trainer=cpu")
SCHEDULER = "torch.optim.lr_scheduler.StepLR, _partial_: true, step_size:"

PLACES = {
    "a parameter of several types": "vqgan.training.optimizer.lr={0}",
    "a list of them": "vqgan.training.optimizer.betas=[{0},0.9]",
    "a number": "transformer.model.width={0}",
    "a parameter of a scheduler": "vqgan.training.scheduler={{_target_: " + SCHEDULER + " {0}}}",
    "a part of the trainer": "++trainer.strategy={0}",
    "a list of the trainer": "++trainer.plugins=[{0}]",
    "a key of the log": "++logger={{_target_: tats_exp.run.wandb_log.WandbLog, project: {0}}}",
    "a group": "++sampler={0}",
    "a measure": "++metrics.measures.mine={0}",
    "a part of a model": "++vqgan.model.codebook={0}",
    "a plain key": "++question={0}",
    "a callback of Hydra": "++hydra.callbacks.mine={0}",
    "somewhere in Hydra": "++hydra.env.mine=[{0}]",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_function_in_the_place_of_something_else_is_refused_before_it_is_called(place: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    attack = f"{{_target_: pathlib.Path.touch, self: {{_target_: pathlib.Path, _args_: [{made}]}}}}"
    copy = f"{{_target_: shutil.copy, src: {__file__}, dst: {made}}}"
    for node in (attack, copy):
        with pytest.raises(UserError) as error:
            make_plan([*QUICK, PLACES[place].format(node)])
        assert "\n" not in str(error.value) and not made.exists()


@pytest.mark.parametrize(
    "line",
    [
        "++hydra.job_logging.handlers.file={{class: shutil.copy, src: {0}, dst: {1}}}",
        "++hydra.hydra_logging={{version: 1, formatters: {{mine: {{class: shutil.copy}}}}}}",
        "++hydra.job_logging.handlers.file.class=os.system",
    ],
)
def test_a_log_is_made_by_handlers_and_formatters_alone(line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="allowed: subclasses of logging"):
        make_plan([*QUICK, line.format(__file__, tmp_path / "made")])
    assert not (tmp_path / "made").exists()


def test_a_callback_and_a_handler_of_the_right_kind_are_taken(tmp_path: Path) -> None:
    callback = "++hydra.callbacks.mine={_target_: hydra.experimental.callbacks.LogJobReturnCallback}"
    handler = "++hydra.job_logging.handlers.file.class=logging.handlers.WatchedFileHandler"
    assert make_plan([*QUICK, callback, handler, f"store.root={tmp_path}"]).jobs == 1
