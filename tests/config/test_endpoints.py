"""What a question names before its runs is held against the columns that its measures declare."""

import pytest

from runs import asking
from tats_exp import UserError
from tats_exp.config.compose import compose_run, configuration
from tats_exp.config.endpoints import check_columns, check_endpoints
from tats_exp.config.padding import with_halves
from tats_exp.config.schema import Config, conf_dir, validated
from tats_exp.run_folder.columns import Column

COLUMNS = [
    Column("fvd/{network}/last", ("FVD", "last"), "A distance.", better="lower"),
    Column("fvd/{network}", ("FVD", ""), "The same.", better="lower", is_curve=True),
    Column("is/{classifier}/last", ("IS", "last"), "A score.", better="higher"),
    Column("val/nll", ("NLL", ""), "Of codes that each choice has of its own."),
]


def config_of(*said: str) -> Config:
    with configuration():
        return validated(with_halves(compose_run([*said])), Config)


@pytest.mark.parametrize("key", ["fvd/{network}/last", "fvd/i3d/last", "is/{classifier}/last", "is/c3d/last"])
def test_a_column_is_named_with_its_network_or_for_any(key: str) -> None:
    config = config_of(f"endpoint='{key}'")
    check_endpoints(config)
    check_columns(config, COLUMNS, "i3d", "c3d")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["endpoint=fvd/c3d/last"], "endpoint=fvd/c3d/last: no measure declares this column; did you mean 'fvd/{net"),
        (["endpoint=fvd/i3d"], "endpoint=fvd/i3d: its values are not compared between choices; allowed: fvd/{net"),
        (["endpoint=val/nll"], "endpoint=val/nll: its values are not compared between choices"),
        (["endpoint=fvd/i3d/last", "secondary=[x]"], "secondary=x: no measure declares this column; allowed: fvd/"),
    ],
)
def test_what_cannot_be_compared_is_one_line(said: list[str], told: str) -> None:
    with pytest.raises(UserError) as error:
        check_columns(config_of(*said), COLUMNS, "i3d", "c3d")
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["secondary=[a]"], "secondary=[a]: no endpoint is named"),
        (["endpoint=a", "secondary=[b,a]"], "secondary: a is named twice"),
        (["endpoint=a", "secondary=[b,b]"], "secondary: b is named twice"),
        (["endpoint='a b'"], "endpoint='a b': String should match"),
        (["endpoint=a", "secondary=[b,c,d,e,f,g,h,i]"], "secondary="),
    ],
)
def test_what_is_misnamed_is_one_line(said: list[str], told: str) -> None:
    with pytest.raises(UserError) as error:
        check_endpoints(config_of(*said))
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml")))
def test_every_experiment_of_the_package_names_what_decides_it(experiment: str) -> None:
    config = config_of(*asking(experiment), "scale=smoke")
    check_endpoints(config)
    assert config.endpoint is not None and config.secondary
