"""Generated reference pages; `python -m docs.reference.documentation` updates them in a checkout.

Whole pages: `reports/TABLES.md` (tables, columns, statuses), `docs/commands.md` (commands, exit statuses). Between two
marks: keys and components in `config/README.md`; lists in `reports/README.md`, `docs/sql.md`, `docs/compare.md`.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

from docs.reference import command_pages
from stepaudit.audit import registry
from stepaudit.audit.config import Config
from stepaudit.audit.sections import Clips, ClipSize, Dataset, Jobs, Method, Metric, Model, Preserve, Training, Windows
from stepaudit.commands import _exit_codes
from stepaudit.commands._exit_codes import ExitCode
from stepaudit.commands.compare import quantities
from stepaudit.errors import STATUSES
from stepaudit.report import sql_files, worked_questions
from stepaudit.store.schema import SCHEMA_VERSION, TABLES, Table

ROOT = Path(__file__).parents[2]
COMMAND = "python -m docs.reference.documentation"
MARKS = (f"<!-- from here on written by `{COMMAND}` -->", "<!-- until here -->")
SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": Config,
    "`clips`": Clips,
    "`clips.windows`": Windows,
    "`datasets.<name>`": Dataset,
    "`models.<name>`": Model,
    "`models.<name>.clips`": ClipSize,
    "`models.<name>.training`": Training,
    "`methods.<name>`": Method,
    "`metrics.<name>`": Metric,
    "`preserve`": Preserve,
    "`jobs`": Jobs,
}
TITLES = {"datasets": "Data sets", "models": "Models", "methods": "Methods", "metrics": "Metrics"}
ARROW_TYPES = {
    pa.string(): "text",
    pa.int32(): "int32",
    pa.float64(): "double",
    pa.float32(): "float",
    pa.float16(): "float16",
    pa.bool_(): "bool",
    pa.binary(): "bytes",
}
ERRORS = """Snakemake ends with 0 if all jobs are done, else with 1; its output names the failed job and its log file. A
job that the system killed ends with 128 plus the signal's number: 137 for lack of memory.

Bad input ends in one line on standard error, with the next step. A bug, in stepaudit or in a component of your own, is
one line, too; its traceback lies in a log file that the line names. `--debug`, or the environment variable
`{}=1`, prints the traceback of every error. The stages ({}), which Snakemake runs, always print
the traceback of a bug and end with 1; it stands in `results/<audit>/logs/<stage>/`.
"""
JSON_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}
RESUME = "Run the same command again: it resumes where it stopped."
EXIT_CODES = {
    ExitCode.FINE: ("The command did what was asked, and found nothing wrong.", "Nothing."),
    ExitCode.FOUND: (
        "`check`, `doctor` or `compare` found something, `explain` cannot explain the video, or a job failed: the disk "
        "is full, or a bug ended a stage.",
        "Read the lines that were printed; each problem names its next step.",
    ),
    ExitCode.USAGE: (
        "Bad input: an option, a configuration, a file that is missing or holds something else; or a condition of "
        "`compare` that has no answer.",
        "Do what the message says, and run again.",
    ),
    ExitCode.BUG: (
        "An unexpected error, in stepaudit or in a component of your own, ended a command that is no stage.",
        "Look at the log that the message names, or run again with `--debug`.",
    ),
    ExitCode.AGAIN: (
        "The job was stopped before its end (SIGTERM, a time limit, too much memory); finished rows are saved.",
        RESUME,
    ),
    ExitCode.INTERRUPTED: ("Ctrl-C.", RESUME),
    ExitCode.CLOSED: (
        "The reader of the output has closed it, as `head` does.",
        "Nothing; with `set -o pipefail` a shell takes it for a failure, as of any program.",
    ),
}


def pages() -> dict[Path, str]:
    """Current text of each reference page, by its path in the checkout."""
    parts = {
        ROOT / "config" / "README.md": config_reference(),
        ROOT / "reports" / "README.md": reports_table(),
        ROOT / "docs" / "sql.md": questions_table(),
        ROOT / "docs" / "compare.md": quantities_table(),
    }
    return {
        ROOT / "reports" / "TABLES.md": tables_page(),
        ROOT / "docs" / "commands.md": commands_page(),
        **{path: _replaced(path.read_text(), part) for path, part in parts.items()},
    }


def _replaced(page: str, part: str) -> str:
    """A page with the part between the marks replaced."""
    before, _, rest = page.partition(MARKS[0])
    return f"{before}{MARKS[0]}\n\n{part}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}"


def tables_page() -> str:
    """Page of all tables, columns and statuses."""
    parts = [
        f"# Tables\n\nWritten by `{COMMAND}` from `stepaudit/store/schema.py` and `stepaudit/errors.py`; edit those.\n",
        f"Schema version {SCHEMA_VERSION}. A table is a folder of Parquet files below `results/<audit>/`; the columns "
        "in the path are not repeated in the files. Columns marked *heavy* are left out of `audit.duckdb`.\n",
        *map(_table, TABLES.values()),
        "## Statuses\n",
        _grid(["status", "meaning"], ([f"`{name}`", text or ""] for name, text in STATUSES.items())),
    ]
    return "\n".join(parts)


def commands_page() -> str:
    """Page of all commands, arguments, options and exit statuses."""
    app = command_pages.app()
    commands = dict(command_pages.commands(app))
    summaries = ([f"[`{name}`](#{name.replace(' ', '-')})", each.summary] for name, each in commands.items())
    parts: list[str] = [
        f"# Commands\n\nWritten by `{COMMAND}` from `stepaudit/cli.py`; edit that.\n",
        f"{app.info.help} `--help` after a command prints the same as this page.\n",
        _grid(["command", "what it does"], summaries),
        "## Options of every command\n",
        _grid(["option", "value", "default", "meaning"], command_pages.rows(app.registered_callback.callback)),
        "`--install-completion` and `--show-completion` set up the completion of names by the shell.\n",
        "## Exit statuses\n",
        _grid(
            ["status", "name", "meaning", "what to do"],
            ([str(int(code)), code.name.lower(), *EXIT_CODES[code]] for code in ExitCode),
        ),
        ERRORS.format(_exit_codes.VARIABLE, ", ".join(f"`{job}`" for job in _exit_codes.JOBS)),
        *(f"## `{name}`\n\n{each.section()}" for name, each in commands.items()),
    ]
    return "\n".join(parts)


def config_reference() -> str:
    """All keys of the configuration, and all components with their options."""
    parts = ["## Every key\n"]
    for heading, section in SECTIONS.items():
        parts += [f"### {heading}\n", _grid(["key", "value", "default", "meaning"], _keys(section))]
    for kind, title in TITLES.items():
        parts += [f"## {title}\n", *map(_component, own_components(kind))]
    return "\n".join(parts)


def reports_table() -> str:
    """All reports with their questions, in the order of the page."""
    titles = ((report, report.title.partition(": ")[2]) for report in sql_files.all_reports())
    rows = ([f"`{report.name}`", title[0].upper() + title[1:], report.paper] for report, title in titles)
    return _grid(["report", "question", "paper"], rows)


def questions_table() -> str:
    """All worked questions."""
    questions = worked_questions.all_questions().values()
    return _grid(["name", "question"], ([f"`{each.name}`", each.asks] for each in questions))


def quantities_table() -> str:
    """All numbers of a comparison of two models."""
    rows = ([f"`{name}{quantities.OF.get(name, '')}`", text] for name, text in quantities.FAMILIES.items())
    return _grid(["quantity", "meaning"], rows)


def own_components(kind: str) -> list[registry.Component]:
    """Components of this package, without those of other installed packages."""
    return [each for each in registry.components(kind).values() if each.origin.startswith(f"stepaudit.{kind}.")]


def summary(component: registry.Component) -> str:
    """First line of a component's file."""
    return (ast.get_docstring(_tree(component)) or "").split("\n")[0]


def argument_texts(component: registry.Component) -> dict[str, str]:
    """Description of each argument of a component's function, on one line; "as for `name`." is looked up there."""
    name = component.origin.partition(":")[2]
    function = next(node for node in _tree(component).body if isinstance(node, ast.FunctionDef) and node.name == name)
    block = re.search(r"^Args:\n((?:    .*\n?|\n)+)", ast.get_docstring(function) or "", re.M)
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", block[1] if block else "", re.M)
    texts = {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}
    others = {name: re.fullmatch(r"as for `(\w+)`\.", text) for name, text in texts.items()}
    shared = {name: argument_texts(registry.find(component.kind, of[1]))[name] for name, of in others.items() if of}
    return texts | shared


def _tree(component: registry.Component) -> ast.Module:
    if component.source is None:
        raise ValueError(f"{component.name}: its source is not known")
    return ast.parse(component.source.read_text())


def _table(table: Table) -> str:
    folders = "".join(f"/{name}=…" for name in table.partitions)
    head = f"## `{table.name}`: {table.grain}\n\n`{table.name}{folders}/*.parquet`\n"
    rows = ([f"`{each.name}`", _arrow(each.type), _marks(table, each.name), each.text] for each in table.columns)
    return f"{head}\n{_grid(['column', 'type', '', 'meaning'], rows)}"


def _marks(table: Table, name: str) -> str:
    heavy = any(column.heavy for column in table.columns if column.name == name)
    marks = {"key": name in table.key_names, "in the path": name in table.partitions, "*heavy*": heavy}
    return ", ".join(mark for mark, holds in marks.items() if holds)


def _arrow(kind: pa.DataType) -> str:
    return f"list of {_arrow(kind.value_type)}" if pa.types.is_list(kind) else ARROW_TYPES[kind]


def _keys(section: type[BaseModel]) -> Iterator[list[str]]:
    schema = section.model_json_schema()
    for name, field in section.model_fields.items():
        default = "the entry's name" if name == "use" else _default(field.default)
        yield [f"`{name}`", _kind(schema["properties"][name]), default, field.description or ""]


def _kind(schema: dict) -> str:
    """A JSON schema in words."""
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "$ref" in schema or schema.get("type") == "object":
        return "section"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        *others, last = (f"`{value}`" for value in schema["enum"])
        return f"{', '.join(others)} or {last}"
    if schema.get("type") == "array":
        return re.sub(r"^list of (whole number|number|text)", r"list of \1s", f"list of {_kind(schema['items'])}")
    if schema.get("format") == "path":
        return "path"
    return JSON_TYPES[schema["type"]] + _range(schema)


def _range(schema: dict) -> str:
    if {"minimum", "maximum"} <= schema.keys():
        return f" from {schema['minimum']:.10g} to {schema['maximum']:.10g}"
    signs = {">": "exclusiveMinimum", "≥": "minimum", "<": "exclusiveMaximum", "≤": "maximum"}
    bounds = [f"{sign} {json.dumps(schema[name])}" for sign, name in signs.items() if name in schema]
    return f" {' and '.join(bounds)}" if bounds else ""


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "*required*"
    if isinstance(value, BaseModel):
        return "see below"
    if value in (None, [], {}):
        return "none"
    return f"`{value if isinstance(value, str | Path) else json.dumps(value)}`"


def _component(component: registry.Component) -> str:
    texts, options = argument_texts(component), component.options or {}
    rows = (
        [
            f"`{name}`",
            _annotated(annotation) + _limits(component, name),
            _default(ast.literal_eval(default)),
            _sentence(texts.get(name, "")),
        ]
        for name, (annotation, default) in options.items()
    )
    head = f"### `{component.name}`\n\n{summary(component)}\n"
    return f"{head}\n{_grid(['option', 'value', 'default', 'meaning'], rows)}" if options else head


def _annotated(source: str) -> str:
    """A type annotation in words."""
    return _kind(TypeAdapter(registry.type_of(source)).json_schema())


def _limits(component: registry.Component, option: str) -> str:
    limits = component.ranges.get(option)
    return "" if limits is None else f" from {limits[0]:.10g} to {limits[1]:.10g}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].isascii() else text  # σ stays small


def _grid(names: list[str], rows: Iterable[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Update the pages."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
