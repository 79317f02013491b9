"""What a user types is read as meant, answered in one line where it is wrong, and goes into the folders it names."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from runs import QUICK, tats_exp
from tats_exp import UserError
from tats_exp.__main__ import _check_stores, _conclude, _run, _stopped, command
from tats_exp.cli import guarded
from tats_exp.config.compose import configuration
from tats_exp.config.overrides import LONGEST_NAME, expanded, folder_name, parse_overrides
from tats_exp.config.schema import conf_dir
from tats_exp.evaluate.__main__ import main as evaluate
from tats_exp.run.flags import read_command_line
from tats_exp.run.folders import own_folder
from tats_exp.run.plan import make_plan
from tats_exp.run.sweep import Sweep, compose_sweep
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.run_folder import Status

HEAVY = ("torch", "lightning", "wandb", "matplotlib", "decord", "av")
ODD = "/some path/epoch=12-step=29999-train.ckpt"


def composed(*arguments: str) -> Sweep:
    return compose_sweep(read_command_line(list(arguments)))


def refusal(*arguments: str) -> str:
    with pytest.raises(UserError) as error:
        composed(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Takes a command line that runs nothing; gives exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["tats_exp"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def ask(*arguments: str) -> tuple[Any, str, str]:
        try:
            code: Any = guarded("tats_exp", lambda: command(list(arguments)))
        except SystemExit as ended:  # Hydra ends so when it has shown something
            code = ended.code or 0
        return (code, *capsys.readouterr())

    return ask


def test_what_runs_nothing_is_answered_without_torch(tmp_path: Path) -> None:
    shown = ["--help", "--groups", "--version", "--cfg job", "--info searchpath", "-m seed=range(2) --cfg job"]
    refused = ["padding=zro", "sed=1", "--nope", "--resolve", "seed=(1", "seed=x", "-m seed=1,1", "seed=0,1"]
    script = f"""
import contextlib, io, json, sys
from tats_exp.__main__ import main
codes = []
for line in sys.argv[1:]:
    sys.argv = ["tats_exp", *line.split()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
        except SystemExit as ended:
            codes.append(ended.code or 0)
print(json.dumps([codes, [name for name in {HEAVY} if name in sys.modules]]))
"""
    command_line = [sys.executable, "-c", script, *shown, *refused]
    result = subprocess.run(command_line, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [[0] * len(shown) + [2] * len(refused), []]
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_made_without_the_compiler() -> None:
    script = """
import sys
from tats_exp.run.plan import make_plan
for scale in ("smoke", "toy"):
    make_plan(["-m", "+experiment=mask_ablation", f"scale={scale}"])
print([name for name in ("torch._dynamo", "sympy", "lightning", "torchmetrics", "wandb") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.parametrize("name", ["evaluate", "sanity", "export"])
def test_other_commands_answer_without_torch(tmp_path: Path, name: str) -> None:
    script = f"""
import json, sys
from tats_exp.{"export" if name == "export" else f"{name}.__main__"} import main
codes = [main(["sed=1"]), main(["device=(1"]), main([])]
try:
    main(["--help"])
except SystemExit as ended:
    codes.append(ended.code)
print(json.dumps([codes, [name for name in {HEAVY} if name in sys.modules]]))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(result.stdout.splitlines()[-1]) == [[2, 2, 2, 0], []], result.stderr


def test_a_report_of_nothing_is_answered_without_torch(tmp_path: Path) -> None:
    script = f"""
import sys
from tats_exp.report.__main__ import main
print(main(["no/such"]), [name for name in {HEAVY} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout == "2 []\n", result.stderr


def test_version_is_ours(asked: Any) -> None:
    code, out, _ = asked("--version")
    assert code == 0 and out.startswith("tats_exp 0.") and "hydra-core 1." in out and "torch 2." in out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--resolve"], "--resolve goes with --cfg"),
        (["-p", "vqgan"], "--package goes with --cfg"),
        (["--cfg", "job", "-p", "vqgn"], "vqgn: unknown key; did you mean 'vqgan'?"),
        (["--cfg", "job", "-p", "resolution", "scale=smoke"], "--package resolution: a value, no section: 16"),
        (["--cfg", "jobs"], "invalid choice: 'jobs'"),
        (["--run", "--cfg", "job"], "--cfg and --run do not go together"),
        (["-m", "--run"], "--run and --multirun do not go together"),
        (["--hel"], "unknown flag --hel"),
        (["--experimental-rerun=x"], "start the same command again"),
        (["--config-name=other"], "--config-dir DIR"),
        (["--config-path", "x"], "--config-dir DIR"),
        (["--config-dir", "no/such"], "--config-dir no/such: no such folder"),
        (["--shell-completion"], "--shell-completion: Expecting one subcommand"),
        (["--groups", "padding=zro"], "padding=zro: no such option"),
        (["--info", "defaults", "sed=1"], "sed: unknown key"),
        (["+a.b=1"], "a: unknown key; allowed: "),
        (["~a"], "'a' does not exist"),
        (["~sampler"], "sampler is missing"),
        (["a@b=c"], "config group 'a' does not exist"),
        (["padding@foo=zero"], "padding@foo: unknown key"),
        (["++experiment=padding_ablation"], "force-add of config groups is not supported"),
        (["+seed=1"], "An item is already at 'seed'"),
        (["seed"], "overrides are written KEY=VALUE"),
        (["seed = 1"], "overrides are written KEY=VALUE"),
        (["ｓeed=1"], "overrides are written KEY=VALUE"),
        (["=3"], "must be a string or a list"),
        (["padding=null"], "padding=null: no such option; allowed: alpha"),
        (["scale="], "scale=: no such option; allowed: paper, smoke, toy"),
        (["hydra/launcher=x"], "hydra/launcher=x: no such option; allowed: basic, joblib"),
        (["hydra.foo=1"], "hydra.foo: unknown key; allowed: callbacks"),
        (["hydra.sweeper.max_batch_size=1,2"], "a key of hydra is not swept"),
        (["hydra.run.dir=${nope}"], "hydra.run.dir: Interpolation key 'nope' not found"),
        (["question=What is (this)?"], """a text is written 'question="What is (this)?"'"""),
        (["-m", "seed=1,1"], "two runs of the sweep would share the folder seed=1"),
        (["-m", "seed=0,1", "hydra.sweep.subdir=same"], "would share the folder same"),
        (["-m", "seed=0,1", "hydra.sweep.subdir=../${seed}"], "subdir=../0: allowed: a folder inside hydra.sweep.dir"),
        (["swept=[seed]"], "swept: unknown key"),
        (["store.redo_before=1"], "store.redo_before: unknown key; allowed: redo, root"),
        (["-m", "padding=glob(q*)"], "no option is meant; allowed: alpha, loop"),
        (["-m", "seed=glob(*)"], "seed is no group"),
        (["-m", "seed=interval(0,1)"], "cannot sweep"),
        (["-m", "seed=range(0)"], "seed=range(0): no values, so no runs"),
        (["-m", "hydra.sweeper=basic"], "hydra.sweeper: no section with a _target_; an option is chosen as hydra/sw"),
        (["hydra.launcher=null"], "hydra.launcher: no section with a _target_"),
        (["-m", '+hydra.sweeper.params.seed="0,1"'], "NoneType"),
        (["-m", "hydra.sweeper.params={seed: 0}"], "hydra.sweeper.params"),
        (["hydra.searchpath=[/no/such]"], "hydra.searchpath: /no/such is not available"),
    ],
)
def test_odd_flags_and_overrides_are_one_line(asked: Any, arguments: list[str], said: str) -> None:
    code, out, err = asked(*arguments)
    assert code == 2 and not out
    assert said in err and err.startswith("tats_exp: ") and len(err.splitlines()) == 1


def test_help_is_one_screen(asked: Any, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").touch()
    code, out, _ = asked("--help", "--config-dir", str(tmp_path))
    assert code == 0 and len(out.splitlines()) <= 40 and max(map(len, out.splitlines())) <= 80
    named = set(re.findall(r"\w+", out))
    assert {path.stem for path in conf_dir().glob("experiment/*.yaml")} | {"mine"} <= named
    modules = re.findall(r"python -m (tats_exp\.[\w.]+)", out)
    assert len(modules) == 10 and all(find_spec(module) for module in modules)


def test_configs_of_a_sweep_are_shown_one_after_the_other(asked: Any) -> None:
    code, out, _ = asked("-m", "padding=glob([z*,r*],exclude=re*)", "--cfg", "job", "-p", "padding")
    assert code == 0 and out.count("---") == 2
    assert "# padding=zero_space\nencoder: ${padding.name}\ndecoder: ${padding.name}\nname: zero_space" in out
    assert asked("--cfg", "job", "--resolve", "-p", "vqgan.model")[1].count("${") == 0
    assert "dir: runs/mine/" in asked("name=mine", "--cfg=hydra", "--package=hydra.sweep", "--resolve")[1]
    code, out, _ = asked("--groups", "-m", "padding=zero,real", "seed=5")
    assert code == 0 and "seed: 5" in out and "--config-dir" in out


@pytest.mark.parametrize(
    "value, read",
    [
        (ODD, ODD),
        ("/a(b)/c#d", "/a(b)/c#d"),
        ("~/c d", str(Path.home() / "c d")),
        ("~no_such_user/x", "~no_such_user/x"),
        ("/it's", "/it's"),
        (r"/back\slash=\'", r"/back\slash=\'"),
        ("/ünder/wegs", "/ünder/wegs"),
        ("/plain", "/plain"),
        ("'/quoted, with comma'", "/quoted, with comma"),
        ("null", None),
        ("/env/${name}", "/env/single_run"),
        ("/env=/${name}", "/env=/single_run"),
    ],
)
def test_a_path_is_read_as_it_stands(value: str, read: str | None) -> None:
    sweep = composed(f"vqgan.checkpoint={value}")
    assert sweep.configs[0].vqgan.checkpoint == read
    job = BasicSweeper.split_arguments(parse_overrides(sweep.lines), None)[0][0]  # as Hydra hands a line of a sweep on
    with configuration():
        assert compose("config", overrides=list(job)).vqgan.checkpoint == read


def test_lists_and_sweeps_of_paths_keep_their_meaning() -> None:
    sweep = composed("-m", "data=video_files", "data.root=/a,'/b=(c)',\"/d,e\"")
    assert [run.data.root for run in sweep.runs()] == ["/a", "/b=(c)", "/d,e"]
    assert sweep.swept == ["data.root"]
    (line,) = parse_overrides(["generated=[/a,'/b=c']"])
    assert line.value() == ["/a", "/b=c"]
    assert expanded({"generated": ["~/a", "/b"], "name": "~/a"}) == {
        "generated": [str(Path.home() / "a"), "/b"],
        "name": "~/a",
    }


@pytest.mark.parametrize(
    "line, copied",
    [
        ("data.root=/a=b,/c", ["data.root=/a=b,/c"]),
        ("data.root=/it's,/c", ["data.root=/it's,/c"]),
        ("data.root=/a,/b", ["data.root=/a,/b"]),
        ("data.root=[/a=b,/c]", []),
    ],
)
def test_a_path_with_a_comma_is_answered_with_the_line_to_copy(line: str, copied: list[str]) -> None:
    said = refusal("data=video_files", line)
    written = said.split("is written ", 1)[1].split(", several paths ")
    pasted = subprocess.run(["sh", "-c", f"printf %s {written[0]}"], capture_output=True, text=True).stdout
    (read,) = parse_overrides([pasted])
    expected = line.partition("=")[2]
    assert read.value() == (expected if copied else ["/a=b", "/c"])
    if copied:
        several = subprocess.run(["sh", "-c", f"printf %s {written[1]}"], capture_output=True, text=True).stdout
        assert [quoted.text for quoted in parse_overrides([several])[0].value().list] == expected.split(",")


def test_a_path_with_a_comma_that_is_there_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "padding=real,seed=0").mkdir()
    monkeypatch.chdir(tmp_path)
    for path in (f"{tmp_path}/padding=real,seed=0", "padding=real,seed=0"):
        for key in ("run", "data.root", "+data.root", "generated"):
            (read,) = parse_overrides([f"{key}={path}"])
            assert read.value() == path and not read.is_sweep_override()
    (read,) = parse_overrides(["data.root=a,b"])
    assert read.is_sweep_override()


@pytest.mark.parametrize(
    "line, said",
    [
        ("generated=a,b", """ 'generated="a,b"', several paths 'generated=["a","b"]'"""),
        ("generated=/a=b,/c", """ 'generated="/a=b,/c"', several paths 'generated=["/a=b","/c"]'"""),
        ("real=a,b", """: one value is taken; a path with a comma in it is written 'real="a,b"'"""),
        ("real=choice(a,b)", ": one value is taken"),
        ("real=12", "(a path that looks like a number is written ./NAME)"),
        ("real=null", "Input should be a valid string"),
    ],
)
def test_what_is_told_of_commas_and_numbers_fits_the_command(
    capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert evaluate(["generated=x", "real=x", line]) == 2
    assert capsys.readouterr().err.endswith(f"{said}\n")


@pytest.mark.parametrize("flags", [[], ["-m", "seed=0,1"]])
def test_a_checkpoint_with_an_odd_name_is_answered_about_the_file(tmp_path: Path, flags: list[str]) -> None:
    with pytest.raises(UserError, match=rf"^vqgan\.checkpoint: checkpoint {ODD}: no such file$"):
        make_plan([*flags, f"vqgan.checkpoint={ODD}"])
    file = tmp_path / Path(ODD).name
    file.write_text("nothing")
    with pytest.raises(UserError, match=r"train\.ckpt: damaged, cut off or no checkpoint$"):
        make_plan([*flags, f"vqgan.checkpoint={file}"])


def test_an_experiment_may_sweep_paths_that_hydra_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "files.yaml").write_text(
        "# @package _global_\nname: files\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n"
        f"      vqgan.checkpoint: '{ODD}'\n      seed: 0,1\n      padding: glob(z*)\n"
    )
    sweep = composed(f"--config-dir={tmp_path}", "+experiment=files", "seed=2,3")
    assert [(run.seed, run.vqgan.checkpoint) for run in sweep.runs()] == [(2, ODD), (2, ODD), (3, ODD), (3, ODD)]
    assert sweep.lines[0] == "hydra.sweeper.params=null" and "padding=choice(zero,zero_space)" in sweep.lines


def test_names_of_run_folders_are_short_and_never_shared() -> None:
    long = "data.root=/" + "a" * 300
    names = [folder_name(text) for text in (long, long + "b", "x=/a", "x=_a", "seed=1", "x='/a'", "ü" * 300)]
    assert len(set(names)) == len(names) and names[4] == "seed=1" and names[3] == "x=_a"
    assert all(len(name.encode()) <= LONGEST_NAME + 13 and "/" not in name for name in names)
    paths = [f"/{'p' * 200}/{name}" for name in ("one", "two=2")]
    sweep = composed("-m", "data=video_files", f"data.root={paths[0]},'{paths[1]}'", "hydra.sweep.dir=/elsewhere")
    first, second = sweep.run_folders
    assert first != second and first.parent == second.parent == Path("/elsewhere")
    assert max(len(folder.name.encode()) for folder in (first, second)) < 255


def test_folders_of_the_user_are_those_that_are_used(tmp_path: Path) -> None:
    default = composed("name=mine")
    assert default.folder.parent == Path("runs/mine") and default.run_folders == [default.folder / "run"]
    chosen = composed(f"hydra.run.dir={tmp_path}/a=b/${{name}}-${{now:%Y}}")
    assert chosen.run_folders == [chosen.folder] and chosen.folder.parent == tmp_path / "a=b"
    assert chosen.folder.name.startswith("single_run-2") and "$" not in chosen.folder.name
    beside = composed(f"hydra.sweep.dir={tmp_path}/x")
    assert beside.folder == tmp_path / "x" and beside.run_folders == [tmp_path / "x" / "run"]
    sweep = composed("-m", "seed=0,1", "hydra.sweep.dir=~/x y", "hydra.sweep.subdir=n${hydra.job.num}")
    assert sweep.run_folders == [Path.home() / "x y" / name for name in ("n0", "n1")]


def test_runs_work_where_one_starts_whatever_hydra_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["hydra.job.chdir=true", "scale=smoke", "logger=csv", "trainer=cpu"]
    plan, sweep = make_plan(given), composed(*given)
    assert any(line.startswith("hydra.job.chdir=true: paths are taken from the folder") for line in plan.unused)
    seen: list[tuple[Path, str]] = []
    monkeypatch.setattr("tats_exp.run.job.run_job", lambda cfg: seen.append((Path.cwd(), cfg.store.root)))
    _run(read_command_line(given), sweep, plan)
    assert seen == [(tmp_path, "runs/store")]


def test_what_workers_were_writing_when_they_were_ended_is_removed_from_their_folders_alone(tmp_path: Path) -> None:
    for name in ("padding=zero", "store"):
        (tmp_path / name).mkdir()
    Status(state="killed").write(tmp_path / "padding=zero")
    for end in (lambda: _stopped(tmp_path, 1.0), lambda: _conclude(tmp_path, 1.0, RuntimeError("a worker was killed"))):
        ours, others = tmp_path / "padding=zero" / ".status.json.1.2.tmp", tmp_path / "store" / ".model.1.2.tmp"
        ours.touch()
        others.touch()
        assert end() == 1 and not ours.exists() and others.exists()


def test_a_folder_is_held_by_one_command_and_holds_no_other_runs(tmp_path: Path) -> None:
    sweep = composed("-m", "seed=0,1", f"hydra.sweep.dir={tmp_path}/s")
    with own_folder(sweep) as held:
        assert held == sweep
        with pytest.raises(UserError, match="another command is writing to it"), own_folder(sweep):
            pass
        for folder in sweep.run_folders:
            folder.mkdir()
            (folder / "status.json").write_text("{}")
            (folder / "mask.json").write_text("{}")
        settled = {"reserve_training": 0, "reserve_encoding": 0, "threads": 1, "started": 0.0}
        SweepRecord(swept=("seed",), asked=sweep.asked, **settled).write(sweep.folder)
    another = composed("-m", "seed=0,1", "padding=zero", f"hydra.sweep.dir={tmp_path}/s")
    with pytest.raises(UserError, match="holds what another command made; name another"), own_folder(another):
        pass
    again = composed("-m", "seed=0,1", "store.redo=[codes]", f"hydra.sweep.dir={tmp_path}/s")
    with own_folder(again):  # the same command, but for what changes nothing that comes out
        assert not list(sweep.folder.rglob("status.json")) and not list(sweep.folder.rglob("mask.json"))
        (sweep.run_folders[0] / "status.json").write_text("{}")
    other = composed("-m", "seed=1,2", f"hydra.sweep.dir={tmp_path}/s")
    with pytest.raises(UserError, match="holds other runs already, seed=0 among them"), own_folder(other):
        pass
    timed = composed("-m", "seed=0,1", f"hydra.sweep.dir={tmp_path}/${{now:%Y}}")
    with own_folder(timed) as first, own_folder(timed) as second:
        assert second.folder == first.folder.with_name(f"{first.folder.name}_2")
        assert second.run_folders[0] == second.folder / "seed=0"
    unwritable = composed("hydra.run.dir=/proc")
    with pytest.raises(UserError, match=r"^hydra\.run\.dir=/proc: "), own_folder(unwritable):
        pass
    (tmp_path / "file").touch()
    file = composed(f"hydra.run.dir={tmp_path}/file")
    with pytest.raises(UserError, match=r"^hydra\.run\.dir=.*file"), own_folder(file):
        pass


def test_a_store_below_a_file_is_refused_unless_there_is_nothing_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    plan = make_plan(["scale=smoke", "logger=csv", "trainer=cpu", f"store.root={tmp_path}/file/store"])
    with pytest.raises(UserError, match=r"^store\.root=.*file/store: Not a directory"):
        _check_stores(plan)
    monkeypatch.setattr(Path, "is_dir", lambda self: True)  # every stage is there
    _check_stores(plan)


def own_options(folder: Path) -> Path:
    """A user's folder of options with an experiment, and a module with the classes they name."""
    for group in ("experiment", "sampler"):
        (folder / "conf (mine)" / group).mkdir(parents=True)
    (folder / "my_samplers.py").write_text(
        "from tats_exp.sampling import SlidingWindow\n\n\nclass Mine(SlidingWindow):\n    pass\n\n\n"
        "class Broken(SlidingWindow):\n    def __call__(self, *args, **kwargs):\n        raise ValueError('ours')\n"
    )
    conf = folder / "conf (mine)"
    for name in ("mine", "broken"):
        (conf / "sampler" / f"{name}.yaml").write_text(
            f"_target_: my_samplers.{name.title()}\ncontext: 2\nstride: 1\ntop_k: null\ntop_p: 0.9\ntemperature: 1.0\n"
        )
    (conf / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [override /sampler: mine]\nname: mine\nquestion: Do options of one's own run?\n"
    )
    return conf


@pytest.mark.parametrize("way", ["--config-dir={}", "hydra.searchpath=['{}']", "hydra.searchpath=['file://{}']"])
def test_options_of_a_user_work_like_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    conf = own_options(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    given = way.format(conf)
    assert make_plan([given, "scale=smoke", "+experiment=mine"]).name == "mine"
    assert "allowed: broken, hierarchical, long_window, mine, short" in refusal(given, "sampler=mien")
    assert "allowed: broken, hierarchical, long_window, mine, short" in refusal("-m", given, "sampler=mien,mine")
    assert "with --config-dir=DIR also DIR/experiment/NAME.yaml" in refusal(given, "+experiment=mien")
    (conf / "experiment" / "headless.yaml").write_text("name: headless\n")
    with pytest.raises(UserError, match="first line must be `# @package _global_`"):
        make_plan([given, "scale=smoke", "+experiment=headless"])
    assert "sampler.contxt: unknown key; did you mean 'context'?" in refusal(given, "sampler=mine", "sampler.contxt=3")
    assert len(composed("-m", given, "sampler=glob(*,exclude=h*)").jobs) == 5
    with pytest.raises(UserError, match=r"^sampler\.context=4 must be below"):
        make_plan([given, "scale=smoke", "sampler=mine", "sampler.context=4"])
    (conf / "sampler" / "sliding.yaml").touch()
    assert "sampler/sliding.yaml is an option of tats_exp already" in refusal(given)


@pytest.mark.slow
def test_a_run_goes_where_it_is_told_with_options_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a single run and in a sweep, one run of which meets a mistake that is not the user's."""
    conf = own_options(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    where = tmp_path / "a b=(1)"
    result = tats_exp(tmp_path, *QUICK, f"--config-dir={conf}", "+experiment=mine", f"hydra.run.dir={where}/${{name}}")
    assert result.returncode == 0, result.stderr
    assert f"-> {where}/mine\n" in result.stdout and f"{where}/mine/report/index.html" in result.stdout
    assert json.loads((where / "mine" / "status.json").read_text())["state"] == "finished"
    assert (tmp_path / "runs" / "store").is_dir() and len(list((tmp_path / "runs").iterdir())) == 1
    options = [f"hydra.searchpath=['{conf}']", "sampler=mine,broken", f"hydra.sweep.dir={where}/sweep"]
    result = tats_exp(tmp_path, "-m", *QUICK, *options)
    assert result.returncode == 1
    assert "sampler=broken seed=0 failed: ValueError: ours (see error.txt)" in result.stderr
    assert "Traceback" not in result.stderr
    assert f"{where}/sweep/report/index.html" in result.stdout
    assert "raise ValueError('ours')" in (where / "sweep" / "sampler=broken" / "error.txt").read_text()
    statuses = {
        name: json.loads((where / "sweep" / name / "status.json").read_text())
        for name in ("sampler=mine", "sampler=broken")
    }
    assert statuses["sampler=mine"]["state"] == "finished"
    assert statuses["sampler=broken"]["state"] == "failed" and not statuses["sampler=broken"]["by_user"]


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path))
    options = ["vqgan.training.perceptual.weights=no/vgg", "vqgan.training.perceptual.heads=no/heads"]
    with pytest.raises(UserError) as error:
        make_plan(["scale=smoke", "metrics=i3d", "perceptual=lpips", *options])
    said = str(error.value)
    assert said.startswith("vqgan.training.perceptual: no weights of VGG16 at no/vgg") and "\n" not in said
    assert "no heads of LPIPS: no/heads is not there" in said and "metrics.network: the weights of I3D" in said
