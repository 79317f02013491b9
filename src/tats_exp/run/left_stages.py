"""What the stages of a finished run left in the store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tats_exp import UserError
from tats_exp.config.schema import Config
from tats_exp.files import Stage
from tats_exp.run.stage_record import damage
from tats_exp.run_folder import Status

Result = TypeVar("Result")


@dataclass(frozen=True)
class LeftStages:
    """Reads what the stages of a run left.

    Attributes:
        run: its folder, for messages.
        config: as it ran, checked.
        status: names the key of each stage.
    """

    run: Path
    config: Config
    status: Status

    def read(self, stage: Stage[Any, Result]) -> Result:
        """What a stage left.

        Raises:
            UserError: as `whole`.
        """
        return stage.read(self.config, self.whole(stage.name))

    def whole(self, stage: str) -> Path:
        """Where the store has what a stage left, undamaged.

        Raises:
            UserError: it is no longer there, or damaged; one line that says what to do.
        """
        key, folder = self.status.stages.get(stage, ""), self.folder(stage)
        again = f"start its command again, with store.redo=[{stage}]"
        if not key or not folder.is_dir():
            root, place = self.config.store.root, f"{stage}/{key}"
            missing = f"store.root={root}: the {stage} of {self.run} is not there ({place})"
            raise UserError(f"{missing}; read the run where it ran, or {again}")
        if (line := damage(folder)) is not None:
            raise UserError(f"{line}; {again}")
        return folder

    def folder(self, stage: str) -> Path:
        """Where the store has it, or had it: a relative root is taken from here, else from a folder above the run."""
        place = Path(self.config.store.root) / stage / self.status.stages.get(stage, "")
        starts = [Path(), *self.run.absolute().parents]
        return next((start / place for start in starts if (start / place).is_dir()), place)
