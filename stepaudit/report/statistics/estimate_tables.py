"""The columns of `estimates`, `comparisons` and `reliability`: tables of `audit.duckdb` alone, made from its views.

They are plain tables, since whoever is handed the file has no Python.
"""

from stepaudit.store.schema import DATASET, FLOAT, INT, METHOD, MODEL, RATIO, TEXT, Column, Table

METRIC = Column("metric", TEXT, "The metric's name in the configuration.")
CLIPS = Column("clips", INT, "Clips that it rests on: the sampling unit, or, of windows of long videos, the videos.")
FRAMES = Column("frames", INT, "Measured frames, or clips where the metric measures whole clips.")
WAY = "'bootstrap-t' (over clips), 'wilson' (a clip is one observation: few differ, or it is narrower), or NULL: none."

ESTIMATES = Table(
    "estimates",
    "dataset × model × method × ratio × metric: what was measured, with its interval",
    (
        DATASET,
        MODEL,
        METHOD,
        RATIO,
        METRIC,
        Column("value", FLOAT, "Mean over measured frames (or clips), seeds averaged; NULL if there is none."),
        Column("low", FLOAT, "Lower end of the 95 % interval, clips the sampling unit; NULL if clips do not tell."),
        Column("high", FLOAT, "Its upper end."),
        Column("way", TEXT, WAY),
        CLIPS,
        FRAMES,
        Column("reason", TEXT, "Why there is no value; NULL if there is one."),
    ),
    5,
    (),
)
COMPARISONS = Table(
    "comparisons",
    "dataset × model × metric × family × pair of measures on the same frames of the same clips",
    (
        DATASET,
        MODEL,
        METRIC,
        Column(
            "family", TEXT, "'floor' (a method and a floor), 'method' (two methods), 'annotation' (two annotations)."
        ),
        METHOD,
        RATIO,
        Column("other_method", TEXT, "What it is compared with."),
        Column("other_ratio", FLOAT, "The ratio of that; NULL for methods without one."),
        Column("other_metric", TEXT, "The metric of that: the same, but for the family 'annotation'."),
        Column("value", FLOAT, "Mean of the first over the frames where both were measured."),
        Column("other_value", FLOAT, "Mean of the second over them."),
        Column("difference", FLOAT, "First less second."),
        Column("low", FLOAT, "Lower end of its 95 % interval, clips the sampling unit; NULL if clips do not tell."),
        Column("high", FLOAT, "Its upper end."),
        Column("way", TEXT, WAY),
        Column("better_clips", INT, "Clips on which the first has the greater sum."),
        Column("worse_clips", INT, "Clips on which the second has."),
        CLIPS,
        FRAMES,
        Column("p", FLOAT, "Two-sided p value: sign flips of whole clips; exact up to 14 clips, else at random."),
        Column(
            "holm_p",
            FLOAT,
            "The same after Holm's correction for all pairs of this data set, model, family, metric and other metric.",
        ),
    ),
    9,
    (),
)
RELIABILITY = Table(
    "reliability",
    "dataset × model × metric: whether it ranks methods alike on other clips",
    (
        DATASET,
        MODEL,
        METRIC,
        Column("methods", INT, "Methods (each ratio by itself, floors left out) that are ranked."),
        Column("clips", INT, "Clips on which all of them were measured."),
        Column(
            "split_half",
            FLOAT,
            "Rank correlation to expect between rankings by two samples of so many clips: random halves, stepped up "
            "(Spearman-Brown).",
        ),
        Column("alpha", FLOAT, "Krippendorff's alpha of the methods' ranks within clips: agreement of single clips."),
        Column("reason", TEXT, "Why there is no split-half reliability; NULL if there is one."),
    ),
    3,
    (),
)

TABLES = (ESTIMATES, COMPARISONS, RELIABILITY)
