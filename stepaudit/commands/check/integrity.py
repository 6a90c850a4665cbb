"""All checks of an audit: configuration, files, rows, checkpoints, leftovers and report."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from stepaudit.audit import audit_folder, plan, planning
from stepaudit.audit.audit_folder import FILE, Audit, Problem
from stepaudit.audit.jobs import Job
from stepaudit.commands.check import requested_rows, sound_files, values
from stepaudit.errors import UsageError
from stepaudit.report import sql_files
from stepaudit.store import checksums, database, schema

LEFT = re.compile(r"\.(.+\.(?:parquet|safetensors))\..+")  # finished parts beside a file that is not written yet


def problems(audit: Audit) -> list[Problem]:
    """All problems of an audit; empty if it is sound."""
    problems, records = sound_files.problems(audit)
    problems += _source_problems(audit)
    problems += _configuration_problems(audit, records)
    wrong = {problem.name for problem in problems}
    sound = [name for name in audit.files if name not in wrong]
    problems += _row_problems(audit, sound)
    problems += _checkpoint_problems(audit, sound)
    problems += _orphan_problems(audit)
    return [*problems, *_report_problems(audit, records)]


def _source_problems(audit: Audit) -> Iterator[Problem]:
    for dataset, text in planning.changed_sources(audit.config).items():
        job = Job(audit.config, "index", dataset)
        yield Problem("stale", audit.name(job.file("segments")), f"files of data set '{dataset}': {text}", job)


def _configuration_problems(audit: Audit, records: Mapping[str, dict]) -> Iterator[Problem]:
    """Problem of an edited or damaged configuration or plan. It makes all other problems uncertain."""
    text = yaml.safe_dump(audit.saved.model_dump(mode="json"), sort_keys=False)
    if (audit.folder / FILE).read_text(encoding="utf-8") != text:
        yield Problem("configuration", FILE, "it was edited, damaged, or saved by another version")
    elif records and audit.saved.hash not in {
        _hash_of_database(audit),
        *(row["config_hash"] for row in records.values()),
    }:
        yield Problem("configuration", FILE, "nothing here was made with it as it is: it was edited or damaged")
    entries = audit.config.plan.entries
    if entries and (
        (audit.folder / plan.FILE).read_text(encoding="utf-8") != audit.config.plan.text or not _powers_of_two(entries)
    ):
        yield Problem("configuration", plan.FILE, "it was edited or damaged")


def _powers_of_two(entries: Mapping[str, dict]) -> bool:
    return all(entry["shards"].bit_count() == 1 for entry in entries.values())


def _hash_of_database(audit: Audit) -> str | None:
    try:
        with database.connect(audit.folder) as connection:
            return database.fetch(connection, "select config_hash from audit")[1][0][0]
    except UsageError:
        return None


def _row_problems(audit: Audit, sound: Iterable[str]) -> Iterator[Problem]:
    paths = {audit.folder / name for name in sound}
    tables = [path for path in paths if path.suffix == ".parquet"]
    by_kind = {"rows": requested_rows.problems(audit.config, paths), "values": values.problems(tables, audit.folder)}
    for kind, those in by_kind.items():
        for path, text in those:
            yield Problem(kind, audit.name(path), text, audit.files[audit.name(path)])


def _checkpoint_problems(audit: Audit, sound: Iterable[str]) -> Iterator[Problem]:
    """Weights that do not fit the model of the configuration and the classes of the data set."""
    from stepaudit.networks import checkpoint

    readable = set(sound)
    for name, job in audit.files.items():
        segments = job.file("segments")
        if job.stage != "train" or name.endswith(".parquet") or not {name, audit.name(segments)} <= readable:
            continue
        entry = audit.config.models[job.model]
        try:
            classes = checkpoint.classes_of(job)
            if audit.config.component("models", job.model).is_named:
                checkpoint.load(audit.folder / name, entry, classes)
            else:
                checkpoint.matching(audit.folder / name, entry, classes)  # runs none of somebody's code
        except UsageError as error:
            yield Problem("foreign", name, str(error).removeprefix(f"{audit.folder / name}: ").split(";")[0], job)


def _orphan_problems(audit: Audit) -> Iterator[Problem]:
    """Files in the folders of tables and checkpoints without a job, and leftovers of stopped jobs.

    The finished parts of an unfinished job do not count: the job resumes with them.
    """
    for place in (*schema.TABLES, "checkpoints"):
        for folder, folders, files in os.walk(audit.folder / place):
            hidden = [name for name in folders if name.startswith(".")]
            folders[:] = [name for name in folders if name not in hidden]
            for name in sorted([*hidden, *files]):
                path = Path(folder, name)
                if audit.name(path) not in audit.files | audit.records and not _is_unfinished(audit, path):
                    yield Problem("orphan", audit.name(path), "")
    for path in sorted(audit.folder.glob(".*.tmp*")):
        yield Problem("orphan", audit.name(path), "")


def _is_unfinished(audit: Audit, path: Path) -> bool:
    """True for the finished parts of a file that is requested and not there yet."""
    if not (match := LEFT.fullmatch(path.name)):
        return False
    output = path.with_name(match[1])
    return audit.name(output) in audit.files and not output.exists()


def _report_problems(audit: Audit, records: Mapping[str, dict]) -> Iterator[Problem]:
    """Problems of the database, the page and the CSV files. The database has the records of its source files."""
    listed = audit_folder.checksums(audit.folder)
    digests = checksums.read_list(listed) if listed.is_file() else {}
    changed = set()
    for path in (listed, *sql_files.written(audit.folder)):
        name = audit.name(path)
        if not path.is_file():
            yield Problem("report", name, "it is not there")
        elif path != listed and digests and sound_files.digest(path) != digests.get(name):
            changed.add(name)
            yield Problem("report", name, "its bytes have changed since it was written")
    if (audit.folder / database.FILE).is_file() and database.FILE not in changed:
        try:
            if text := _database_difference(audit, records):
                yield Problem("report", database.FILE, text)
        except UsageError as error:
            yield Problem("report", database.FILE, f"it cannot be read ({str(error).splitlines()[0]})")


def _database_difference(audit: Audit, records: Mapping[str, dict]) -> str | None:
    """Difference of the database from the tables. All of it is read, so that DuckDB compares its checksums."""
    outputs = {name: output for record in records.values() for name, output in record["outputs"].items()}
    rows: Counter = Counter()
    for name, output in outputs.items():
        rows[Path(name).parts[0]] += output["rows"] or 0
    with database.connect(audit.folder) as connection:
        ((config_hash,),) = database.fetch(connection, "select config_hash from audit")[1]
        if config_hash != audit.saved.hash:
            return "it is of another configuration"
        copied: dict = {}
        for (text,) in database.fetch(connection, "select outputs from runs")[1]:
            copied |= json.loads(text or "{}")
        other = [name for name in outputs if outputs[name] != copied.get(name)]
        if other := sorted([*other, *(copied.keys() - audit.files.keys())]):
            return f"it was made of other tables than are there: {len(other)} differ, such as {other[0]}"
        for table in schema.TABLES:
            ((count, _),) = database.fetch(connection, f"select count(*), bit_xor(hash(t)) from {table} as t")[1]
            if table != "runs" and len(records) == len(audit.records) and count != rows[table]:
                return f"it has {count} rows of '{table}', the tables have {rows[table]}"
    return None
