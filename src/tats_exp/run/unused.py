"""What a command line sets and its samplers do not use: said, and refused where a sweep would make equal runs of it."""

from tats_exp import UserError
from tats_exp.config.models import condition_of
from tats_exp.config.schema import Config


def unused_settings(configs: list[Config], said: dict[str, str], swept: list[str]) -> list[str]:
    """Lines about what was set and is not used.

    Args:
        configs: of the runs.
        said: what was said of each key.
        swept: keys whose values differ between the runs.

    Raises:
        UserError: a key that no run uses is swept: equal runs would stand in the table as a choice.
    """
    return _of_interpolation(configs, said, swept) + _of_context(configs, said, swept) + _of_clip(configs, said)


def _of_interpolation(configs: list[Config], said: dict[str, str], swept: list[str]) -> list[str]:
    """Say which settings of the interpolation transformer, by key, meet a sampler that has none.

    Raises:
        UserError: such a key is swept and no run interpolates: equal runs would stand in the table as a choice.
    """
    without = sorted({config.sampler["_target_"].rsplit(".", 1)[-1] for config in configs if not config.interpolates})
    about = {
        key: line
        for key, line in said.items()
        if key in ("mask", "sampling.gaps_at_once") or key.split(".")[0] == "interpolation"
    }
    if not without or not about:
        return []
    if idle := [key for key in about if key in swept and not any(config.interpolates for config in configs)]:
        raise UserError(
            f"{idle[0]}: swept, but {' and '.join(without)} does not interpolate and all its runs would be the same; "
            "allowed: sampler=hierarchical"
        )
    return [f"{', '.join(about.values())}: not used with {' and '.join(without)}; sampler=hierarchical interpolates"]


def _of_context(configs: list[Config], said: dict[str, str], swept: list[str]) -> list[str]:
    """Say that `context` meets samplers that do not take it.

    Raises:
        UserError: it is swept and no run takes it: equal runs would stand in the table as choices.
    """
    takes = [not one.interpolates and one.sampler.get("context") == one.context for one in configs]
    if "context" not in said or any(takes):
        return []
    others = " and ".join(sorted({one.sampler["_target_"].rsplit(".", 1)[-1] for one in configs}))
    line = f"is of sampler=sliding, {others} does not take it; allowed: sampler.context=N where there is such a key"
    if "context" in swept:
        raise UserError(f"context: swept, but it {line}")
    return [f"{said['context']}: {line}"]


def _of_clip(configs: list[Config], said: dict[str, str]) -> list[str]:
    """Say that a CLIP meets videos that are asked for no text, or for several."""
    reads = [condition_of(one).takes_text and not one.sampling.story for one in configs]
    if "metrics.clip" not in said or any(reads):
        return []
    return [f"{said['metrics.clip']}: not used; condition=text without sampling.story asks every video for one text"]
