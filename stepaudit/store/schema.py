"""Schema of an audit's tables: every column with type, unit and a sentence.

A table is a folder of Parquet files, `results/<audit>/<table>/dataset=…/model=…/method=…/*.parquet`. The columns that
stand in the path (`Table.partitions`) are not repeated inside the files; DuckDB, pandas and `tables.read` add them.
"""

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 7
SCHEMA_KEY = b"stepaudit_schema"


@dataclass(frozen=True)
class Column:
    """Column of a table: Arrow type, a sentence with the unit.

    Args:
        heavy: the database leaves it out.
        later: files that were written before there was such a column are read as well.
    """

    name: str
    type: pa.DataType
    text: str
    heavy: bool = False
    later: bool = False


@dataclass(frozen=True)
class Table:
    """Table: grain in words, columns in order (keys first), number of keys, and the columns that stand in the path."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    keys: int
    partitions: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of one file: all columns but the partitions, with the schema version as metadata."""
        fields = [pa.field(column.name, column.type) for column in self.columns if column.name not in self.partitions]
        return pa.schema(fields, metadata={SCHEMA_KEY: str(SCHEMA_VERSION).encode()})

    @property
    def key_names(self) -> list[str]:
        """Names of the columns that identify a row."""
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
TARGET_NAME = Column("target_name", TEXT, "Name of the explained class.", later=True)
LABEL_TARGET = Column("target", INT, "Index of the label in the model's output; NULL if the clip has no label.")
STATUS = Column("status", TEXT, "'ok', or why the row holds no value.")
ERROR = Column("error", TEXT, "The error's text; NULL if the status is 'ok'.")
SPLITS = ("train", "validation", "test")
SPLIT = Column("split", TEXT, "'train', 'validation' or 'test'.")
LABEL = Column("label", TEXT, "Name of the annotated class; NULL if the clip has no label.")
BOX_LABEL = Column("label", TEXT, "What the box holds; pointing games use the boxes whose label is the clip's.")
PROBABILITY = Column(
    "target_probability",
    FLOAT,
    "Probability of the target on the unperturbed clip: by a softmax, or a label's own sigmoid. Of a regression it is "
    "1 for its own answer there, and d away from that 1 / (1 + (d / tolerance)²).",
)
VIEW = Column("view", TEXT, "'middle' (middle frame of each part) or 'random0', 'random1', … (a random frame of each).")
BOX = (
    Column("x0", FLOAT, "Left edge, pixels."),
    Column("y0", FLOAT, "Top edge, pixels."),
    Column("x1", FLOAT, "Right edge, exclusive, pixels."),
    Column("y1", FLOAT, "Bottom edge, exclusive, pixels."),
)

# Columns of `segments` that no reader gives: of windows, see `clips.windows` of the configuration.
WINDOW = (
    Column("window_of", TEXT, "The reader's clip_id of the segment that this is a window of; else NULL.", later=True),
    Column("second", FLOAT, "Where the window begins, seconds from the video's first frame.", later=True),
    Column("last_second", FLOAT, "Where it ends, likewise.", later=True),
)

# Columns that several tables have in common.
SIZED = (CLIP_ID, DATASET, SIZE, VIEW)
ANSWERED = (CLIP_ID, DATASET, MODEL)
EXPLAINED = (*ANSWERED, METHOD)
OUTCOME = (STATUS, ERROR)

# Columns of `preservation` for the bound 'sufficiency'; NULL for the others.
_SUFFICIENCY = (
    Column(
        "vacuous",
        FLAG,
        "True if the clip adds less than 0.1 to every fill: nothing can be asked; the fills alone have the answer, or "
        "the clip itself does not.",
    ),
    Column(
        "log2_ratio",
        FLOAT,
        "Mean of log₂ a*(τ) over τ = 0.3, 0.4 … 0.9, octaves; a level that no mask keeps counts as the whole clip (0); "
        "NULL if vacuous.",
    ),
    Column("log2_lower", FLOAT, "The same of the lower ends of the brackets; NULL if one is missing, or if vacuous."),
    Column("ratio_75", FLOAT, "a*(0.75), as `ratio` is a*(0.5)."),
    Column("lower_75", FLOAT, "a*(0.75) is above this ratio; NULL if no smaller mask fails."),
    Column("ratio_90", FLOAT, "a*(0.9)."),
    Column("lower_90", FLOAT, "a*(0.9) is above this ratio; NULL if no smaller mask fails."),
    Column("volumes", pa.list_(pa.float32()), "Volume of each verified mask, ascending: the curve's x."),
    Column("shares", pa.list_(pa.float32()), "Share of what the clip adds that each of them keeps: the curve's y."),
    Column(
        "fills",
        pa.list_(TEXT),
        "Empty versions of the clip: blur, mean-colour, grey, half-blur, background.",
    ),
    Column("empty_probabilities", pa.list_(pa.float32()), "The target's probability on each of them."),
    Column("asking_fills", pa.list_(TEXT), "Those to whose probability the clip adds at least 0.1: they measure."),
    Column("background", TEXT, "clip_id of the clip whose blurred frames are the fill 'background'; NULL: none."),
    Column("random_ratio", FLOAT, "a*(0.5) of random crisp pieces of the clip, upper end; 1: the whole clip."),
    Column("random_log2_ratio", FLOAT, "`log2_ratio` of random crisp pieces."),
    Column("elsewhere_share", FLOAT, "Share that the mask of `ratio` keeps where it does not belong."),
    Column("passes", FLOAT, "Passes of the search and its verification; a forward pass counts a third."),
    Column(
        "search",
        TEXT,
        "How masks were found: 'gradients', or, where none reaches the clip, 'tubelets', by forward passes alone.",
        later=True,
    ),
    Column("crispness", FLOAT, "Σm² / Σm of the mask of `ratio`; NULL without one."),
    Column("grid", pa.list_(pa.float16()), "Seed masks of that mask, flat; NULL without one.", heavy=True),
    Column("grid_shape", pa.list_(INT), "[t, h, w] of the grid."),
    Column("upsampling", TEXT, "How `stepaudit.maps.crisp_masks` makes the [T, H, W] mask of the grid."),
    Column("shown_ratio", FLOAT, "The ratio for that."),
    Column(
        "fewest_frames",
        pa.list_(INT),
        "The fewest whole frames found that keep half of what the clip adds, from 0; of clips of more than 16 frames, "
        "groups of neighbours. NULL without the reading 'frames', or if vacuous.",
        later=True,
    ),
    Column(
        "fewest_frames_lower",
        INT,
        "The greatest number of frames of which every choice fails; one less than their number if that is exact.",
        later=True,
    ),
    Column(
        "tube",
        FLOAT,
        "Share of the picture of the smallest region that keeps half when it is shown in all frames; 1: only all of "
        "it. NULL without the reading 'tube', or if vacuous.",
        later=True,
    ),
    Column(
        "tube_lower", FLOAT, "The greatest smaller region that fails; NULL if none that was tried does.", later=True
    ),
    Column(
        "disjoint_pieces",
        INT,
        "Pieces found, at most 5, that have no voxel in common and keep three quarters, each for itself. NULL without "
        "the reading 'disjoint', or if vacuous.",
        later=True,
    ),
    Column("readings_passes", FLOAT, "Passes of these readings, besides `passes`.", later=True),
)

# What the middle view of a clip looks like; NULL for other views.
_PROPERTIES = (
    Column("brightness", FLOAT, "Mean luma, 0 to 1.", later=True),
    Column("contrast", FLOAT, "Standard deviation of the luma within a frame, mean over frames.", later=True),
    Column("motion", FLOAT, "Mean change of the luma from frame to frame, without cuts.", later=True),
    Column("cuts", FLOAT, "Frames after which half of the pixels have another colour, of 64.", later=True),
    Column("frozen_frames", FLOAT, "Share of the frames that repeat the one before.", later=True),
    Column("borders", FLOAT, "Share of the picture in flat borders that never change.", later=True),
    Column(
        "still_edges",
        FLOAT,
        "Share of the picture inside the borders in edges that never change, such as text; NULL if half of the picture "
        "does not change.",
        later=True,
    ),
)


def _table(name: str, grain: str, keys: int, partitions: tuple[str, ...], *columns: Column) -> Table:
    return Table(name, grain, columns, keys, partitions)


_ALL = (
    _table(
        "segments",
        "a stretch of video to explain",
        2,
        ("dataset",),
        CLIP_ID,
        DATASET,
        Column("video_id", TEXT, "Identifies the video within its data set."),
        Column("path", TEXT, "The video file, or the folder of numbered frames."),
        SPLIT,
        Column(
            "group", TEXT, "Videos that belong together (one scene, one person) and share a split; NULL if unknown."
        ),
        LABEL,
        LABEL_TARGET,
        Column("start", INT, "First source frame, from 0; NULL means the video's first."),
        Column("stop", INT, "Source frame after the last; NULL means the video's end."),
        Column("action_start", INT, "First source frame of the annotated action; NULL if not annotated."),
        Column("action_stop", INT, "Source frame after the action's last; NULL if not annotated."),
        Column("value", FLOAT, "The annotated number that a regression is to answer; NULL if unknown.", later=True),
        *WINDOW,
    ),
    _table(
        "boxes",
        "object × source frame",
        4,
        ("dataset",),
        DATASET,
        Column("video_id", TEXT, "The video."),
        Column("frame", INT, "Source frame, from 0."),
        BOX_LABEL,
        *BOX,
    ),
    _table(
        "clips",
        "segment × size × view",
        4,
        ("dataset", "size"),
        *SIZED,
        SPLIT,
        LABEL,
        LABEL_TARGET,
        Column("frames", pa.list_(INT), "Source frame of each clip frame, from 0."),
        Column(
            "in_action", pa.list_(FLAG), "Whether each clip frame lies in the annotated action; NULL if not annotated."
        ),
        Column("source_height", INT, "Height of the source video as a player shows it, pixels."),
        Column("source_width", INT, "Width of the source video as a player shows it, pixels."),
        Column("source_frames", INT, "Frames of the source video that decode; NULL if the segment ends before it."),
        Column("height", INT, "Height of the clip, pixels."),
        Column("width", INT, "Width of the clip, pixels."),
        Column("pixels", pa.binary(), "uint8 RGB, [T, H, W, 3], row-major.", heavy=True),
        Column("sha256", TEXT, "Of the pixels."),
        Column(
            "small_frames",
            pa.binary(),
            "uint8 grey, [n, 16, 16], row-major: up to 8 of the frames, to find clips that show the same scene.",
            heavy=True,
            later=True,
        ),
        *_PROPERTIES,
        Column(
            "annotation_error",
            TEXT,
            "Why boxes or action cannot belong to this video, or miss the clip's frames; NULL if they fit. Annotation "
            "that cannot belong to it is not used.",
        ),
        *OUTCOME,
    ),
    _table(
        "clip_boxes",
        "object × clip frame",
        6,
        ("dataset", "size"),
        *SIZED,
        Column("frame", INT, "Clip frame, from 0."),
        BOX_LABEL,
        *BOX,
    ),
    _table(
        "training_log",
        "model × epoch",
        3,
        ("dataset", "model"),
        DATASET,
        MODEL,
        Column("epoch", INT, "From 1."),
        Column("learning_rate", FLOAT, "Of the epoch."),
        Column(
            "train_loss",
            FLOAT,
            "Mean cross-entropy over the training views, nats (of labels, mean over them); of a regression the mean "
            "squared error.",
        ),
        Column(
            "train_accuracy",
            FLOAT,
            "Share of training views classified correctly while training; NULL of a sigmoid or regression.",
        ),
        Column("validation_loss", FLOAT, "The same loss over the validation clips."),
        Column("validation_accuracy", FLOAT, "Share of validation clips classified correctly; NULL likewise."),
        Column("best", FLAG, "Whether the checkpoint holds this epoch's weights."),
        Column("seconds", FLOAT, "Wall time of the epoch."),
    ),
    _table(
        "predictions",
        "test clip × model",
        3,
        ("dataset", "model"),
        *ANSWERED,
        LABEL_TARGET,
        LABEL,
        Column(
            "target_probability",
            FLOAT,
            "Probability of the label, by a softmax or by its own sigmoid; NULL without one. Of a regression 1.",
        ),
        Column(
            "rank", INT, "1 if the label is the most probable class; NULL without a label, of a sigmoid or regression."
        ),
        Column(
            "probabilities",
            pa.list_(pa.float32()),
            "Probabilities of all classes, which sum to 1, or of all labels, [K]; NULL of a regression.",
        ),
        Column("predicted", TEXT, "The most probable class; NULL of a sigmoid or regression.", later=True),
        Column(
            "outputs",
            TEXT,
            "Of a network with more classes than the data set: `all` if the softmax runs over all of them, the data "
            "set's first, `restricted` if over the data set's; else NULL.",
            later=True,
        ),
        Column(
            "predicted_when_blurred",
            TEXT,
            "The most probable class of the clip behind a complete blur, sigma 20 px for a shorter side of 112 px; "
            "NULL if the answer to that is not finite.",
            later=True,
        ),
        Column(
            "gives",
            TEXT,
            "What the model answers: 'softmax' and 'logit' name one class, 'sigmoid' any number of labels, "
            "'regression' a number; NULL in files of earlier versions, all 'softmax'.",
            later=True,
        ),
        Column("output", FLOAT, "Answer of a regression, in its unit; else NULL.", later=True),
        *OUTCOME,
    ),
    _table(
        "frame_orders",
        "test clip × model × order of its frames",
        4,
        ("dataset", "model"),
        *ANSWERED,
        Column(
            "frame_order",
            TEXT,
            "'shuffled' (mean over four permutations, the same for all clips), 'reversed', or 'frozen' to the middle "
            "frame.",
        ),
        TARGET,
        Column("target_probability", FLOAT, "Probability of that class on the clip in this order."),
        *OUTCOME,
    ),
    _table(
        "maps",
        "test clip × model × method × ratio × seed",
        6,
        ("dataset", "model", "method"),
        *EXPLAINED,
        RATIO,
        SEED,
        TARGET,
        TARGET_NAME,
        Column("options", TEXT, "JSON: the method's options in the configuration; `{}` are its defaults."),
        Column("preset", TEXT, "Preset of the extremal family; NULL for other methods."),
        Column("perturbation", TEXT, "Perturbation, with its parameters, that the map was optimised on; NULL if none."),
        PROBABILITY,
        Column(
            "kept_probability", FLOAT, "Of the target on the clip perturbed by the map; NULL if none was optimised."
        ),
        Column("grid", pa.list_(pa.float16()), "The map at the method's own resolution, flat.", heavy=True),
        Column("grid_shape", pa.list_(INT), "[t, h, w] of the grid."),
        Column("upsampling", TEXT, "How `stepaudit.maps.render` makes the [T, H, W] map of the grid."),
        Column("volume", FLOAT, "Mean of the full map: the ratio that was reached, for a mask."),
        Column("frame_volume", pa.list_(pa.float32()), "Mean of the full map in each frame, [T]."),
        Column("crispness", FLOAT, "Σm² / Σm of the full map: 1 for a mask of zeros and ones, less for a faint one."),
        Column("shown", FLOAT, "Share of the clip that a mask shows with more than a tenth of its contrast."),
        Column("steps", INT, "Iterations of the optimiser; NULL if none."),
        Column("seconds", FLOAT, "Wall time of the row's batch, divided by its rows."),
        *OUTCOME,
    ),
    _table(
        "preservation",
        "test clip × model × method × bound × class × seed",
        7,
        ("dataset", "model", "method"),
        *EXPLAINED,
        Column(
            "bound",
            TEXT,
            "What a mask must keep: 'sufficiency' (half of what the clip adds to its empty version, by crisp masks, "
            "under conditions that the search did not see), 'probability' (a share of what the full mask keeps, by "
            "soft masks on one fill) or 'top1' (its first place, likewise).",
        ),
        Column(
            "asked_class",
            TEXT,
            "The explained class: the 'label', or the 'predicted' one (with `target: predicted`, and of clips without "
            "a label); or 'runner_up': the most probable class but that.",
        ),
        SEED,
        TARGET,
        TARGET_NAME,
        PROBABILITY,
        Column(
            "required_probability", FLOAT, "The least kept probability that satisfies 'probability'; NULL for others."
        ),
        Column(
            "kept_probability",
            FLOAT,
            "With the smallest mask that satisfies 'probability' or 'top1'; NULL if right-censored.",
        ),
        Column(
            "ratio",
            FLOAT,
            "Minimum preservation ratio a* (Li et al. 2021, eq. 3), of the mask; for 'sufficiency' a*(0.5), 0 if the "
            "clip is vacuous; NULL if right-censored.",
        ),
        Column("lower", FLOAT, "a* is above this ratio: the largest mask below a* that fails; 0 if left-censored."),
        Column("upper", FLOAT, "a* is at most this ratio; NULL if right-censored."),
        Column(
            "censored",
            TEXT,
            "'left': no smaller mask fails; 'right': the largest mask does not suffice; NULL: neither.",
        ),
        Column("evaluations", INT, "Masks optimised ('sufficiency': verified) for this clip, class and seed."),
        *_SUFFICIENCY,
        *OUTCOME,
    ),
    _table(
        "scores",
        "map × metric (× frame)",
        8,
        ("dataset", "model", "method"),
        *EXPLAINED,
        RATIO,
        SEED,
        Column("metric", TEXT, "The metric's name in the configuration."),
        Column("frame", INT, "Clip frame, from 0; NULL if the value is the whole clip's."),
        Column("value", FLOAT, "NULL where it cannot be measured, and only there."),
        *OUTCOME,
    ),
    _table(
        "runs",
        "job",
        2,
        ("stage",),
        Column("stage", TEXT, "The command that ran."),
        Column("keys", TEXT, "Which part of the audit: JSON of the data set, model, method and shard."),
        Column("config_hash", TEXT, "SHA-256 of the whole configuration."),
        Column("versions", TEXT, "JSON: Python, stepaudit and the libraries that decide results."),
        Column("commit", TEXT, "Git commit of the working folder, '+' if it was changed; NULL outside a checkout."),
        Column("device", TEXT, "CPU or GPU that did the work."),
        Column("seconds", FLOAT, "Wall time."),
        Column("peak_memory_mb", FLOAT, "Largest resident memory, MB."),
        Column("inputs", TEXT, "JSON: the audit's files that the job read, each with the SHA-256 of its bytes."),
        Column("outputs", TEXT, "JSON: the files that the job wrote, each with `sha256`, `bytes` and `rows`."),
    ),
)
TABLES = {table.name: table for table in _ALL}
