"""Everything that a user can name is documented, and everything that the documentation names exists and works."""

import csv
import io
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import torch
import yaml
from pydantic import BaseModel
from tiny_audit import write_audit
from typer.main import get_command

from docs.reference import documentation
from stepaudit.audit import config, registry
from stepaudit.cli import app
from stepaudit.datasets import folder as own_videos
from stepaudit.errors import STATUSES, AuditError
from stepaudit.maps import Maps
from stepaudit.report import build_database, sql_files
from stepaudit.stages import index
from stepaudit.store import database, schema

ROOT = Path(__file__).parents[1]
FOLDERS = ("config", "docs", "reports")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (*ROOT.glob("*.md"), *(path for name in FOLDERS for path in sorted((ROOT / name).glob("*.md"))))
}
COMMANDS = {
    f"{name} {inner}".strip(): part
    for name, command in get_command(app).commands.items()
    for inner, part in getattr(command, "commands", {"": command}).items()
}
CHANGES = PAGES["CHANGELOG.md"]
KINDS = list(registry.FUNCTIONS)
REWRITE = f"`{documentation.COMMAND}` (or `make docs`) writes it anew"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGES[page], re.M | re.S)


def code_of(page: str) -> str:
    """All code of a page: blocks, and spans within lines."""
    fenced = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
    spans = re.findall(r"`([^`\n]+)`", fenced.sub("", PAGES[page]))
    return "\n".join([*fenced.findall(PAGES[page]), *spans])


def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all models that its fields hold."""
    found, waiting = {model}, [field.annotation for field in model.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= sections(kind)
    return found


def test_there_are_pages_to_test():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "reports/README.md"} <= set(PAGES)


def test_the_reference_pages_are_what_the_code_says():
    outdated = [str(path.relative_to(ROOT)) for path, text in documentation.pages().items() if path.read_text() != text]
    assert not outdated, REWRITE


def test_every_section_of_the_configuration_is_in_the_reference_and_every_key_has_a_sentence():
    assert sections(config.Config) == set(documentation.SECTIONS.values())
    undescribed = [
        f"{section.__name__}.{name}"
        for section in documentation.SECTIONS.values()
        for name, field in section.model_fields.items()
        if not (field.description or "").endswith(".") or f"| `{name}` |" not in PAGES["config/README.md"]
    ]
    assert not undescribed


def test_every_column_and_status_has_a_sentence():
    columns = [(table.name, column) for table in schema.TABLES.values() for column in table.columns]
    assert not [f"{table}.{column.name}" for table, column in columns if not column.text.endswith((".", "…"))]
    assert set(STATUSES) == {"ok", *(error.status for error in AuditError.__subclasses__())}
    assert all(text and text.endswith(".") for text in STATUSES.values())


def test_every_component_says_what_it_is_and_what_each_option_means():
    faults = []
    for component in (each for kind in KINDS for each in documentation.own_components(kind)):
        if component.options is None:
            faults.append(f"{component.origin} hides its options behind **keywords")
            continue
        texts = documentation.argument_texts(component)
        undescribed = [option for option in component.options if not texts.get(option, "").endswith(".")]
        faults += [f"{component.origin}: no line for '{option}' under Args" for option in undescribed]
        if not documentation.summary(component).endswith("."):
            faults.append(f"{component.origin}: its file has no sentence")
        if f"### `{component.name}`" not in PAGES["config/README.md"] or f"`{component.name}`" not in CHANGES:
            faults.append(f"{component.origin} is not in config/README.md and CHANGELOG.md")
    assert not faults


def test_every_report_is_in_the_list_of_reports():
    names = [report.name for report in sql_files.all_reports()]
    assert not [name for name in names if f"| `{name}` |" not in PAGES["reports/README.md"]]


def test_every_command_is_in_the_readme_and_has_a_help():
    """Their options are in docs/commands.md, which the code writes."""
    missing = []
    for name, command in COMMANDS.items():
        first, _, second = name.partition(" ")
        lines = [line for line in PAGES["README.md"].splitlines() if re.search(rf"`(stepaudit )?{first}\b", line)]
        if not command.help or not any(re.search(rf"\b{second or first}\b", line) for line in lines):
            missing.append(name)
    assert not missing


def test_every_command_that_is_mentioned_exists_with_its_options():
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    unknown = []
    for page, text in mentions():
        if text.strip() in groups:
            continue
        name = max((known for known in COMMANDS if re.match(rf"{known}\b", text)), key=len, default=None)
        options = set(re.findall(r"(?<!\S)--[\w-]+", re.sub(r"\"[^\"]*\"|#.*", "", text.removeprefix(name or ""))))
        known = {spelling for parameter in COMMANDS[name].params for spelling in parameter.opts} if name else set()
        if name is None or options - known:
            unknown.append(f"{page}: stepaudit {text}")
    assert not unknown


def mentions() -> list[tuple[str, str]]:
    """Page and text after `stepaudit` of each command in code."""
    pattern = r"(?<![\w/.-])(?<!from )stepaudit ([a-z]+\b[^`|\n]*)"
    return [(page, text) for page in PAGES for text in re.findall(pattern, code_of(page))]


@pytest.fixture(scope="module")
def snakemake_help():
    command = Path(sys.executable).with_name("snakemake")
    return subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout


def test_every_option_that_is_mentioned_exists(snakemake_help):
    known = {spelling for command in COMMANDS.values() for parameter in command.params for spelling in parameter.opts}
    known |= {"--editable", "--version", "--debug", "--install-completion", "--show-completion"}
    known |= {"--name", "--constraint", "--gpus", "--slurm-partition-config"}  # of Slurm, and its plugin
    known |= {"--first", "--count", "--keep"}  # of tests/fuzz/campaign.py
    unknown = [
        f"{page}: {option}"
        for page in PAGES
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", code_of(page))
        if option not in known and not re.search(rf"(?<![\w-]){option}\b(?!-)", snakemake_help)
    ]
    assert not unknown


def test_every_target_of_make_that_is_mentioned_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    mentioned = {page: set(re.findall(r"(?<![\w-])make ([a-z]+)\b", code_of(page))) for page in PAGES}
    assert not {page: names - targets for page, names in mentioned.items() if names - targets}


def test_every_link_and_path_leads_somewhere():
    broken = []
    for page, text in PAGES.items():
        targets = re.findall(r"\]\(([^)#:]+)\)", text)
        broken += [f"{page}: {target}" for target in targets if not ((ROOT / page).parent / target).exists()]
        for path in re.findall(r"`((?:stepaudit|tests|workflow|config|reports)/[\w./-]*)`", text):
            example = f"`{path}`\n\n" in text or f": `{path}`\n" in text
            if not example and not (ROOT / path).exists():
                broken.append(f"{page}: {path}")
    assert not broken


@pytest.fixture
def in_my_folder(tmp_path, monkeypatch):
    """A working folder in which the examples' own model lies."""
    (model,) = blocks("docs/how_to.md", "python")
    (tmp_path / "my_models.py").write_text(model)
    (tmp_path / "my_methods.py").write_text(examples()["stepaudit/methods/motion.py"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name in ("my_models", "my_methods"):
        sys.modules.pop(name, None)


def example_configurations() -> list[dict]:
    pages = [page for page in PAGES if page != "docs/cluster.md"]  # where YAML is for profiles of Snakemake
    found = [yaml.safe_load(text) for page in pages for text in blocks(page, "yaml")]
    base = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    del base["preserve"], base["metrics"]  # they name methods
    base["methods"] = {"step": {"ratios": [0.05]}}
    return [example if "audit" in example else {**base, **example} for example in found]


def test_every_configuration_that_is_shown_is_valid(in_my_folder):
    for data in example_configurations():
        config.parse(data)


def test_every_configuration_that_is_shipped_is_valid_and_in_the_list():
    paths = sorted((ROOT / "config").glob("*.yaml"))
    for path in paths:
        config.load(path)
    assert not [path.name for path in paths if f"| `{path.name}` |" not in PAGES["config/README.md"]]


def test_the_folder_of_own_videos_that_is_shown_can_be_read(in_my_folder):
    listing = re.findall(r"^videos/\S+$", PAGES["config/README.md"], re.M)
    segments, boxes = blocks("config/README.md", "csv")
    for name in listing:
        path = in_my_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text({"segments.csv": segments, "boxes.csv": boxes}.get(path.name, ""))
    entry = config.parse(next(data for data in example_configurations() if data["audit"] == "sports"))
    dataset = entry.datasets["sports"]
    found, found_boxes = own_videos.read(dataset.root, **dataset.options)
    assert index.find_problems(found, found_boxes, trains=True) == []
    assert len(found) == sum(name.endswith(".mp4") for name in listing) == 4
    assert len(found_boxes) == len(list(csv.DictReader(io.StringIO(boxes))))


@pytest.fixture
def audit(tmp_path):
    """An audit without rows, for SQL that is to be understood."""
    folder = write_audit(tmp_path / "results")
    build_database.create(folder, config.load(folder / "config.yaml"))
    return folder


def test_every_query_that_is_shown_is_valid(audit):
    for page in PAGES:
        for query in re.findall(r"stepaudit sql \S+ \"([^\".][^\"]*)\"", code_of(page)):
            database.query(audit, query)


def examples() -> dict[str, str]:
    """The complete examples of CONTRIBUTING.md by the file that each heading names."""
    pattern = r"^## [^\n]*: `([^`]+)`\n(?:(?!^## ).)*?```(?:python|sql)\n(.*?)```"
    return dict(re.findall(pattern, PAGES["CONTRIBUTING.md"], re.M | re.S))


def example(kind: str):
    """The function of an example, and its component as the registry reads it from the source."""
    (path,) = (path for path in examples() if path.startswith(f"stepaudit/{kind}/"))
    namespace = {"__name__": f"example_{kind}"}
    exec(compile(examples()[path], path, "exec"), namespace)
    return namespace[registry.FUNCTIONS[kind]]


def test_there_is_an_example_of_each_kind_and_none_exists_already():
    folders = sorted(Path(path).parent.as_posix() for path in examples())
    assert folders == sorted(["reports", *(f"stepaudit/{kind}" for kind in KINDS)])
    assert not [path for path in examples() if (ROOT / path).exists()]


def test_the_examples_are_documented_as_the_components_are(tmp_path):
    for kind in KINDS:
        (path,) = (path for path in examples() if path.startswith(f"stepaudit/{kind}/"))
        source = tmp_path / Path(path).name
        source.write_text(examples()[path])
        component = registry.Component(kind, source.stem, f"example:{registry.FUNCTIONS[kind]}", source)
        assert documentation.summary(component).endswith("."), path
        assert component.options, path
        assert set(component.options) <= set(documentation.argument_texts(component)), path


def test_the_example_of_a_method_points_at_the_moving_pixel():
    clips = torch.zeros(1, 3, 4, 5, 6)
    clips[0, :, 2, 3, 4] = 1
    maps = example("methods")(None, clips, torch.tensor([0]), ratios=None, seed=0)
    assert isinstance(maps, Maps)
    assert maps.full()[0].nonzero().tolist() == [[2, 3, 4], [3, 3, 4]]


def test_the_example_of_a_model_and_the_own_model_give_logits(in_my_folder):
    own = registry.find("models", "my_models:build").load()
    for model in (example("models")(3, channels=2), own(3)):
        assert model(torch.rand(2, 3, 8, 16, 16)).shape == (2, 3)
        assert isinstance(model.activation_layer, torch.nn.Module)


def test_the_example_of_a_data_set_gives_sound_rows(tmp_path):
    for name in ("train/a/1", "train/b/1", "test/a/2", "test/b/2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.mp4").touch()
    segments, boxes = example("datasets")(tmp_path)
    assert index.find_problems(segments, boxes, trains=True) == []
    assert [row["clip_id"] for row in segments] == ["test/a/2", "test/b/2", "train/a/1", "train/b/1"]
    assert {key for row in segments for key in row} == set(schema.TABLES["segments"].schema.names) - {
        column.name for column in schema.WINDOW
    }


def test_the_example_of_a_metric_measures():
    score = example("metrics")
    assert score(torch.ones(2, 5, 10)) == pytest.approx(0.05)
    peak = torch.zeros(2, 5, 10)
    peak[1, 2, 3] = 0.7
    assert score(peak) == pytest.approx(1)
    with pytest.raises(AuditError):
        score(torch.zeros(2, 5, 10))


def test_the_measurements_that_metrics_may_ask_for_are_the_ones_that_are_listed():
    text = PAGES["CONTRIBUTING.md"].partition("## A metric")[2].partition("```")[0]
    for kind in registry.components("metrics").values():
        asked = set(kind.load().__annotations__) - {"return"} - set(kind.options)
        assert all(f"`{name}`" in text for name in asked), asked


def test_the_example_of_a_report_is_valid(tmp_path, audit):
    (name,) = (path for path in examples() if path.endswith(".sql"))
    (tmp_path / "slowest.sql").write_text(examples()[name])
    report = sql_files.read(tmp_path / "slowest.sql")
    assert database.query(audit, report.sql)[0][-1] == "seconds"


def test_entry_points_that_are_shown_are_of_known_groups():
    (text,) = blocks("CONTRIBUTING.md", "toml")
    groups = tomllib.loads(text)["project"]["entry-points"]
    assert set(groups) <= {f"stepaudit.{kind}" for kind in KINDS}


def test_every_dependency_has_its_reason_in_the_changelog():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for group in project["optional-dependencies"].values() for name in group]
    named = re.sub(r"[^\w\s-]", " ", CHANGES).split()
    for requirement in [*project["dependencies"], *extras]:
        assert re.match(r"[\w-]+", requirement)[0] in named, requirement
