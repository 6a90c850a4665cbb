"""What a shell completes, asked as the shell asks."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_audit import write_audit

from stepaudit import cli
from stepaudit.audit import registry
from stepaudit.commands import _completion

ROOT = Path(__file__).parents[1]


@pytest.fixture
def completed(monkeypatch, capsys, tmp_path):
    """What bash offers for a line, whose last word is what is typed so far."""
    monkeypatch.chdir(tmp_path)

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("_STEPAUDIT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(("stepaudit", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit):
            cli.app(prog_name="stepaudit")
        return capsys.readouterr().out.split()

    return ask


@pytest.fixture
def audit(tmp_path):
    return write_audit(tmp_path)


@pytest.mark.parametrize(
    ("option", "typed", "offered"),
    [
        ("--method", "", ["step", "middle", "noise"]),
        ("--method", "m", ["middle"]),
        ("--model", "", ["r3d"]),
        ("--dataset", "pl", ["planted"]),
        ("--dataset", "x", []),
    ],
)
def test_a_stage_is_completed_with_the_names_of_its_configuration(completed, audit, option, typed, offered):
    assert completed("attribute", str(audit / "config.yaml"), option, typed) == offered
    assert completed("attribute", option, typed) == []


def test_names_of_an_audit_come_from_its_saved_configuration_also_in_a_list(completed, audit):
    assert completed("figure", "methods", str(audit), "--methods", "") == ["step", "middle", "noise"]
    assert completed("figure", "methods", str(audit), "--methods", "step,n") == ["step,noise"]


def test_commands_kinds_and_components_are_completed(completed):
    assert set(completed("ex")) >= {"extract"}
    assert completed("list", "m") == ["methods", "models", "metrics"]
    assert completed("init", "videos", "--methods", "step,grad") == [
        f"step,{name}" for name in registry.names("methods") if name.startswith("grad")
    ]
    assert completed("init", "videos", "--model", "r2") == ["r2plus1d_18"]


@pytest.mark.parametrize("content", ["", "methods: 3\n", "methods: [a]\n", "{", "audit: a\n", "\0"])
def test_a_configuration_that_is_broken_completes_to_nothing(tmp_path, content):
    (tmp_path / "c.yaml").write_text(content)
    assert _completion.names("methods", SimpleNamespace(params={"config": tmp_path / "c.yaml"}, args=[]), "") == []


def test_an_entry_that_is_taken_out_is_not_offered(tmp_path):
    (tmp_path / "c.yaml").write_text("methods: {step: false, center: }\n")
    assert _completion.names("methods", SimpleNamespace(params={}, args=[str(tmp_path / "c.yaml")]), "") == ["center"]


def test_completing_imports_neither_torch_nor_pydantic(audit):
    words = f"stepaudit attribute {audit / 'config.yaml'} --method "
    script = (
        "import sys\nfrom stepaudit import cli\n"
        "try:\n    cli.app(prog_name='stepaudit')\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(str(sorted({'torch', 'duckdb', 'pyarrow'} & set(sys.modules))))"
    )
    environment = {"_STEPAUDIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "4"}
    command, own = [sys.executable, "-c", script], {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (["step", "middle", "noise"], "[]")


def test_help_says_how_completion_is_installed(capsys):
    with pytest.raises(SystemExit):
        cli.app(["--help"], prog_name="stepaudit")
    out = capsys.readouterr().out
    assert "--install-completion" in out
    assert "--show-completion" in out
