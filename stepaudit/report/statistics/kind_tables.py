"""The columns of `kind_estimates` and `cue_estimates`: tables of `audit.duckdb` alone, made from its views."""

from stepaudit.store.schema import DATASET, FLOAT, INT, LABEL, MODEL, TEXT, Column, Table

PROPERTY = Column("property", TEXT, "A column of `clip_properties`.")
TESTED = (
    Column("p", FLOAT, "Two-sided p value by random orders; NULL for more than 50,000 videos of which few vary."),
    Column("holm_p", FLOAT, "The same after Holm's correction over all questions of the table."),
)


def _interval_columns(name: str, text: str) -> tuple[Column, ...]:
    ends = {"low": "Lower end of its 95 % interval, videos the sampling unit.", "high": "Its upper end."}
    return (Column(name, FLOAT, text), *(Column(f"{name}_{end}", FLOAT, words) for end, words in ends.items()))


KINDS = Table(
    "kind_estimates",
    "dataset × model × outcome × property: whether clips with more of a property have another outcome",
    (
        DATASET,
        MODEL,
        Column("outcome", TEXT, "'wrong', 'need' (octaves) or 'off_object', see `clip_outcomes`."),
        PROPERTY,
        Column("clips", INT, "Clips of which both are known."),
        Column("videos", INT, "Groups of clips, or videos, that they come from: the sampling unit."),
        *_interval_columns("less", "Mean outcome of videos with less of the property than most of their class."),
        *_interval_columns("more", "Mean outcome of videos with more of it than most of their class."),
        *TESTED,
    ),
    4,
    (),
)
CUES = Table(
    "cue_estimates",
    "dataset × class × property: how well the property alone separates the class from the others",
    (
        DATASET,
        LABEL,
        PROPERTY,
        Column("clips", INT, "Clips of the class of which it is known."),
        Column("videos", INT, "Groups of clips, or videos, that they come from: the sampling unit."),
        *_interval_columns("own", "Mean over the clips of the class."),
        *_interval_columns("others", "Mean over the clips of other classes, without those that have this label too."),
        Column("auc", FLOAT, "Area under the ROC curve of the property as a classifier of videos; 0.5 is chance."),
        *TESTED,
    ),
    3,
    (),
)
TABLES = (KINDS, CUES)
