"""The tables of an audit: every column with type, unit and a sentence; reading and atomic writing.

A table is a folder of Parquet files, `results/<audit>/<table>/dataset=…/model=…/method=…/*.parquet`. The columns that
stand in the path (`Table.partitions`) are not repeated inside the files; DuckDB, pandas and `read` put them back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stepaudit.errors import UsageError, did_you_mean
from stepaudit.store import seal, writing

SCHEMA_VERSION = 4
SCHEMA_KEY, ROWS_KEY, JOB_KEY = b"stepaudit_schema", b"stepaudit_rows", b"stepaudit_job"


@dataclass(frozen=True)
class Column:
    """A column: its Arrow type, a sentence with the unit where there is one, and whether DuckDB leaves it out."""

    name: str
    type: pa.DataType
    text: str
    heavy: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its grain in words, the columns in order (keys first), how many are keys, and the path columns."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    keys: int
    partitions: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of one file: all columns but the partitions, with the schema version as metadata."""
        fields = [pa.field(column.name, column.type) for column in self.columns if column.name not in self.partitions]
        return pa.schema(fields, metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()})

    @property
    def key_names(self) -> list[str]:
        """The columns that identify a row."""
        return [column.name for column in self.columns[: self.keys]]


TEXT, INT, FLOAT, FLAG = pa.string(), pa.int32(), pa.float64(), pa.bool_()

CLIP_ID = Column("clip_id", TEXT, "Identifies the segment within its data set.")
DATASET = Column("dataset", TEXT, "The data set's name in the configuration.")
SIZE = Column("size", TEXT, "Frames, height and width of the clips, `16x112x112`; models may differ in what they take.")
MODEL = Column("model", TEXT, "The model's name in the configuration.")
METHOD = Column("method", TEXT, "The method's name in the configuration.")
SEED = Column("seed", INT, "The seed of the method's randomness.")
RATIO = Column(
    "ratio", FLOAT, "Preservation ratio asked for: share of voxels, in (0, 1); NULL for methods without one."
)
TARGET = Column("target", INT, "Index of the explained class in the model's output.")
STATUS = Column("status", TEXT, "'ok', or why the row holds no value.")
ERROR = Column("error", TEXT, "The error's text; NULL if the status is 'ok'.")
VIEW = Column("view", TEXT, "'middle' (middle frame of each part) or 'random0', 'random1', … (a random frame of each).")
BOX = (
    Column("x0", FLOAT, "Left edge, pixels."),
    Column("y0", FLOAT, "Top edge, pixels."),
    Column("x1", FLOAT, "Right edge, exclusive, pixels."),
    Column("y1", FLOAT, "Bottom edge, exclusive, pixels."),
)

TABLES = {
    table.name: table
    for table in (
        Table(
            "segments",
            "a stretch of video to explain",
            (
                CLIP_ID,
                DATASET,
                Column("video_id", TEXT, "Identifies the video within its data set."),
                Column("path", TEXT, "The video file, or the folder of numbered frames."),
                Column("split", TEXT, "'train', 'validation' or 'test'."),
                Column(
                    "group",
                    TEXT,
                    "Videos that belong together (one scene, one person) and share a split; NULL if unknown.",
                ),
                Column("label", TEXT, "Name of the annotated class."),
                TARGET,
                Column("start", INT, "First source frame, from 0; NULL means the video's first."),
                Column("stop", INT, "Source frame after the last; NULL means the video's end."),
                Column("action_start", INT, "First source frame of the annotated action; NULL if not annotated."),
                Column("action_stop", INT, "Source frame after the action's last; NULL if not annotated."),
            ),
            2,
            ("dataset",),
        ),
        Table(
            "boxes",
            "object × source frame",
            (
                DATASET,
                Column("video_id", TEXT, "The video."),
                Column("frame", INT, "Source frame, from 0."),
                Column("label", TEXT, "What the box holds; pointing games use the boxes whose label is the clip's."),
                *BOX,
            ),
            4,
            ("dataset",),
        ),
        Table(
            "clips",
            "segment × size × view",
            (
                CLIP_ID,
                DATASET,
                SIZE,
                VIEW,
                Column("split", TEXT, "'train', 'validation' or 'test'."),
                Column("label", TEXT, "Name of the annotated class."),
                TARGET,
                Column("frames", pa.list_(INT), "Source frame of each clip frame, from 0."),
                Column(
                    "in_action",
                    pa.list_(FLAG),
                    "Whether each clip frame lies in the annotated action; NULL if not annotated.",
                ),
                Column("source_height", INT, "Height of the source video, pixels."),
                Column("source_width", INT, "Width of the source video, pixels."),
                Column("height", INT, "Height of the clip, pixels."),
                Column("width", INT, "Width of the clip, pixels."),
                Column("pixels", pa.binary(), "uint8 RGB, [T, H, W, 3], row-major.", heavy=True),
                Column("sha256", TEXT, "Of the pixels."),
                STATUS,
                ERROR,
            ),
            4,
            ("dataset", "size"),
        ),
        Table(
            "clip_boxes",
            "object × clip frame",
            (
                CLIP_ID,
                DATASET,
                SIZE,
                VIEW,
                Column("frame", INT, "Clip frame, from 0."),
                Column("label", TEXT, "What the box holds; pointing games use the boxes whose label is the clip's."),
                *BOX,
            ),
            6,
            ("dataset", "size"),
        ),
        Table(
            "training_log",
            "model × epoch",
            (
                DATASET,
                MODEL,
                Column("epoch", INT, "From 1."),
                Column("learning_rate", FLOAT, "Of the epoch."),
                Column("train_loss", FLOAT, "Mean cross-entropy over the training views, nats."),
                Column("train_accuracy", FLOAT, "Share of training views classified correctly while training."),
                Column("validation_loss", FLOAT, "Mean cross-entropy over the validation clips, nats."),
                Column("validation_accuracy", FLOAT, "Share of validation clips classified correctly."),
                Column("best", FLAG, "Whether the checkpoint holds this epoch's weights."),
                Column("seconds", FLOAT, "Wall time of the epoch."),
            ),
            3,
            ("dataset", "model"),
        ),
        Table(
            "predictions",
            "test clip × model",
            (
                CLIP_ID,
                DATASET,
                MODEL,
                TARGET,
                Column("label", TEXT, "Name of the target class."),
                Column("target_probability", FLOAT, "Softmax probability of the target on the unperturbed clip."),
                Column("rank", INT, "1 if the target is the most probable class."),
                Column("probabilities", pa.list_(pa.float32()), "Softmax probabilities of all classes, [K]."),
                STATUS,
                ERROR,
            ),
            3,
            ("dataset", "model"),
        ),
        Table(
            "frame_orders",
            "test clip × model × order of its frames",
            (
                CLIP_ID,
                DATASET,
                MODEL,
                Column(
                    "frame_order",
                    TEXT,
                    "'shuffled' (mean over four permutations, the same for all clips), 'reversed', or 'frozen' to the "
                    "middle frame.",
                ),
                TARGET,
                Column("target_probability", FLOAT, "Softmax probability of the target on the clip in this order."),
                STATUS,
                ERROR,
            ),
            4,
            ("dataset", "model"),
        ),
        Table(
            "maps",
            "test clip × model × method × ratio × seed",
            (
                CLIP_ID,
                DATASET,
                MODEL,
                METHOD,
                RATIO,
                SEED,
                TARGET,
                Column("options", TEXT, "JSON: the method's options in the configuration; `{}` are its defaults."),
                Column("preset", TEXT, "Preset of the extremal family; NULL for other methods."),
                Column(
                    "perturbation",
                    TEXT,
                    "Perturbation, with its parameters, that the map was optimised on; NULL if none.",
                ),
                Column("target_probability", FLOAT, "Softmax probability of the target on the unperturbed clip."),
                Column(
                    "kept_probability",
                    FLOAT,
                    "Of the target on the clip perturbed by the map; NULL if none was optimised.",
                ),
                Column("grid", pa.list_(pa.float16()), "The map at the method's own resolution, flat.", heavy=True),
                Column("grid_shape", pa.list_(INT), "[t, h, w] of the grid."),
                Column("upsampling", TEXT, "How `stepaudit.maps.render` makes the [T, H, W] map of the grid."),
                Column("volume", FLOAT, "Mean of the full map: the ratio that was reached, for a mask."),
                Column("frame_volume", pa.list_(pa.float32()), "Mean of the full map in each frame, [T]."),
                Column("steps", INT, "Iterations of the optimiser; NULL if none."),
                Column("seconds", FLOAT, "Wall time of the row's batch, divided by its rows."),
                STATUS,
                ERROR,
            ),
            6,
            ("dataset", "model", "method"),
        ),
        Table(
            "preservation",
            "test clip × model × method × bound × seed",
            (
                CLIP_ID,
                DATASET,
                MODEL,
                METHOD,
                Column(
                    "bound",
                    TEXT,
                    "What a mask must keep: 'probability' (a share of the clip's own) or 'top1' (its first place).",
                ),
                SEED,
                TARGET,
                Column("target_probability", FLOAT, "Softmax probability of the target on the unperturbed clip."),
                Column(
                    "required_probability",
                    FLOAT,
                    "The least kept probability that satisfies 'probability'; NULL for 'top1'.",
                ),
                Column(
                    "kept_probability",
                    FLOAT,
                    "With the smallest mask that satisfies the bound; NULL if right-censored.",
                ),
                Column(
                    "ratio",
                    FLOAT,
                    "Minimum preservation ratio a* (Li et al. 2021, eq. 3), of the mask; NULL if right-censored.",
                ),
                Column(
                    "lower", FLOAT, "a* is above this ratio: the largest mask below a* that fails; 0 if left-censored."
                ),
                Column("upper", FLOAT, "a* is at most this ratio; NULL if right-censored."),
                Column(
                    "censored",
                    TEXT,
                    "'left': no smaller mask fails; 'right': the largest mask does not suffice; NULL: neither.",
                ),
                Column("evaluations", INT, "Masks optimised for this clip and seed."),
                STATUS,
                ERROR,
            ),
            6,
            ("dataset", "model", "method"),
        ),
        Table(
            "scores",
            "map × metric (× frame)",
            (
                CLIP_ID,
                DATASET,
                MODEL,
                METHOD,
                RATIO,
                SEED,
                Column("metric", TEXT, "The metric's name in the configuration."),
                Column("frame", INT, "Clip frame, from 0; NULL if the value is the whole clip's."),
                Column("value", FLOAT, "NULL where it cannot be measured, and only there."),
                STATUS,
                ERROR,
            ),
            8,
            ("dataset", "model", "method"),
        ),
        Table(
            "runs",
            "job",
            (
                Column("stage", TEXT, "The command that ran."),
                Column("keys", TEXT, "Which part of the audit: JSON of the data set, model, method and shard."),
                Column("config_hash", TEXT, "SHA-256 of the whole configuration."),
                Column("versions", TEXT, "JSON: Python, stepaudit and the libraries that decide results."),
                Column(
                    "commit", TEXT, "Git commit of the working folder, '+' if it was changed; NULL outside a checkout."
                ),
                Column("device", TEXT, "CPU or GPU that did the work."),
                Column("seconds", FLOAT, "Wall time."),
                Column("peak_memory_mb", FLOAT, "Largest resident memory, MB."),
                Column(
                    "inputs",
                    TEXT,
                    "JSON: the audit's files that the job read, each with its `seal`: the SHA-256 of its bytes but for "
                    "the seal that a Parquet file carries in itself.",
                ),
                Column("outputs", TEXT, "JSON: the files that the job wrote, each with `seal`, `bytes` and `rows`."),
            ),
            2,
            ("stage",),
        ),
    )
}


def write(rows: Iterable[dict], table: str, path: Path) -> None:
    """Writes rows as one Parquet file, under a temporary name first, so that a reader never sees half of it.

    Args:
        rows: one dict a row. Partition columns are ignored, missing columns become NULL.

    Raises:
        KeyError: a row has a column that the table lacks.
    """
    schema, partitions = TABLES[table].schema, set(TABLES[table].partitions)
    known = set(schema.names) | partitions
    rows = [dict(row) for row in rows]
    for row in rows:
        if unknown := set(row) - known:
            raise KeyError(f"table '{table}' has no column {sorted(unknown)}")
    write_arrow(pa.Table.from_pylist(rows, schema=schema), path)


def write_arrow(data: pa.Table, path: Path) -> None:
    """Writes an Arrow table as one sealed Parquet file, atomically; its metadata tell the rows, and the job if any."""
    about = {SCHEMA_KEY: str(SCHEMA_VERSION), ROWS_KEY: str(data.num_rows)}
    if _working:
        about[JOB_KEY] = as_json(_working[-1].about)
    with writing.written(path) as temporary:
        pq.write_table(
            data.replace_schema_metadata(about),
            temporary,
            compression="zstd",
            row_group_size=1024,
            write_page_checksum=True,
        )
        seal.close(temporary)


@dataclass(frozen=True)
class _Work:
    about: Mapping[str, object]
    files_read: set[Path]


_working: list[_Work] = []  # the job that this process is at, in whichever of its threads


@contextmanager
def made_by(about: Mapping[str, object]) -> Iterator[set[Path]]:
    """While a job lasts, the files that it writes say `about`, which is JSON. Gives the files that it has read."""
    _working.append(_Work(about, set()))
    try:
        yield _working[-1].files_read
    finally:
        _working.pop()


def read(table: str, *paths: Path, columns: Sequence[str] | None = None) -> list[dict]:
    """Rows of one or more files, or of all files below folders, with the columns that stand in their paths.

    Raises:
        UsageError: nothing is there, a file is damaged, or it was written with another schema version.
    """
    rows = []
    for path in paths:
        for file in _files(path):
            rows += _read_file(table, file, columns)
    return rows


def read_arrow(table: str, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One file without the columns of its path; every page is compared with its checksum. Raises like `read`."""
    with opened(table, path) as file, telling_damage(path):
        return file.read(columns=columns)


def check_schema(table: str, path: Path) -> None:
    """Raises UsageError unless the file is Parquet of this version of the table."""
    with opened(table, path):
        pass


@contextmanager
def opened(table: str, path: Path) -> Iterator[pq.ParquetFile]:
    """A file of a table, whose pages are compared with their checksums when they are read. Raises like `read`."""
    with telling_damage(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
    with file:
        with telling_damage(path):
            _require_schema(table, path, file.schema_arrow)
            _require_rows(file)
        if _working:
            _working[-1].files_read.add(path)
        yield file


def metadata(path: Path) -> dict[str, object]:
    """What a file says of itself: `schema`, `rows`, and, if a job wrote it, `stage`, `keys`, `settings`, `version`."""
    with telling_damage(path), pq.ParquetFile(path) as file:
        found = file.schema_arrow.metadata or {}
        job = json.loads(found.get(JOB_KEY, b"{}"))
        return {**job, "schema": found.get(SCHEMA_KEY, b"none").decode(), "rows": file.metadata.num_rows}


@contextmanager
def telling_damage(path: Path) -> Iterator[None]:
    """Raises UsageError, with the file and the next step, for whatever reading a file raises."""
    try:
        yield
    except UsageError:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error}); see that it is there and yours"
        ) from error
    except Exception as error:  # Arrow raises anything on a damaged file, MemoryError for a length that lies too
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{path}: damaged, not a readable Parquet file ({reason}); `stepaudit check {audit_of(path)} --delete` "
            "removes it and says how to make it anew"
        ) from error


def audit_of(path: Path) -> Path:
    """The folder of the audit that a table's file belongs to."""
    folder = path.parent
    while "=" in folder.name:
        folder = folder.parent
    return folder.parent


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*.parquet") if not _hidden(file, path))
    if not path.exists():
        raise UsageError(f"{path}: not there; run the stage that writes it first")
    return [path]


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _read_file(table: str, path: Path, columns: Sequence[str] | None) -> list[dict]:
    partitions = path_columns(path)
    wanted = None if columns is None else [name for name in columns if name not in partitions]
    data = read_arrow(table, path, wanted)
    with telling_damage(path):
        rows = data.to_pylist()
    named = {key: partitions.get(key) for key in TABLES[table].partitions if columns is None or key in columns}
    return [{**row, **named} for row in rows]


def _require_schema(table: str, path: Path, schema: pa.Schema) -> None:
    version = (schema.metadata or {}).get(SCHEMA_KEY, b"none").decode()
    if version == str(SCHEMA_VERSION) and schema.equals(TABLES[table].schema):
        return
    step = (
        "a newer stepaudit wrote it, read it with that one"
        if version.isdecimal() and int(version) > SCHEMA_VERSION
        else f"`stepaudit check {audit_of(path)}` says what to run again, or read it with the stepaudit that wrote it"
    )
    wanted = f"this stepaudit reads schema {SCHEMA_VERSION} of '{table}'"
    raise UsageError(f"{path}: written with table schema {version}, {wanted}: {step}")


def _require_rows(file: pq.ParquetFile) -> None:
    told = (file.schema_arrow.metadata or {}).get(ROWS_KEY, b"").decode()
    if told != str(file.metadata.num_rows):
        raise ValueError(f"it has {file.metadata.num_rows} rows, its metadata say {told or 'nothing'}")


def path_columns(path: Path) -> dict[str, str]:
    """The `name=value` folders of a path."""
    return dict(part.split("=", 1) for part in path.parts if "=" in part)


def column(table: str, name: str) -> Column:
    """One column's description. Raises KeyError with the nearest name."""
    for candidate in TABLES[table].columns:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no column '{name}'{did_you_mean(name, [c.name for c in TABLES[table].columns])}")


def as_json(value: object) -> str:
    """Canonical JSON: keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
