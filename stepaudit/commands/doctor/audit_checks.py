"""Checks of a configuration's videos, annotation, weights, results folder and disk."""

import fcntl
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from stepaudit.audit import work
from stepaudit.audit.config import Config
from stepaudit.clips import data_checks, decoding
from stepaudit.commands.doctor.findings import Finding, fine, problem, warning
from stepaudit.errors import BadVideoError, StorageError, UsageError
from stepaudit.report import near_duplicates
from stepaudit.store import writing
from stepaudit.store.tables import parquet_files

SAMPLE = 5  # videos of a data set that are opened
SECONDS = 30.0  # for the first frame of each
SPOOL_BYTES = 2 * 10**9  # of temporary files: the scaled frames of a long video


class DatasetRows(NamedTuple):
    """Rows of a data set's reader."""

    segments: list[dict]
    boxes: list[dict]


def read(config: Config, dataset: str) -> DatasetRows | None:
    """Segments and boxes; None for a data set that makes its videos when it is read. Raises UsageError."""
    entry, component = config.datasets[dataset], config.component("datasets", dataset)
    if component.companion("count") is not None:
        return None
    return DatasetRows(*component.load()(entry.root, **entry.options))


def videos(dataset: str, rows: DatasetRows | UsageError | None, *, sample: int = SAMPLE) -> Finding:
    """Check that a data set exists and that the first frames of some of its videos decode."""
    about = f"data {dataset}"
    if isinstance(rows, UsageError):
        return problem(about, str(rows), "then run `stepaudit doctor` again")
    if rows is None:
        return fine(about, "made when the audit runs")
    paths = sorted({row["path"] for row in rows.segments})
    some = paths[:: max(1, len(paths) // sample)][:sample]
    bad = [text for path in some if (text := _read_error(Path(path)))]
    splits = Counter(row["split"] for row in rows.segments)
    text = f"{len(rows.segments)} segments ({', '.join(f'{splits[each]} {each}' for each in sorted(splits))})"
    if bad and len(bad) == len(some):
        return problem(about, f"{text}, but no video decodes: {bad[0]}", "correct `root`, or replace the videos")
    if bad:
        advice = "they will be rows with the status `bad_video`; replace them if you can"
        return warning(about, f"{text}; {len(bad)} of {len(some)} tried do not decode: {bad[0]}", advice)
    return fine(about, f"{text}; the {len(some)} tried decode")


def _read_error(path: Path) -> str:
    try:
        decoding.source_size(path, seconds=SECONDS)
    except (BadVideoError, OSError) as error:
        return str(error)
    return ""


def left_out(config: Config, dataset: str) -> list[Finding]:
    """A warning for each kind of file that the reader of a data set does not take, if it says so."""
    listed = config.component("datasets", dataset).companion("left_out")
    entry = config.datasets[dataset]
    return [warning(f"data {dataset}", text, "") for text in (listed(entry.root, **entry.options) if listed else [])]


def classes(dataset: str, rows: DatasetRows | UsageError | None) -> list[Finding]:
    """The number of segments of each class and split, a line each."""
    table = [] if rows is None or isinstance(rows, UsageError) else data_checks.class_table(rows.segments)
    return [fine(f"classes {dataset}", line) for line in table]


def doubts(dataset: str, rows: DatasetRows | UsageError | None) -> list[Finding]:
    """A problem or a warning for each doubt about the annotation, the classes and the files."""
    if rows is None or isinstance(rows, UsageError):
        return []
    return [
        (problem if each.wrong else warning)(f"data {dataset}", each.text, "") for each in data_checks.doubts(*rows)
    ]


def look_alikes(config: Config, dataset: str) -> Finding | None:
    """Comparison of all test clips with those of the training; None if none are cut yet."""
    sizes = sorted((config.folder / "clips" / f"dataset={dataset}").glob("size=*"))
    try:
        segments = parquet_files(config.folder / "segments" / f"dataset={dataset}")
        clips = {dataset: parquet_files(sizes[0])} if sizes else {}
        rows = near_duplicates.make(clips, {dataset: segments}).to_pylist()
    except UsageError as error:
        return warning(f"clips {dataset}", f"not compared: {error}", "")
    if not rows:
        return None
    shown = [row for row in rows if 0 < row["alike_clips"] == row["alike_own_class"]]
    alike = sorted(shown, key=lambda row: -row["likeness"])
    text = (
        f"{len(alike)} of {len(rows)} test clips look like training or validation clips of the same class and no other"
    )
    if not alike:
        return fine(f"clips {dataset}", text)
    names = f"{alike[0]['clip_id']} like {alike[0]['other_clip_id']}"
    return warning(f"clips {dataset}", f"{text}, most of all {names}", "keep videos of one source in one split")


def annotation(config: Config, dataset: str, rows: DatasetRows | UsageError | None) -> Finding | None:
    """Check that the boxes and actions that the metrics need exist; None if that is not known yet."""
    if rows is None or isinstance(rows, UsageError):
        return None
    measures = [config.component("metrics", metric).measures for metric in config.metrics]
    required = {name for names in measures if "model" not in names for name in names}  # with it, some values exist
    tested = [row for row in rows.segments if row["split"] == "test"]
    boxed = {row["video_id"] for row in rows.boxes}
    present = {
        "boxes": sum(row["video_id"] in boxed for row in tested),
        "in_action": sum(row["action_start"] is not None for row in tested),
    }
    words = {"boxes": "boxes", "in_action": "actions"}
    text = ", ".join(f"{words[name]} on {count} of {len(tested)} test segments" for name, count in present.items())
    if missing := [name for name, count in present.items() if name in required and not count]:
        names = " and ".join(words[name] for name in missing)
        advice = f"their scores will be `no_annotation`: name the file that has {names}, or remove those metrics"
        return warning(f"annotation {dataset}", f"{text}, but metrics need {names}", advice)
    return fine(f"annotation {dataset}", text)


def model(config: Config, name: str, probed: Mapping) -> Finding:
    """Check that a model can be built and its weights are on this machine, by the result of `torch_probe`."""
    entry, about = config.models[name], f"model {name}"
    if text := probed.get("unbuilt", {}).get(name):
        return problem(about, text, "correct its `use`")
    if entry.checkpoint is not None:
        return _file_finding(about, entry.checkpoint, "`checkpoint`")
    if entry.weights is None:
        return fine(about, "no weights: it starts at random")
    if Path(entry.weights).is_file():
        return _file_finding(about, Path(entry.weights), "`weights`")
    if "weights" not in probed:
        return warning(about, f"{entry.weights}: not checked, since PyTorch does not work", "repair PyTorch first")
    address = probed["weights"].get(entry.weights)
    if address is None:
        text = f"{entry.weights}: neither a file nor a torchvision weights name"
        return problem(about, text, "give one of the two, such as R2Plus1D_18_Weights.KINETICS400_V1")
    cached = Path(probed["cache"], address.rpartition("/")[2])
    if cached.is_file():
        return fine(about, f"{entry.weights}, {cached}")
    advice = f"torchvision fetches them at the first run; for a machine without network put {address} there"
    return warning(about, f"{entry.weights} are not in {cached.parent}", advice)


def answers(name: str, probed: Mapping) -> Iterator[Finding]:
    """Lines on the network's answers to `networks.probe`, by the result of `torch_probe`."""
    kinds = {"error": problem, "warning": warning}
    for model, sentence, findings in probed.get("answers", []):
        if model == name:
            if sentence:
                yield fine(f"model {name}", sentence)
            for each in findings:
                kind = kinds.get(each["severity"], lambda about, text, step: fine(about, f"{text}; {step}"))
                yield kind(f"model {name}", each["sentence"], each["step"])


def _file_finding(about: str, path: Path, key: str) -> Finding:
    if path.is_file():
        return fine(about, str(path))
    return problem(about, f"{path}: no such file", f"correct {key} in the configuration")


def results(folder: Path) -> Finding:
    """Check that the results folder can be written, and that locks and renaming work there."""
    place = existing(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".stepaudit-", dir=place) as scratch:
            locks, renames = _has_locks(Path(scratch)), _can_rename(Path(scratch))
    except OSError as error:
        advice = "give yourself the right to, or choose another `results`"
        return problem("results", f"{place}: cannot be written ({error.strerror})", advice)
    if not renames:
        advice = "choose `results` on another file system: readers would see half a file"
        return problem("results", f"{place}: a file cannot replace another one", advice)
    if not locks:
        advice = "let no two Snakemakes make the same audit at once, or choose `results` on another"
        return warning("results", f"{place}: this file system has no locks", advice)
    return fine("results", f"{folder} can be written; locks and renaming work")


def existing(folder: Path) -> Path:
    """The folder, or the nearest existing one above it."""
    path = folder.absolute()
    return next(each for each in (path, *path.parents) if each.is_dir())


def _has_locks(folder: Path) -> bool:
    """True if a lock that is taken cannot be taken again."""
    writing.write_text(folder / "lock", "")
    with (folder / "lock").open("rb") as first, (folder / "lock").open("rb") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _can_rename(folder: Path) -> bool:
    """True if a file can replace another one."""
    path = folder / "file"
    writing.write_text(path, "old")
    try:
        writing.write_text(path, "new")
    except (OSError, StorageError):
        return False
    return path.read_text(encoding="utf-8") == "new" and [*folder.glob("*file*")] == [path]


def counts(config: Config, rows: Mapping[str, DatasetRows | UsageError | None]) -> dict[str, Counter]:
    """Number of segments of each split, by data set; 0 for those that cannot be read."""
    result = {}
    for dataset, given in rows.items():
        if given is None:
            result[dataset] = work.count(config, dataset)
        else:
            segments = [] if isinstance(given, UsageError) else given.segments
            result[dataset] = Counter(row["split"] for row in segments)
    return result


def disk(folder: Path, needed: int, free: int | None = None) -> Finding:
    """Check the free disk against the estimate of the audit.

    Args:
        folder: of the results.
        needed: bytes, `disk_use.estimated`.
        free: bytes; default: those of the folder's disk.
    """
    free = shutil.disk_usage(existing(folder)).free if free is None else free
    text = f"{free / 1e9:.1f} GB free, the audit may take {needed / 1e9:.1f} GB"
    if free < needed:
        kind = problem if free < needed / 2 else warning
        return kind("disk", text, "free some space, or choose `results` on a larger disk")
    return fine("disk", text)


def temporary_space(free: int | None = None) -> Finding:
    """Check the space for temporary files, such as the frames of a long video."""
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free if free is None else free
    if free < SPOOL_BYTES:
        advice = "free some space there, or set TMPDIR to a folder on a larger disk"
        return warning(
            "temporary",
            f"{free / 1e9:.1f} GB free in {place}; a long video needs up to {SPOOL_BYTES / 1e9:.0f}",
            advice,
        )
    return fine("temporary", f"{free / 1e9:.1f} GB free in {place}")
