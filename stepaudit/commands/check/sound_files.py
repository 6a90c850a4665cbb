"""Whether each file of an audit is the one that its job wrote, bit by bit, from the files that are there now."""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepaudit.audit.audit_folder import Audit, Problem
from stepaudit.audit.jobs import Job, written_by
from stepaudit.errors import UsageError
from stepaudit.store import seal, tables
from stepaudit.version import __version__

OF_FILE = ("dataset", "size", "model", "method", "shard")


@dataclass(frozen=True)
class Stamp:
    """The seal that a file carries, if any, and the one that it should carry."""

    carried: str | None
    computed: str


def problems(audit: Audit) -> tuple[list[Problem], dict[str, dict]]:
    """What is wrong with tables, checkpoints and records one by one; and the sound records, by name."""
    stamps = _stamps(audit)
    told = {name: _record(audit, name, stamps) for name in audit.records}
    records = {name: row for name, row in told.items() if isinstance(row, dict)}
    wrong = [problem for problem in told.values() if isinstance(problem, Problem)]
    return [*wrong, *_of_files(audit, stamps, records), *_of_inputs(audit, records)], records


def _stamps(audit: Audit) -> dict[str, Stamp | OSError]:
    """Of every file that should be there and is. Files are read side by side: hashing leaves Python's lock alone."""
    names = [name for name in [*audit.records, *audit.files] if (audit.folder / name).is_file()]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda name: _stamp(audit.folder / name), names), strict=True))


def _stamp(path: Path) -> Stamp | OSError:
    try:
        return Stamp(seal.read(path), seal.computed(path))
    except OSError as error:  # a bad sector, or a file that is not ours to read
        return error


def _record(audit: Audit, name: str, stamps: Mapping[str, Stamp | OSError]) -> dict[str, Any] | Problem | None:
    """The row of `runs` that a job has left, its inputs and outputs read; None if there is none."""
    job, stamp = audit.records[name], stamps.get(name)
    if stamp is None:
        return None
    if problem := _unsound(audit, name, job, stamp):
        return problem
    (row,) = tables.read("runs", audit.folder / name, columns=["stage", "keys", "config_hash", "inputs", "outputs"])
    if (row["stage"], json.loads(row["keys"])) != job:
        return Problem("foreign", name, f"it is the record of {_named(row['stage'], json.loads(row['keys']))}", job)
    return {**row, "inputs": json.loads(row["inputs"]), "outputs": json.loads(row["outputs"])}


def _of_files(audit: Audit, stamps: Mapping[str, Stamp | OSError], records: Mapping[str, dict]) -> Iterator[Problem]:
    """Missing, damaged and foreign files."""
    wrote = {name: output["seal"] for record in records.values() for name, output in record["outputs"].items()}
    places = {digest: name for name, digest in wrote.items()}
    for name, job in audit.files.items():
        stamp, record = stamps.get(name), audit.record(job)
        if stamp is None:
            yield Problem("missing", name, "", job)
        elif problem := _unsound(audit, name, job, stamp):
            yield problem
        elif name not in wrote:
            if record in records or record not in stamps:  # a damaged record is told already
                yield Problem("unrecorded", name, "", job)
        elif stamp.computed != wrote[name]:
            yield _replaced(name, job, places.get(stamp.computed))


def _unsound(audit: Audit, name: str, job: Job, stamp: Stamp | OSError) -> Problem | None:
    """What is wrong with a file by itself."""
    if isinstance(stamp, OSError):
        return Problem("damaged", name, f"it cannot be read ({stamp.strerror})", job)
    if not name.endswith(".parquet"):
        return None
    path, table = audit.folder / name, Path(name).parts[0]
    try:
        about = tables.metadata(path)
    except UsageError as error:
        return Problem("damaged", name, f"it is no Parquet file ({' '.join(str(error.__cause__).split())})", job)
    if about["schema"] != str(tables.SCHEMA_VERSION) and (stamp.carried is None or stamp.carried == stamp.computed):
        return Problem("version", name, f"it has table schema {about['schema']}, not {tables.SCHEMA_VERSION}", job)
    if stamp.carried != stamp.computed:
        return Problem("damaged", name, "its bytes have changed since it was written", job)
    try:
        tables.check_schema(table, path)
    except UsageError:
        return Problem("foreign", name, f"its columns are not those of the table '{table}'", job)
    return _elsewhere(audit, name, job, about)


def _elsewhere(audit: Audit, name: str, job: Job, about: Mapping[str, Any]) -> Problem | None:
    """A sound file of another job, version or configuration."""
    stage, keys = job
    if "stage" not in about:
        return Problem("foreign", name, "no job of an audit wrote it", job)
    if (about["stage"], about["keys"]) != job:
        return Problem("foreign", name, f"it is a file of {_named(about['stage'], about['keys'])}", job)
    if about["version"] != __version__:
        return Problem("version", name, f"stepaudit {about['version']} wrote it, this is {__version__}", job)
    if about["settings"] != audit.config.decides(stage, **keys):
        return Problem("foreign", name, f"the settings of {_named(stage, keys)} were others", job)
    return None


def _replaced(name: str, job: Job, place: str | None) -> Problem:
    """A file that is not the one that its job has recorded."""
    if place is not None and place != name:
        return Problem("foreign", name, f"it is the file {place}", job)
    if name.endswith(".parquet"):
        return Problem("foreign", name, "it is whole, but not the file that its job has recorded", job)
    return Problem("damaged", name, "its bytes are not those that its job has recorded", job)


def _of_inputs(audit: Audit, records: Mapping[str, dict]) -> Iterator[Problem]:
    """Files that were made from others than those that are recorded now."""
    now = {name: output["seal"] for record in records.values() for name, output in record["outputs"].items()}
    for record, row in records.items():
        job = audit.records[record]
        other = [name for name, digest in row["inputs"].items() if now.get(name, digest) != digest]
        gone = [name for name in row["inputs"] if name not in audit.files]
        if other or gone:
            text = f"another {other[0]} than is there" if other else f"{gone[0]}, which is not of this configuration"
            yield Problem("foreign", audit.name(written_by(audit.config, *job)[0]), f"made from {text}", job)


def _named(stage: str, keys: Mapping[str, str]) -> str:
    return f"`{stage}` of {', '.join(keys[key] for key in OF_FILE if key in keys)}"
