"""The columns of the tables on how much of a clip a model needs, of `audit.duckdb` alone; made by `needs.py`."""

from stepaudit.store.schema import DATASET, FLOAT, INT, METHOD, MODEL, TEXT, Column, Table

ENDS = (
    "Lower end of its 95 % interval, clips the sampling unit and classes a level of their own; NULL if clips do not "
    "tell.",
    "Its upper end.",
)
ANSWERS = Column(
    "answers", TEXT, "'all' clips, those to which the model gives the 'right' answer, or those that it gets 'wrong'."
)
CLASSES = Column("classes", INT, "Classes of these clips; of a single one the interval knows nothing of others.")


def _interval_columns(name: str, text: str, clips: str = "") -> tuple[Column, ...]:
    """A number, its interval, and the clips that it rests on, if that is to be said."""
    ends = (Column(f"{name}_{end}", FLOAT, words) for end, words in zip(("low", "high"), ENDS, strict=True))
    counted = (Column(f"{name}_clips", INT, clips),) if clips else ()
    return Column(name, FLOAT, text), *ends, *counted


ESTIMATES = Table(
    "need_estimates",
    "dataset × model × method × answers: how much of a clip the model needs, with its intervals and controls",
    (
        DATASET,
        MODEL,
        METHOD,
        ANSWERS,
        Column("clips", INT, "Clips that were searched for their label: the sampling unit."),
        CLASSES,
        Column("search", TEXT, "How masks were found: 'gradients', or, by forward passes alone, 'tubelets'."),
        *_interval_columns("vacuous", "Share of the clips that need nothing: no empty version is without the answer."),
        *_interval_columns(
            "need",
            "G: geometric mean over clips of how much they need, as a share of the clip (2 to the mean `log2_ratio`).",
            "Clips that need something.",
        ),
        *_interval_columns(
            "random",
            "The same of random crisp pieces, on the clips of `excess`.",
        ),
        *_interval_columns("runner_up", "The same of the runner-up class, on the clips of `specificity`."),
        *_interval_columns(
            "excess",
            "How much more random pieces need than the search's, mean over clips, octaves: 1 is twice as much.",
            "Clips with random pieces beside them.",
        ),
        *_interval_columns(
            "specificity",
            "How much more the runner-up class needs than the label, mean over clips, octaves.",
            "Clips of which both classes need something.",
        ),
        *_interval_columns(
            "own_less", "Share of the clips of `specificity` whose label needs less than the runner-up class."
        ),
        *_interval_columns(
            "elsewhere",
            "Mean share that the mask of a*(0.5) keeps where it does not belong.",
            "Clips on which it was moved.",
        ),
    ),
    4,
    (),
)
MEDIANS = Table(
    "need_medians",
    "dataset × model × method × answers × what is asked × level: the median of a* over clips that need something",
    (
        DATASET,
        MODEL,
        METHOD,
        ANSWERS,
        Column(
            "asked", TEXT, "What is to be enough: 'own' pieces, 'runner_up' (pieces for that class), 'random' ones."
        ),
        Column("level", FLOAT, "Share τ that must be kept of what the clip adds to its empty versions."),
        Column(
            "median",
            FLOAT,
            "Median of a*(τ): upper end of the interval in which Turnbull's estimate from the clips' brackets reaches "
            "one half; NULL if no piece is enough for half of the clips.",
        ),
        Column("low", FLOAT, "Lower end of its 95 % interval by order statistics of the brackets' lower ends."),
        Column("high", FLOAT, "Its upper end, of their upper ends; NULL if that is open, or clips do not tell."),
        Column("open_clips", INT, "Clips for which no piece is enough."),
        Column("clips", INT, "Clips that need something: the sampling unit."),
    ),
    6,
    (),
)
COMPARISONS = Table(
    "need_comparisons",
    "dataset × method × answers × pair of models, on the clips that both were searched on",
    (
        DATASET,
        METHOD,
        Column("answers", TEXT, "'all' clips, or those to which both models give the 'right' answer."),
        MODEL,
        Column("other_model", TEXT, "The second model."),
        Column("clips", INT, "Clips that both were searched on."),
        CLASSES,
        *_interval_columns(
            "times",
            "How many times as much of a clip the first needs as the second: 2 to the mean difference of `log2_ratio`.",
            "Clips that need something in both.",
        ),
        Column("p", FLOAT, "Two-sided p value of equal needs, with classes as a level of their own."),
        Column("holm_p", FLOAT, "The same after Holm's correction for all pairs of this data set, method and answers."),
        Column("vacuous", FLOAT, "Share of the clips that need nothing in the first."),
        Column("other_vacuous", FLOAT, "Share of the clips that need nothing in the second."),
        *_interval_columns("vacuous_difference", "First less second."),
        Column("vacuous_p", FLOAT, "Two-sided p value of it: McNemar's exact test, or the classes' if that is larger."),
        Column("vacuous_holm_p", FLOAT, "The same after Holm's correction likewise."),
    ),
    5,
    (),
)
CURVES = Table(
    "need_curve_means",
    "dataset × model × method × volume: what the best piece of at most a volume keeps, mean over clips",
    (
        DATASET,
        MODEL,
        METHOD,
        Column("volume", FLOAT, "Share of the clip that may be shown; powers of √½."),
        *_interval_columns(
            "kept",
            "Mean share of what the clip adds to its empty versions that the best verified piece of at most so much "
            "keeps.",
        ),
        Column("clips", INT, "Clips that need something: the sampling unit."),
    ),
    4,
    (),
)
READINGS = Table(
    "need_reading_estimates",
    "dataset × model × method × answers × reading: further readings over clips that need something",
    (
        DATASET,
        MODEL,
        METHOD,
        ANSWERS,
        Column(
            "reading",
            TEXT,
            "'frames': median number of whole frames that are enough; 'tube': median share of the picture that is "
            "enough in all frames; 'disjoint': share of the clips of which two pieces or more are each enough.",
        ),
        *_interval_columns(
            "value",
            "In the unit of the reading; medians from brackets, as in `need_medians`.",
            "Clips that need something and have this reading.",
        ),
        Column("exact_clips", INT, "Clips of 'frames' whose number is proven; NULL for the other readings."),
    ),
    5,
    (),
)
TABLES = (ESTIMATES, MEDIANS, COMPARISONS, CURVES, READINGS)
