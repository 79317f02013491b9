"""A W&B workspace is made of what the measures declare, without a login; saving it says what is missing."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from wandb_workspaces.workspaces import Workspace

from tats_exp import UserError
from tats_exp.report.wandb_workspace import CHOICE, Shown, main, make_workspace
from tats_exp.run_folder import Column

VALUE = Column("a/last", ("a", "last"), "A value.", unit="nats", better="lower")
CURVE = Column("a", ("A", "of it"), "A curve.", is_curve=True)
LEAK = Column("codes/leak", ("leak", ""), "Another.")


def sections(definition: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    bank = definition["spec"]["section"]["panel_bank_config"]
    return {section["name"]: section["panels"] for section in bank["sections"]}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["me/tats", "--print", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_an_experiment_asks_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    made = printed(capsys, "+experiment=padding_ablation")
    assert (made["entity"], made["project"], made["display_name"]) == ("me", "tats", "tats_exp: padding ablation")
    shown = sections(made)
    assert list(shown) == [
        *("What was asked", "Along the videos", "Videos", "Time-agnosticity", "Losses", "All values"),
        "Config and protocol",
    ]
    asked = [panel["config"]["metrics"] for panel in shown["What was asked"]]
    assert asked[0] == ["layout/growth"] and ["fvd/shapes_cnn/last"] in asked
    every = [
        panel["config"]["metrics"] for panels in shown.values() for panel in panels if "metrics" in panel["config"]
    ]
    assert ["codes/sliding_gap"] in [panel["config"]["metrics"] for panel in shown["Time-agnosticity"]]
    assert not any("{" in key or key.endswith("/to_rebuilt") for keys in every for key in keys or [])
    assert shown["Videos"][0]["config"]["media_keys"] == ["videos/samples"]
    assert {panel["config"]["x_axis"] for panel in shown["Along the videos"]} == {"window"}
    assert "step/transformer" in {panel["config"]["x_axis"] for panel in shown["Losses"]}
    assert f'"{CHOICE}' in json.dumps(shown["Along the videos"][0]["config"]["group_by"])


def test_other_networks_and_measures_have_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.dumps(
        printed(capsys, "metrics=i3d", "--network", "i3d", "--classifier", "judge", "~metrics.measures.leak")
    )
    assert "fvd/i3d/last" in made and "label/judge/last" in made and "shapes_cnn" not in made
    assert "leak/" not in made


def test_without_an_endpoint_the_columns_of_the_table_come_first() -> None:
    table = Column("b", ("b", ""), "In the table.", in_table=True)
    made = make_workspace("e", "p", Shown("x", "", (), [VALUE, table, CURVE, LEAK], frozenset({"codes/leak"})))
    shown = sections(made._to_model().model_dump())
    keys = {name: [panel["config"].get("metrics") for panel in panels] for name, panels in shown.items()}
    assert keys["What was asked"] == [["b"]] and keys["Along the videos"] == [["a"]]
    assert keys["Time-agnosticity"] == [["codes/leak"]] and keys["All values"] == [["a/last"], ["codes/leak"]]


def test_an_endpoint_that_no_measure_declares_is_refused() -> None:
    with pytest.raises(UserError, match="nothing/last: no column of these measures"):
        make_workspace("e", "p", Shown("x", "nothing/last", (), [VALUE]))


class Server:
    """Answers what a report asks of W&B while it is saved, and keeps what it is sent."""

    default_entity = "me"

    def __init__(self) -> None:
        self.created: list[tuple[str, str]] = []

    def projects(self, entity: str) -> list[SimpleNamespace]:
        return []

    def create_project(self, name: str, entity: str) -> None:
        self.created.append((entity, name))


def test_a_report_has_the_question_and_the_same_charts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wandb_workspaces.reports.v2 import interface

    server, sent = Server(), []

    def answer(api: Server, query: object, values: dict[str, Any]) -> dict[str, Any]:
        if "spec" not in values:
            return {"project": {"internalId": "UHJvamVjdDox"}}
        sent.append(values)
        kept = {"id": "Vmlldzox", "name": values["name"], "displayName": values["displayName"]}
        kept |= {"description": values["description"], "spec": values["spec"]}
        return {"upsertView": {"view": kept | {"project": {"name": "tats", "entityName": "me"}}}}

    monkeypatch.setattr(interface, "_get_api", lambda: server)
    monkeypatch.setattr(interface, "execute_graphql", answer)
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://there")
    assert main(["me/tats", "+experiment=padding_ablation", "--report"]) == 0
    assert capsys.readouterr().out.startswith("https://there/me/tats/reports/") and server.created == [("me", "tats")]
    (values,) = sent
    assert "collapse" in values["description"] and values["displayName"] == "tats_exp: padding ablation"
    blocks = json.loads(values["spec"])["blocks"]
    grids = [block["metadata"]["panelBankSectionConfig"]["panels"] for block in blocks if block["type"] == "panel-grid"]
    made = sections(printed(capsys, "+experiment=padding_ablation"))
    assert [len(panels) for panels in grids] == [len(panels) for panels in made.values()]
    assert grids[0][0]["config"]["metrics"] == ["layout/growth"]


def test_saving_prints_the_address_or_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Workspace, "save", lambda self: SimpleNamespace(url=f"https://there/{self.entity}"))
    assert main(["me/tats"]) == 0 and capsys.readouterr().out == "https://there/me\n"

    def refused(self: Workspace) -> None:
        raise ValueError("no API key\nconfigured")

    monkeypatch.setattr(Workspace, "save", refused)
    assert main(["me/tats"]) == 2
    assert "not saved: no API key configured; log in with `wandb login`, or take --print\n" in capsys.readouterr().err
    for arguments, said in ((["tats"], "allowed: ENTITY/PROJECT"), (["a/b", "padding=zro"], "padding=zro")):
        assert main(arguments) == 2
        assert (error := capsys.readouterr().err).count("\n") == 1 and said in error
