"""`sweep.json`: what the plan settled for all runs of a sweep, left in its folder for each of them to find.

A run may start in another process or on another machine: it knows its own folder and goes up from there.
"""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from tats_exp import UserError
from tats_exp.config.schema import Config, Reserve
from tats_exp.run_folder import Record


class SweepRecord(Record):
    """What is the same in all runs of a sweep, or shared out among them.

    Attributes:
        swept: keys whose values tell the runs apart.
        reserve_training: frames that every run keeps free on either side of a training clip.
        reserve_encoding: the same for windows that are only encoded.
        threads: CPU threads of a run that does not say how many it takes.
        asked: for each run, what was said of keys that change what comes out.
        started: seconds since 1970; what a stage to be redone left before is older than the sweep.
        command: the arguments that were given; empty where an older version wrote this.
        started_in: the working directory that paths in them are taken from.
        folder_key: the key that names the folder of the sweep.
        run_folder: of a single run, inside the folder of the sweep; "" where it is that folder, or there are several.
    """

    FILE = "sweep.json"

    swept: tuple[str, ...]
    asked: tuple[tuple[str, ...], ...]
    reserve_training: int = Field(ge=0)
    reserve_encoding: int = Field(ge=0)
    threads: int = Field(ge=1)
    started: float
    command: tuple[str, ...] = ()
    started_in: str = ""
    folder_key: str = ""
    run_folder: str = ""

    @classmethod
    def of_run(cls, folder: Path) -> "SweepRecord":
        """Find the record of the sweep that a run folder lies in.

        Args:
            folder: of the run.

        Raises:
            UserError: neither the folder nor one above it has one.
        """
        for place in (folder.absolute(), *folder.absolute().parents):
            if (place / cls.FILE).is_file():
                return cls.read(place)
        raise UserError(f"{folder}: no {cls.FILE} here or above: a run is started by python -m tats_exp")

    def settle(self, cfg: DictConfig) -> DictConfig:
        """The config of a run with what the sweep settles filled in.

        Args:
            cfg: as composed; `reserve` in it is a minimum that the plan has kept to.
        """
        reserve = {"training": self.reserve_training, "encoding": self.reserve_encoding}
        settled = {"reserve": reserve, "threads": cfg.threads or self.threads}
        merged = OmegaConf.merge(cfg, settled)
        assert isinstance(merged, DictConfig)
        return merged

    def settled(self, config: Config) -> Config:
        """The same of a config that is checked already."""
        reserve = Reserve(training=self.reserve_training, encoding=self.reserve_encoding)
        return config.model_copy(update={"reserve": reserve, "threads": config.threads or self.threads})
