"""The two sides of a comparison: a model of an audit each, its results, and the settings that decide comparability."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa

from stepaudit.audit import audit_folder
from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import database, tables

MODELS = """
    select name from models
    where name not in (select key from audit, json_each(config, '$.models') where value ->> '$.of' is not null)
    order by rowid
"""
DECIDING = {"methods": "target", "metrics": "annotation"}  # the key that decides values besides the settings


@dataclass(frozen=True)
class Side:
    """A model of an audit whose database is open."""

    letter: str
    folder: Path
    model: str
    connection: duckdb.DuckDBPyConnection = field(repr=False)

    def __str__(self) -> str:
        return f"{self.folder}:{self.model}"

    def arrow(self, sql: str, **values: object) -> pa.Table:
        """The rows of a query; `$model` and the names of `values` are filled in where they occur."""
        params = {name: value for name, value in {"model": self.model, **values}.items() if f"${name}" in sql}
        try:
            return self.connection.sql(sql, params=params).to_arrow_table()
        except duckdb.Error as error:
            raise UsageError(
                f"{self.folder}: {str(error).splitlines()[0]}; if another version made the database, run "
                f"`stepaudit report {self.folder}`"
            ) from error

    def rows(self, sql: str, **values: object) -> list[dict]:
        return self.arrow(sql, **values).to_pylist()

    @cached_property
    def config(self) -> dict:
        """The audit's configuration."""
        return json.loads(self.rows("select config::varchar as config from audit")[0]["config"])

    @cached_property
    def size(self) -> str:
        """Frames, height and width of the model's clips."""
        return self.rows("select size from models where name = $model")[0]["size"]

    def settings(self, kind: str) -> dict[str, tuple]:
        """Everything that decides the values of each method or metric, by name, in the configuration's order."""
        entries, key = self.config[kind], DECIDING[kind]
        return {
            row["name"]: (row["use"], row["settings"], entries.get(row["name"], {}).get(key))
            for row in self.rows(f"from {kind} order by rowid")
        }


@contextmanager
def opened(a: str, b: str) -> Iterator[tuple[Side, Side]]:
    """The two sides, from `results/audit` or `results/audit:model` each; `:model` is of the same audit as `a`.

    Without a model both sides have the only one whose name both audits have.

    Raises:
        UsageError: there is no such audit or model, its database is not there or not of its tables, or a model must be
            named.
    """
    (first, one), (second, two) = _folder_and_model(a), _folder_and_model(b)
    if first is None:
        raise UsageError(f"'{a}' names no audit; write the folder of its results first, such as results/demo{a}")
    second = second or first
    with ExitStack() as stack:
        connection = stack.enter_context(database.connect(first))
        same = first.resolve() == second.resolve()  # a process opens a database once
        connections = (connection, connection if same else stack.enter_context(database.connect(second)))
        known = [[name for (name,) in database.fetch(each, MODELS)[1]] for each in connections]
        models = _models_of_sides((first, second), (one, two), known)
        yield Side("A", first, models[0], connections[0]), Side("B", second, models[1], connections[1])


def with_folders(texts: Sequence[str]) -> list[str]:
    """Sides with the folder of the audit named before, where they name a model alone. Raises UsageError without any."""
    named, folder = [], None
    for text in texts:
        own, model = _folder_and_model(text)
        if own is None and folder is None:
            raise UsageError(f"'{text}' names no audit; write the folder of its results first, results/demo{text}")
        named.append(text if own is not None else f"{folder}:{model}")
        folder = own or folder
    return named


def notes(a: Side, b: Side) -> list[str]:
    """Warnings about the two audits: not finished, of different versions, precision or settings."""
    sides = [a] if a.folder == b.folder else [a, b]
    texts = [text for side in sides for text in _missing_row_warnings(side)]
    versions = {str(side): side.rows("select stepaudit from audit")[0]["stepaudit"] for side in sides}
    if len(set(versions.values())) > 1:
        texts.append("made by different versions: " + ", ".join(f"{side} by {each}" for side, each in versions.items()))
    precisions = [side.config["precision"] for side in (a, b)]
    if len(set(precisions)) > 1:
        texts.append(f"computed in different precision: A in {precisions[0]}, B in {precisions[1]}")
    if a.size != b.size:
        texts.append(f"the models take clips of different size, {a.size} and {b.size}, of the same videos")
    for kind in DECIDING:
        if others := sorted(a.settings(kind).keys() & b.settings(kind).keys() - set(alike(a, b, kind))):
            texts.append(f"{kind} left out, whose settings differ: {', '.join(others)}")
    searches = [side.config["preserve"] for side in (a, b)]
    if searches[0]["share"] != searches[1]["share"]:
        texts.append("minimum ratios left out: `preserve.share` differs")
    elif any(searches[0][key] != searches[1][key] for key in ("grid", "tolerance")):
        texts.append("minimum ratios were searched on different grids (`preserve.grid`, `tolerance`)")
    return texts


def alike(a: Side, b: Side, kind: str) -> list[str]:
    """Names of the methods or metrics that both have with the same settings, in the configuration's order."""
    others = b.settings(kind)
    return [name for name, settings in a.settings(kind).items() if settings == others.get(name)]


def methods(a: Side, b: Side) -> list[str]:
    """Methods that may be compared: with the same settings, and none that ignores the model."""
    floors = {row["method"] for row in a.rows("select method from method_roles where is_floor")}
    return [name for name in alike(a, b, "methods") if name not in floors]


def searched(a: Side, b: Side) -> list[str]:
    """Methods whose minimum preservation ratios may be compared."""
    if a.config["preserve"]["share"] != b.config["preserve"]["share"]:
        return []
    return [name for name in a.config["preserve"]["methods"] if name in alike(a, b, "methods")]


def _folder_and_model(text: str) -> tuple[Path | None, str | None]:
    """Folder and model. A folder that exists may have a colon in its name."""
    folder, colon, model = text.rpartition(":")
    if not colon or Path(text).is_dir():
        return Path(text), None
    return Path(folder) if folder else None, model or None


def _models_of_sides(folders: Sequence[Path], requested: Sequence[str | None], known: Sequence[list[str]]) -> list[str]:
    """The models of both sides. Raises UsageError if one is unknown or not named."""
    for folder, model, names in zip(folders, requested, known, strict=True):
        if not names:
            raise UsageError(f"{folder} has only controls, which are not compared; name an audit of a model")
        if model and model not in names:
            raise UsageError(f"{folder} has no model '{model}'{did_you_mean(model, names)}")
    models = [model for model in requested if model]
    same = folders[0] == folders[1]
    if len(models) == 2:
        return models
    shared = [name for name in known[0] if name in known[1] and name in (models or [name])]
    if not same and len(shared) == 1:
        return shared * 2
    first = requested[0] or next((name for name in known[0] if name != requested[1]), known[0][0])
    second = requested[1] or next((name for name in reversed(known[1]) if name != first), known[1][-1])
    example = f"such as `stepaudit compare {folders[0]}:{first} {'' if same else folders[1]}:{second}`"
    choice = f"(known: {', '.join(sorted({*known[0], *known[1]}))})"
    if models and not same:
        raise UsageError(f"only one of the audits has a model '{models[0]}'; name the other's, {example} {choice}")
    raise UsageError(f"say which models are compared, {example} {choice}")


def _missing_row_warnings(side: Side) -> Iterator[str]:
    """Warnings if rows are missing. Raises UsageError if the database is older than the tables beside it."""
    if missing := side.rows("select coalesce(sum(missing), 0)::bigint as missing from coverage")[0]["missing"]:
        yield f"{side.folder} is not finished: {missing} rows are missing"
    try:
        audit = audit_folder.of_folder(side.folder)
        records = [side.folder / name for name in audit.records if (side.folder / name).exists()]
        written = {row["outputs"] for row in tables.read("runs", *records)}
    except UsageError as error:
        yield f"it is not known if {side.folder / database.FILE} is of these tables: {error}"
        return
    if written - {row["outputs"] for row in side.rows("select outputs from runs")} - {None}:
        raise UsageError(
            f"{side.folder / database.FILE} is older than the tables beside it; run `stepaudit report {side.folder}`"
        )
