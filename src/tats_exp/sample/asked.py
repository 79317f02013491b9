"""What a video is asked for on the command line, as the run takes it."""

from tats_exp import UserError
from tats_exp.config.build import blamed_on
from tats_exp.data.video_writer import FPS
from tats_exp.run.load_run import LoadedRun
from tats_exp.sample.config import SampleConfig
from tats_exp.transformer.conditions import Prompt, class_of


def condition_of(run: LoadedRun, asked: SampleConfig) -> list[Prompt] | None:
    """What the one video is asked for; None: nothing, a condition is drawn.

    Raises:
        UserError: the condition of the run takes no text or class, or the data have no such class; one line.
    """
    condition = run.context.condition
    if asked.text is not None:
        if not condition.takes_text:
            raise UserError(f"text: the run was not trained with texts, but with {_name(run)}; allowed: condition=text")
        return [asked.text]
    if asked.label is not None:
        if not condition.asks_for_class:
            raise UserError(f"label: the run was trained with {_name(run)}; allowed: condition=label, text or audio")
        with blamed_on("label", kinds=UserError):
            asked_for = asked.label if isinstance(asked.label, int) else str(asked.label)
            return [class_of(asked_for, run.context.train.label_names)]
    return None


def frame_rate(run: LoadedRun) -> float:
    """Frames a second of the run's data; where they do not tell, or are no longer there, that of the page's videos."""
    try:
        return run.context.train.frame_rate() or float(FPS)
    except (UserError, OSError):
        return float(FPS)


def _name(run: LoadedRun) -> str:
    return f"condition {type(run.context.condition).__name__}"
