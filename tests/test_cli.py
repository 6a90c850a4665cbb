"""The command line: what it prints, and how it ends."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_audit import write_audit
from typer.main import get_command

from stepaudit import cli
from stepaudit.audit import registry
from stepaudit.report import build_database
from stepaudit.version import __version__

CONFIG = """
audit: a
shards: 1
results: RESULTS
datasets: {planted: {root: data}}
models: {small: {use: r2plus1d_18, options: {width: 2}}}
methods: {step: {ratios: [0.1]}, center: }
"""
COMMANDS = get_command(cli.app).commands
ALL = {"--dataset": "planted", "--model": "small", "--method": "center", "--shard": "test-000", "--size": "16x112x112"}


JOBS = ("index", "extract", "train", "predict", "attribute", "preserve", "score")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.replace("RESULTS", str(tmp_path / "results")))
    return path


def options_of(command):
    return [name for parameter in COMMANDS[command].params for name in parameter.opts if name in ALL]


def test_the_commands_are_the_stages_and_a_few_questions():
    stages = {path.stem for path in (Path(cli.__file__).parent / "stages").glob("[a-z]*.py")}
    assert set(COMMANDS) == stages | {
        "sql",
        "list",
        "check",
        "figure",
        "plan",
        "explain",
        "export",
        "compare",
        "init",
        "doctor",
        "status",
    }
    assert set(COMMANDS["figure"].commands) == {"methods", "compare"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_a_sentence(stepaudit, command):
    status, out, _ = stepaudit(command, "--help")
    assert status == 0
    assert COMMANDS[command].help.endswith(".")
    assert " ".join(COMMANDS[command].help.split()[:4]) in out
    for option in options_of(command):
        assert option in out


def test_help_names_every_command(stepaudit):
    status, out, _ = stepaudit("--help")
    assert status == 0
    assert all(command in out for command in COMMANDS)


def test_the_version_is_the_packages(stepaudit):
    assert stepaudit("--version") == (0, f"{__version__}\n", "")


def test_nothing_asked_is_answered_with_help(stepaudit):
    _, out, err = stepaudit()
    assert "Usage" in out + err


@pytest.mark.parametrize(
    ("command", "option", "value", "text"),
    [
        ("index", "--dataset", "plantd", "the configuration has no dataset 'plantd'; did you mean 'planted'?"),
        ("extract", "--shard", "test-001", "no shard 'test-001'; did you mean 'test-000'?"),
        ("extract", "--shard", "../x", "no shard '../x'"),
        ("extract", "--size", "16x112x12", "no size '16x112x12'; did you mean '16x112x112'?"),
        ("train", "--model", "smal", "no model 'smal'; did you mean 'small'?"),
        ("predict", "--model", "r2plus1d_18", "no model 'r2plus1d_18' (known: small)"),
        ("attribute", "--method", "stepp", "no method 'stepp'; did you mean 'step'?"),
        ("preserve", "--method", "", "no method ''"),
        ("score", "--dataset", "other", "no dataset 'other'"),
    ],
)
def test_an_unknown_name_ends_with_status_2_and_the_nearest(stepaudit, file, command, option, value, text):
    asked = {**{name: ALL[name] for name in options_of(command)}, option: value}
    status, out, err = stepaudit(command, file, *[part for pair in asked.items() for part in pair])
    assert (status, out) == (2, "")
    assert err.startswith("stepaudit: the configuration has")
    assert text in err
    assert not (file.parent / "results").exists()


@pytest.mark.parametrize("command", JOBS)
def test_a_stage_before_its_time_says_what_is_missing(stepaudit, file, command):
    asked = [part for name in options_of(command) for part in (name, ALL[name])]
    if command == "index":
        pytest.skip("the first stage")
    status, _, err = stepaudit(command, file, *asked)
    assert status == 2
    assert "run the stage that writes it first" in err


@pytest.mark.parametrize("command", JOBS)
def test_a_missing_option_ends_with_status_2_and_its_name(stepaudit, file, command):
    status, _, err = stepaudit(command, file)
    assert status == 2
    assert "Missing option" in err


@pytest.mark.parametrize("command", ["check", *JOBS])
def test_a_bad_configuration_ends_with_status_2_and_all_its_problems(stepaudit, file, command):
    file.write_text(CONFIG.replace("shards: 1", "shards: 0") + "extra: 1\n")
    status, _, err = stepaudit(command, file, *[part for name in options_of(command) for part in (name, ALL[name])])
    assert status == 2
    assert re.search(r"c\.yaml: 2 problems\n  extra: unknown key.*\n  shards: Input should be `auto` or a whole", err)


def test_check_says_how_much_is_asked_for(stepaudit, file):
    status, out, _ = stepaudit("check", file)
    assert status == 0
    assert out.startswith(f"{file}: audit 'a' is valid: 1 data sets, 1 models, 2 methods")


def test_check_names_a_file_that_is_missing(stepaudit, tmp_path):
    status, _, err = stepaudit("check", tmp_path / "no.yaml")
    assert status == 2
    assert "cannot be read (No such file or directory); name a configuration file" in err


def test_list_names_every_component_with_its_options(stepaudit):
    status, out, _ = stepaudit("list")
    assert status == 0
    for kind in registry.FUNCTIONS:
        assert f"{kind}:\n" in out
        for component in registry.components(kind).values():
            assert f"  {component.name}: {component.summary}\n" in out
            for option, (annotation, default) in component.options.items():
                assert re.search(rf"^      {re.escape(f'{option}: {annotation} = {default}')}(   \(.+\))?$", out, re.M)


def test_list_of_one_kind_names_no_other(stepaudit):
    _, out, _ = stepaudit("list", "models")
    assert out.startswith("models:\n")
    assert "methods:" not in out


def test_list_of_an_unknown_kind_ends_with_status_2(stepaudit):
    status, _, err = stepaudit("list", "method")
    assert status == 2
    assert "Invalid value for" in err


def test_results_that_are_not_there_end_with_status_2(stepaudit, tmp_path):
    for arguments in (("report", tmp_path), ("sql", tmp_path, "select 1")):
        status, _, err = stepaudit(*arguments)
        assert status == 2
        assert err.startswith("stepaudit: ")


def test_sql_answers_in_the_form_that_is_asked_for(stepaudit, tmp_path):
    from stepaudit.audit import config

    folder = write_audit(tmp_path, {"segments": [{"clip_id": "c"}]})
    build_database.create(folder, config.load(folder / "config.yaml"), ())
    assert stepaudit("sql", folder, "select clip_id, split from segments", "--format", "csv") == (
        0,
        "clip_id,split\nc,test\n",
        "",
    )
    status, _, err = stepaudit("sql", folder, "select 1", "--format", "xml")
    assert (status, "Invalid value for '--format'" in err) == (2, True)
    status, _, err = stepaudit("sql", folder, "selec 1")
    assert status == 2
    assert err.startswith("stepaudit: ")


def test_a_bug_is_not_passed_off_as_bad_input(stepaudit, monkeypatch, file):
    from stepaudit.audit import config

    def bug(path):
        raise ValueError("a bug")

    monkeypatch.setattr(config, "load", bug)
    status, _, err = stepaudit("check", file)
    assert status == 70
    assert "a bug in stepaudit or in a component of yours, ValueError: a bug" in err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["list"], ["check", "FILE"], ["attribute", "--help"], ["train", "FILE"]]
)
def test_questions_that_need_no_torch_import_none(file, arguments):
    """So that help, lists and checks answer at once."""
    given = [str(file) if argument == "FILE" else argument for argument in arguments]
    script = (
        "import sys\nfrom stepaudit import cli\n"
        f"sys.argv = ['stepaudit', *{given!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'torchvision', 'duckdb', 'altair', 'snakemake', 'pandas'}\n"
        "print('imported', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("imported []\n")
