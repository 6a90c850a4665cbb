"""The two sides of a comparison: a model of an audit each, what it measured, and what may be compared."""

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
COMPONENTS = "select * exclude (options) from {kind} order by rowid"


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
        """A query's rows; `$model` and the names of `values` that stand in it are filled in."""
        given = {name: value for name, value in {"model": self.model, **values}.items() if f"${name}" in sql}
        try:
            return self.connection.sql(sql, params=given).to_arrow_table()
        except duckdb.Error as error:
            raise UsageError(
                f"{self.folder}: {str(error).splitlines()[0]}; was it made by another version? "
                f"`stepaudit report {self.folder}` makes its database anew"
            ) from error

    def rows(self, sql: str, **values: object) -> list[dict]:
        return self.arrow(sql, **values).to_pylist()

    @cached_property
    def config(self) -> dict:
        """The audit's configuration."""
        return json.loads(self.rows("select config::varchar as config from audit")[0]["config"])

    @cached_property
    def size(self) -> str:
        """Of the clips that the model takes."""
        return self.rows("select size from models where name = $model")[0]["size"]

    def components(self, kind: str) -> dict[str, dict]:
        """The configuration's methods or metrics by name, with what decides their values."""
        return {row["name"]: row for row in self.rows(COMPONENTS.format(kind=kind))}


@contextmanager
def opened(a: str, b: str) -> Iterator[tuple[Side, Side]]:
    """The two sides, from `results/audit` or `results/audit:model` each; `:model` is of the same audit as `a`.

    Without a model both sides have the only one whose name both audits have.

    Raises:
        UsageError: there is no such audit or model, its database is not there or not of its tables, or a model must be
            named.
    """
    (first, one), (second, two) = _parts(a), _parts(b)
    if first is None:
        raise UsageError(f"'{a}' names no audit; write the folder of its results first, such as results/demo{a}")
    second = second or first
    with ExitStack() as stack:
        of_first = stack.enter_context(database.connect(first))
        same = first.resolve() == second.resolve()  # a process opens a database once
        connections = [of_first, of_first if same else stack.enter_context(database.connect(second))]
        known = [[row[0] for row in database.fetch(each, MODELS)[1]] for each in connections]
        models = _models((first, second), (one, two), known)
        yield tuple(map(Side, "AB", (first, second), models, connections))


def notes(a: Side, b: Side) -> list[str]:
    """What a reader must know of the two audits: not finished, of different versions or settings."""
    sides = [a] if a.folder == b.folder else [a, b]
    found = [text for side in sides for text in (*_unfinished(side), *_outdated(side))]
    versions = {str(side): side.rows("select stepaudit from audit")[0]["stepaudit"] for side in sides}
    if len(set(versions.values())) > 1:
        found.append("made by different versions: " + ", ".join(f"{side} by {each}" for side, each in versions.items()))
    if a.size != b.size:
        found.append(f"the models take clips of different size, {a.size} and {b.size}, cut from the same frames")
    for kind in ("methods", "metrics"):
        if others := sorted(set(a.components(kind)) & set(b.components(kind)) - set(alike(a, b, kind))):
            found.append(f"{kind} left out, whose settings differ: {', '.join(others)}")
    searches = [side.config["preserve"] for side in (a, b)]
    if searches[0]["share"] != searches[1]["share"]:
        found.append("minimum ratios left out: `preserve.share` differs")
    elif any(searches[0][key] != searches[1][key] for key in ("grid", "tolerance")):
        found.append("minimum ratios were searched on different grids (`preserve.grid`, `tolerance`)")
    return found


def alike(a: Side, b: Side, kind: str) -> list[str]:
    """Names of the methods or metrics that both have with the same settings, in the configuration's order."""
    one, other = _deciding(a, kind), _deciding(b, kind)
    return [name for name in one if one[name] == other.get(name)]


def methods(a: Side, b: Side) -> list[str]:
    """Methods that may be compared: alike, and none that ignores the model."""
    floors = {row["method"] for row in a.rows("select method from method_roles where is_floor")}
    return [name for name in alike(a, b, "methods") if name not in floors]


def searched(a: Side, b: Side) -> list[str]:
    """Methods whose minimum preservation ratios may be compared."""
    shares = {side.config["preserve"]["share"] for side in (a, b)}
    asked = [name for name in a.config["preserve"]["methods"] if name in alike(a, b, "methods")]
    return asked if len(shares) == 1 else []


def _deciding(side: Side, kind: str) -> dict[str, tuple]:
    """What decides the values of each component: what it uses and its settings, not for which ratios it was asked."""
    whole = side.config[kind]
    keys = {"methods": ("target",), "metrics": ("annotation",)}[kind]
    return {
        name: (row["use"], row["settings"], *(whole.get(name, {}).get(key) for key in keys))
        for name, row in side.components(kind).items()
    }


def _parts(text: str) -> tuple[Path | None, str | None]:
    """Folder and model. A folder that is there may have a colon in its name."""
    folder, colon, model = text.rpartition(":")
    if not colon or Path(text).is_dir():
        return Path(text), None
    return Path(folder) if folder else None, model or None


def _models(folders: Sequence[Path], asked: Sequence[str | None], known: Sequence[list[str]]) -> list[str]:
    for folder, model, names in zip(folders, asked, known, strict=True):
        if model and model not in names:
            raise UsageError(f"{folder} has no model '{model}'{did_you_mean(model, names)}")
    if all(asked):
        return list(asked)
    common = [name for name in known[0] if name in known[1]]
    if any(asked) and folders[0] != folders[1]:
        named = asked[0] or asked[1]
        if named in common:
            return [named, named]
        raise UsageError(f"only one of the audits has a model '{named}'; name the other's, {_example(folders, known)}")
    if len(common) == 1 and folders[0] != folders[1]:
        return common * 2
    raise UsageError(f"say which models are compared, {_example(folders, known)}")


def _example(folders: Sequence[Path], known: Sequence[list[str]]) -> str:
    """How to name two models."""
    a, b = known[0][0], known[1][-1]
    second = f"{folders[1]}:{b}" if folders[0] != folders[1] else f":{b}"
    return f"such as `stepaudit compare {folders[0]}:{a} {second}` (known: {', '.join(sorted({*known[0], *known[1]}))})"


def _unfinished(side: Side) -> list[str]:
    missing = side.rows("select coalesce(sum(missing), 0)::bigint as missing from coverage")[0]["missing"]
    return [f"{side.folder} is not finished: {missing} rows are missing"] if missing else []


def _outdated(side: Side) -> list[str]:
    """Whether the database was made of the tables that lie beside it, as far as the records of their jobs tell."""
    try:
        audit = audit_folder.of_folder(side.folder)
        records = [side.folder / name for name in audit.records if (side.folder / name).exists()]
        written = {row["outputs"] for row in tables.read("runs", *records)}
    except UsageError as error:
        return [f"whether {side.folder / database.FILE} is of these tables is unknown: {error}"]
    copied = {row["outputs"] for row in side.rows("select outputs from runs")}
    if written - copied - {None}:
        raise UsageError(
            f"{side.folder / database.FILE} is older than the tables beside it; run `stepaudit report {side.folder}`"
        )
    return []
