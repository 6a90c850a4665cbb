"""Files of an audit compared with the table `runs`: missing, damaged, foreign, stale and unrecorded ones."""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stepaudit.audit import decides
from stepaudit.audit.audit_folder import Audit, Problem
from stepaudit.audit.jobs import WRITES, Job
from stepaudit.errors import UsageError
from stepaudit.store import checksums, schema, tables
from stepaudit.version import __version__

OF_FILE = ("dataset", "size", "model", "method", "shard")
COLUMNS = ["stage", "keys", "config_hash", "inputs", "outputs"]


def problems(audit: Audit) -> tuple[list[Problem], dict[str, dict]]:
    """Problems of tables, checkpoints and records one by one; and the sound records, by name."""
    read = {name: _record(audit, name) for name in audit.records if (audit.folder / name).is_file()}
    records = {name: row for name, row in read.items() if isinstance(row, dict)}
    wrong = {name: problem for name, problem in read.items() if isinstance(problem, Problem)}
    return [*wrong.values(), *_file_problems(audit, records, wrong), *_stale_input_problems(audit, records)], records


def _record(audit: Audit, name: str) -> dict[str, Any] | Problem:
    """Row of `runs` of a job, with its inputs and outputs as dicts, or the problem of its file."""
    path, job = audit.folder / name, audit.records[name]
    try:
        matches, about = checksums.matches_embedded(path), tables.metadata(path)
    except OSError as error:
        return _unreadable(name, error, job)
    except UsageError as error:
        return _no_parquet(name, error, job)
    if matches is False or (matches is None and about["schema"] == str(schema.SCHEMA_VERSION)):
        return Problem("damaged", name, "its bytes have changed since it was written", job)
    if problem := _metadata_problem(audit, name, job, about):
        return problem
    (row,) = tables.read("runs", path, columns=COLUMNS)
    return {**row, "inputs": json.loads(row["inputs"]), "outputs": json.loads(row["outputs"])}


def _file_problems(audit: Audit, records: Mapping[str, dict], wrong: Mapping[str, Problem]) -> Iterator[Problem]:
    """Problems of files: missing, damaged, of another file, of another version, stale, or without a record.

    Args:
        records: rows of `runs` that are intact, by the name of their file.
        wrong: problems of the other records, likewise.
    """
    expected = {name: output["sha256"] for record in records.values() for name, output in record["outputs"].items()}
    names = {digest: name for name, digest in expected.items()}
    digests = _digests(audit)
    for name, job in audit.files.items():
        digest, record_problem = digests.get(name), wrong.get(audit.name(job.record))
        if digest is None:
            yield Problem("missing", name, "", job)
        elif isinstance(digest, OSError):
            yield _unreadable(name, digest, job)
        elif name in expected:
            if digest != expected[name]:
                yield _replaced(audit, name, job, names.get(digest))
        elif problem := _parquet_problem(audit, name, job):
            yield problem
        elif record_problem is None or record_problem.kind == "damaged":
            yield Problem("unrecorded", name, "the record of its job is damaged" if record_problem else "", job)


def _digests(audit: Audit) -> dict[str, str | OSError]:
    """Checksum of every file that should be there and is. Threads help, since hashing releases Python's lock."""
    names = [name for name in audit.files if (audit.folder / name).is_file()]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda name: digest(audit.folder / name), names), strict=True))


def digest(path: Path) -> str | OSError:
    """Checksum of a file, or the error of a disk that cannot read it."""
    try:
        return checksums.sha256(path)
    except OSError as error:  # a bad sector, or no permission
        return error


def _unreadable(name: str, error: OSError, job: Job) -> Problem:
    return Problem("damaged", name, f"it cannot be read ({error.strerror})", job)


def _no_parquet(name: str, error: UsageError, job: Job) -> Problem:
    return Problem("damaged", name, f"it is no Parquet file ({' '.join(str(error.__cause__).split())})", job)


def _replaced(audit: Audit, name: str, job: Job, place: str | None) -> Problem:
    """Problem of a file with another checksum than recorded. `place`: the recorded file with this checksum."""
    problem = _parquet_problem(audit, name, job)
    if problem and problem.kind not in ("version", "stale"):  # the job's record, which is sound, says otherwise
        return problem
    if place is not None:
        return Problem("foreign", name, f"it is the file {place}", job)
    return Problem("damaged", name, "its bytes are not those that its job has recorded", job)


def _parquet_problem(audit: Audit, name: str, job: Job) -> Problem | None:
    """Problem in the metadata of a Parquet file."""
    if not name.endswith(".parquet"):
        return None
    try:
        return _metadata_problem(audit, name, job, tables.metadata(audit.folder / name))
    except UsageError as error:
        return _no_parquet(name, error, job)


def _metadata_problem(audit: Audit, name: str, job: Job, about: Mapping[str, Any]) -> Problem | None:
    """Problem of a file of another job, version or configuration."""
    table = Path(name).parts[0]
    if about["schema"] != str(schema.SCHEMA_VERSION):
        return Problem("version", name, f"it has table schema {about['schema']}, not {schema.SCHEMA_VERSION}", job)
    try:
        tables.check_schema(table, audit.folder / name)
    except UsageError:
        return Problem("foreign", name, f"its columns are not those of the table '{table}'", job)
    if "stage" not in about:
        return Problem("foreign", name, "no job of an audit wrote it", job)
    if (about["stage"], about.get("keys")) != (job.stage, job.keys):
        return Problem("foreign", name, f"it is a file of {_job_text(about['stage'], about.get('keys', {}))}", job)
    if about.get("version") != __version__:
        return Problem("version", name, f"stepaudit {about.get('version')} wrote it, this is {__version__}", job)
    changed = decides.changed(job, str(about.get("settings")))
    if "settings" in changed:
        return Problem("foreign", name, f"the settings of {_job_text(job.stage, job.keys)} were others", job)
    return Problem("stale", name, f"{', '.join(changed)} changed", job) if changed else None


def _stale_input_problems(audit: Audit, records: Mapping[str, dict]) -> Iterator[Problem]:
    """Stale files: made from others than those that are recorded now."""
    now = {name: output["sha256"] for record in records.values() for name, output in record["outputs"].items()}
    for record, row in records.items():
        job = audit.records[record]
        # The rows of `index` that a job needs are among its `decides.parts`; others of the same file may change.
        inputs = {name: digest for name, digest in row["inputs"].items() if Path(name).parts[0] not in WRITES["index"]}
        other = [name for name, digest in inputs.items() if now.get(name, digest) != digest]
        gone = [name for name in inputs if name not in audit.files]
        if other or gone:
            text = f"another {other[0]} than is there" if other else f"{gone[0]}, which is not of this configuration"
            yield Problem("foreign", audit.name(job.writes[0]), f"made from {text}", job)


def _job_text(stage: str, keys: Mapping[str, str]) -> str:
    return f"`{stage}` of {', '.join(keys[key] for key in OF_FILE if key in keys)}"
