"""Nothing that a config names is called unless it is of the class that its place asks for."""

import pickle
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


class Opened:
    """Unpickling one of these makes a file."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.made,)


EXPERIMENTS = {
    "a handler elsewhere": "{job: {env_set: LOAD}, job_logging: {handlers: {mine: '${hydra.job.env_set}'}}}",
    "all handlers elsewhere": "{job: {env_set: {mine: LOAD}}, job_logging: {handlers: '${hydra.job.env_set}'}}",
    "a reference of the log": "{job_logging: {custom: LOAD, handlers: {mine: 'cfg://custom'}}}",
    "inside a handler": "{job_logging: {handlers: {console: {queue: LOAD}}}}",
    "an option that is swept": "{mode: MULTIRUN, sweeper: {params: {seed: '0,1', hydra/job_logging: mine}}}",
}
"""Sections `hydra` of an experiment, with LOAD for what would unpickle a file."""


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_log_refers_to_nothing_that_is_called(experiment: str, tmp_path: Path) -> None:
    made, kept = tmp_path / "made", tmp_path / "kept"
    kept.write_bytes(pickle.dumps(Opened(made)))
    load = f"{{'()': joblib.load, filename: {kept}}}"
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "hydra" / "job_logging").mkdir(parents=True)
    text = f"hydra: {EXPERIMENTS[experiment].replace('LOAD', load)}"
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    (tmp_path / "conf" / "hydra" / "job_logging" / "mine.yaml").write_text(f"{{version: 1, handlers: {{a: {load}}}}}")
    with pytest.raises(UserError, match=r"hydra\.job_logging"):
        make_plan(["--config-dir", str(tmp_path / "conf"), *QUICK, "+experiment=mine"])
    assert not made.exists()


def test_a_padding_is_of_its_kind_before_a_checkpoint_is_held_against_it(tmp_path: Path) -> None:
    made, kept = tmp_path / "made", tmp_path / "kept"
    kept.write_bytes(pickle.dumps(Opened(made)))
    (tmp_path / "conf" / "padding").mkdir(parents=True)
    (tmp_path / "conf" / "padding" / "mine.yaml").write_text(f"name: mine\n_target_: joblib.load\nfilename: {kept}\n")
    arguments = ["--config-dir", str(tmp_path / "conf"), *QUICK, "padding=mine", f"vqgan.checkpoint={kept}"]
    with pytest.raises(UserError, match="padding"):
        make_plan(arguments)
    assert not made.exists()


@pytest.mark.parametrize("key", ["root", "loggers", "loggers.mine"])
def test_a_part_of_a_log_that_is_no_section_is_one_line(key: str) -> None:
    with pytest.raises(UserError, match=r"hydra\.job_logging\..*=3: allowed: a section of keys"):
        make_plan([*QUICK, f"++hydra.job_logging.{key}=3"])
