"""TEMPORARY: what the functions of the metrics stage still share."""

from tats_exp.stages.context import RunContext, Work


class Parts:
    """A run and how its metrics stage works."""

    def __init__(self, run: RunContext, work: Work) -> None:
        self.config, self.device = run.config, work.device
        self.progress = lambda _stage, done, total: work.progress(done, total)
        self.train, self.test, self.real, self.data_seed = run.train, run.test, run.real, run.data_seed
        self.network, self.classifier = run.network, run.classifier
        self.condition_codes = run.condition.vocabulary(len(run.train.label_names))
