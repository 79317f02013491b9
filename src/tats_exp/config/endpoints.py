"""The columns that a question names before its runs: the one that decides it, and others that are compared."""

from collections.abc import Sequence

from tats_exp import UserError
from tats_exp.config.schema import Config, allowed
from tats_exp.run_folder.columns import Column


def check_endpoints(config: Config) -> None:
    """Refuse secondary endpoints without a primary one, and columns that are named twice.

    Raises:
        UserError: in one line.
    """
    if config.secondary and config.endpoint is None:
        raise UserError(f"secondary=[{', '.join(config.secondary)}]: no endpoint is named; allowed: with endpoint=KEY")
    named = [*([config.endpoint] if config.endpoint else []), *config.secondary]
    if twice := [key for key in named if named.count(key) > 1]:
        raise UserError(f"secondary: {twice[0]} is named twice; allowed: each column once, endpoint included")


def check_columns(config: Config, columns: Sequence[Column], network: str, classifier: str) -> None:
    """Refuse endpoints that no measure of a run declares, or whose values must not be compared.

    Args:
        config: of the run.
        columns: that its measures declare.
        network: name of its feature network.
        classifier: name of the network whose opinions are asked for.

    Raises:
        UserError: in one line that names the nearest columns.
    """
    known = {key: column for column in columns for key in (column.key, column.named(network, classifier).key)}
    comparable = [column.key for column in columns if _is_comparable(column)]
    lists = {"endpoint": [config.endpoint] if config.endpoint else [], "secondary": config.secondary}
    for name, keys in lists.items():
        for key in keys:
            if key not in known:
                raise UserError(f"{name}={key}: no measure declares this column; {allowed(key, comparable)}")
            if not _is_comparable(known[key]):
                raise UserError(
                    f"{name}={key}: its values are not compared between choices; {allowed(key, comparable)}"
                )


def _is_comparable(column: Column) -> bool:
    return column.better is not None and not column.is_curve and "*" not in column.key
