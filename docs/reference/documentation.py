"""The reference pages, made from the code: `python -m docs.reference.documentation` writes them anew in a checkout.

`reports/TABLES.md` describes every column and status, `docs/commands.md` every command, `docs/sql_views.md` every view.
In `config/README.md` the part between two marks lists every key of the configuration and every component with its
options.
"""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined
from typer.models import CommandInfo

from docs.reference import command_pages, view_pages
from stepaudit.audit import registry
from stepaudit.audit.config import Config
from stepaudit.audit.sections import Clips, ClipSize, Dataset, Jobs, Method, Metric, Model, Preserve, Training
from stepaudit.errors import STATUSES
from stepaudit.store.schema import SCHEMA_VERSION, TABLES, Table

ROOT = Path(__file__).parents[2]
COMMAND = "python -m docs.reference.documentation"
MARKS = (f"<!-- from here on written by `{COMMAND}` -->", "<!-- until here -->")
SECTIONS: dict[str, type[BaseModel]] = {
    "The whole": Config,
    "`clips`": Clips,
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
TYPES = {
    pa.string(): "text",
    pa.int32(): "int32",
    pa.float64(): "double",
    pa.float32(): "float",
    pa.float16(): "float16",
    pa.bool_(): "bool",
    pa.binary(): "bytes",
}
WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}


def pages() -> dict[Path, str]:
    """The text that each reference page should have, by its path in the checkout."""
    keys = ROOT / "config" / "README.md"
    before, _, rest = keys.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return {
        ROOT / "reports" / "TABLES.md": tables_page(),
        ROOT / "docs" / "commands.md": commands_page(),
        ROOT / "docs" / "sql_views.md": view_pages.page(COMMAND),
        keys: f"{before}{MARKS[0]}\n\n{config_reference()}\n{MARKS[1]}{after}",
    }


def tables_page() -> str:
    """Every table with its columns, and every status."""
    parts = [
        f"# Tables\n\nWritten by `{COMMAND}` from `stepaudit/store/tables.py` and `stepaudit/errors.py`; edit those.\n",
        f"Schema version {SCHEMA_VERSION}. A table is a folder of Parquet files below `results/<audit>/`; the columns "
        "in the path are not repeated in the files. Columns marked *heavy* are left out of `audit.duckdb`.\n",
        *map(_table, TABLES.values()),
        "## Statuses\n",
        _grid(["status", "meaning"], ([f"`{name}`", text] for name, text in STATUSES.items())),
    ]
    return "\n".join(parts)


def commands_page() -> str:
    """Every command with its arguments and options."""
    app = command_pages.app()
    found = dict(command_pages.commands(app))
    parts = [
        f"# Commands\n\nWritten by `{COMMAND}` from `stepaudit/cli.py`; edit that.\n",
        f"{app.info.help} Each command tells the same with `--help`. How they end: [exit_codes.md](exit_codes.md).\n",
        _grid(["command", "what it does"], ([_link(name), _about(info)] for name, info in found.items())),
        "## Before or behind any command\n",
        _grid(["option", "value", "default", "meaning"], command_pages.rows(app.registered_callback.callback)),
        "`--install-completion` and `--show-completion` set up the completion of names by the shell.\n",
    ]
    for name, info in found.items():
        head = f"## `{name}`\n\n{_about(info)}\n\n```text\n{command_pages.usage(name, info)}\n```\n"
        parts += [head, _grid(["argument or option", "value", "default", "meaning"], command_pages.rows(info.callback))]
    return "\n".join(parts)


def _link(name: str) -> str:
    return f"[`{name}`](#{name.replace(' ', '-')})"


def _about(info: CommandInfo) -> str:
    return " ".join((info.help or info.callback.__doc__).split())


def config_reference() -> str:
    """Every key of the configuration, and every component with its options."""
    parts = ["## Every key\n"]
    for title, section in SECTIONS.items():
        parts += [f"### {title}\n", _grid(["key", "value", "default", "meaning"], _keys(section))]
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n")
        parts += [_component(component) for component in own_components(kind)]
    return "\n".join(parts)


def own_components(kind: str) -> list[registry.Component]:
    """The components of this package, without those that other installed packages add."""
    return [found for found in registry.components(kind).values() if found.origin.startswith(f"stepaudit.{kind}.")]


def about(component: registry.Component) -> str:
    """The first line of a component's file."""
    return (ast.get_docstring(ast.parse(component.source.read_text())) or "").split("\n")[0]


def argument_texts(component: registry.Component) -> dict[str, str]:
    """What the docstring of a component's function says of each argument, on one line."""
    functions = {node.name: node for node in ast.parse(component.source.read_text()).body if hasattr(node, "args")}
    text = ast.get_docstring(functions[component.origin.partition(":")[2]]) or ""
    block = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, re.M)
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", block[1] if block else "", re.M)
    return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}


def _table(table: Table) -> str:
    folders = "".join(f"/{name}=…" for name in table.partitions)
    head = f"## `{table.name}`: {table.grain}\n\n`{table.name}{folders}/*.parquet`\n"
    rows = (
        [f"`{column.name}`", _arrow(column.type), _marks(table, column.name), column.text] for column in table.columns
    )
    return f"{head}\n{_grid(['column', 'type', '', 'meaning'], rows)}"


def _marks(table: Table, name: str) -> str:
    heavy = any(column.heavy for column in table.columns if column.name == name)
    known = {"key": name in table.key_names, "in the path": name in table.partitions, "*heavy*": heavy}
    return ", ".join(mark for mark, holds in known.items() if holds)


def _arrow(kind: pa.DataType) -> str:
    return f"list of {_arrow(kind.value_type)}" if pa.types.is_list(kind) else TYPES[kind]


def _keys(section: type[BaseModel]) -> Iterable[list[str]]:
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
    return WORDS[schema["type"]] + _range(schema)


def _range(schema: dict) -> str:
    bounds = {">": "exclusiveMinimum", "≥": "minimum", "<": "exclusiveMaximum", "≤": "maximum"}
    known = [f"{sign} {json.dumps(schema[name])}" for sign, name in bounds.items() if name in schema]
    return f" {' and '.join(known)}" if known else ""


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
        [f"`{name}`", _annotated(annotation), _default(ast.literal_eval(default)), _sentence(texts.get(name, ""))]
        for name, (annotation, default) in options.items()
    )
    head = f"### `{component.name}`\n\n{about(component)}\n"
    return f"{head}\n{_grid(['option', 'value', 'default', 'meaning'], rows)}" if options else head


def _annotated(source: str) -> str:
    """A type annotation of our own code in words."""
    kind = eval(source, {"__builtins__": {}}, registry.ANNOTATION_NAMES)
    return _kind(TypeAdapter(kind).json_schema())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].isascii() else text  # σ stays small


def _grid(names: list[str], rows: Iterable[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Writes the pages."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
