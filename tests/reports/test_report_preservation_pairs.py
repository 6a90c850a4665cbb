"""Two models, bounds or perturbations on the same clips: what the brackets of a* decide, and what they leave open."""

import random
import statistics

import pytest
from tiny_audit import interval as estimated
from tiny_audit import write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.statistics.intervals import sign_test
from stepaudit.store import database

MODELS = {"conv": {"use": "r2plus1d_18"}, "lstm": {"use": "vgg16_lstm"}}
METHODS = {
    "ep3d": {"ratios": [0.1], "seeds": [3, 0]},
    "faded": {"use": "ep3d", "ratios": [0.1], "seeds": [3], "options": {"perturbation": "fade"}},
    "faded_long": {"use": "ep3d", "ratios": [0.1], "options": {"perturbation": "fade", "iterations": 9}},
    "step": {"ratios": [0.1], "options": {"perturbation": "fade"}},
}
LESS, MORE, LEFT, RIGHT = (0.05, 0.1), (0.2, 0.3), (0, 0.02), (0.7, None)


def search(clip_id, bracket, **others):
    """A row with a* in (lower, upper]; without an upper end no mask sufficed, with a lower end of 0 each did."""
    lower, upper = bracket
    censored = "right" if upper is None else "left" if lower == 0 else None
    place = {"clip_id": clip_id, "method": "ep3d", "seed": 3, **others}
    return {**place, "ratio": upper, "lower": float(lower), "upper": upper, "censored": censored}


def of_models(pairs, models=tuple(MODELS), **others):
    """Searches of two models, from their brackets by clip."""
    return [
        search(f"c{index}", bracket, model=model, **others)
        for index, pair in enumerate(pairs)
        for model, bracket in zip(models, pair, strict=True)
    ]


def answers(folder, rows, report, models=MODELS, maps=()):
    """Rows of a report or view over the searches."""
    tables, preserve = {"preservation": rows, "maps": maps}, {"methods": [*METHODS]}
    made = write_audit(folder, tables, models=models, methods=METHODS, preserve=preserve)
    build_database.create(made, config.load(made / "config.yaml"), [report])
    with database.connect(made) as connection:
        return database.records(connection, f'from "{report}"')


def of(row, *names):
    return tuple(row[name] for name in names)


def interval(row, column):
    return of(row, column, f"{column}_low", f"{column}_high")


# Model pairs; each case is searched for a bound of its own

PAIRS = {
    "clear": [(LESS, MORE)] * 9 + [(MORE, LESS)],
    "reversed": [(MORE, LEFT)] * 6,
    "few": [(LESS, MORE)] * 5,
    "split": [(LESS, MORE)] * 6 + [(MORE, LESS)] * 5,
    "both left": [(LEFT, LEFT)],
    "both right": [(RIGHT, RIGHT)],
    "overlap": [((0.1, 0.2), (0.15, 0.25))],
    "overlap with left": [(LEFT, (0.01, 0.04))],
    "touch": [((0.1, 0.2), (0.2, 0.3))],
    "left and known": [(LEFT, LESS)],
    "known and right": [(MORE, RIGHT)],
    "right and known": [(RIGHT, (0.4, 0.7))],
    "differences": [((0.0999, 0.1), (0.1, 0.1 + step / 100)) for step in (1, 2, 3, 4, 5, 6, 9)] + [(LEFT, RIGHT)],
    "one model": [(LESS, LESS)],
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The row of each case. A second seed, a failed search and clips of one model alone are there, too."""
    rows = [row for case, brackets in PAIRS.items() for row in of_models(brackets, bound=case)]
    rows = [row for row in rows if (row["bound"], row["model"]) != ("one model", "lstm")]
    rows += [row | {"seed": 0} for row in of_models([(MORE, LESS)] * 9, bound="clear")]
    rows += [search("alone", LESS, model="conv", bound="clear")]
    rows += [search("alone", LESS, model="lstm", bound="clear") | {"status": "upstream", "error": "bad_video"}]
    found = answers(tmp_path_factory.mktemp("pairs"), rows, "model_pairs")
    return {row["bound"]: row for row in found}


COUNTS = ("less_clips", "more_clips", "equal_clips", "undecided_clips", "clips")


def test_the_answer_names_the_model_that_needs_less_where_a_fair_coin_would_hardly_fall_so(pairs):
    row = pairs["clear"]
    assert row["answer"] == "conv needs less of a clip than lstm"
    assert of(row, "dataset", "method", "model", "other_model") == ("planted", "ep3d", "conv", "lstm")
    assert of(row, *COUNTS) == (9, 1, 0, 0, 10)
    assert interval(row, "less_percent") == (90, 59.6, 98.2)  # Wilson
    assert of(row, "p", "p_holm") == (0.0215, 0.0215)  # 2 · (1 + 10) / 2¹⁰
    assert pairs["reversed"]["answer"] == "lstm needs less of a clip than conv"  # 2 / 2⁶ = 0.03125


def test_few_clips_or_a_split_vote_tell_nothing(pairs):
    assert of(pairs["few"], "answer", "p", "less_percent") == ("cannot tell", 0.0625, 100)  # 2 / 2⁵
    assert of(pairs["split"], "answer", "p") == ("cannot tell", 1)


@pytest.mark.parametrize(
    ("case", "decided"),
    [
        ("both left", "undecided"),
        ("both right", "undecided"),
        ("overlap with left", "undecided"),  # at most 0.02, and between 0.01 and 0.04
        ("overlap", "equal"),  # both are known, as far as the search tells
        ("touch", "less"),  # a* is above the lower and at most the upper end
        ("left and known", "less"),
        ("known and right", "less"),
        ("right and known", "more"),
    ],
)
def test_a_clip_counts_where_its_brackets_put_it(pairs, case, decided):
    assert of(pairs[case], *COUNTS) == (*(int(name == f"{decided}_clips") for name in COUNTS[:-1]), 1)
    if decided in ("equal", "undecided"):
        assert of(pairs[case], "answer", "p", "less_percent") == ("cannot tell", 1, None)


def test_differences_are_those_of_clips_on_which_both_are_known(pairs):
    row = pairs["differences"]  # -0.01 to -0.06 and -0.09
    assert of(row, "known_clips", "clips") == (7, 8)
    # 7 clips: a fair coin falls 7 times on one side with 1/128, so that the extremes are the exact interval
    assert interval(row, "median_difference_ratio") == (-0.04, -0.09, -0.01)
    # mean -0.3 / 7, sd 0.02690; Student's interval is ± 2.447 · sd / √7 = 0.0249
    assert interval(row, "mean_difference_ratio") == pytest.approx((-0.0429, -0.0677, -0.018), abs=2e-3)
    low, high = estimated([-0.01, -0.02, -0.03, -0.04, -0.05, -0.06, -0.09], smallest_value=-1)
    assert interval(row, "mean_difference_ratio") == pytest.approx((-0.0429, low, high), abs=1e-4)
    few = pairs["few"]
    assert interval(few, "median_difference_ratio") == (-0.2, None, None)  # of 5 clips no interval holds 95 %


def test_a_clip_of_one_model_alone_is_no_pair(pairs):
    assert set(pairs) == set(PAIRS) - {"one model"}


def test_of_several_pairs_the_smallest_p_is_held_to_a_stricter_level(tmp_path):
    """p of 2/2⁷, 2/2⁶ and 1 for three pairs: Holm makes 3 · 0.0156, 2 · 0.0313 and 1 of them."""
    models = {name: {"use": "r2plus1d_18"} for name in "abc"}
    rows = of_models([(LESS, MORE)] * 7, "ab") + [search(f"c{index}", (0.11, 0.15), model="c") for index in range(6)]
    rows += [search("c6", LESS, model="c")]
    found = answers(tmp_path, rows, "model_pairs", models=models)
    shown = {of(row, "model", "other_model"): of(row, "p", "p_holm", "answer") for row in found}
    assert shown == {
        ("a", "b"): (0.0156, 0.0469, "a needs less of a clip than b"),
        ("a", "c"): (0.0313, 0.0469, "a needs less of a clip than c"),
        ("b", "c"): (0.0156, 0.0469, "c needs less of a clip than b"),
    }


# The test and the median against SciPy, and the level where nothing differs


def random_bracket(draw, difficulty):
    """Where the default grid leaves a threshold that is log-normal around a clip's difficulty: often at an end."""
    grid, threshold = [0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, None], difficulty * draw.lognormvariate(0, 0.7)
    above = sum(threshold > edge for edge in grid[:-1])
    return grid[above - 1], grid[above]


def test_equal_models_are_told_apart_in_at_most_five_of_a_hundred_audits(tmp_path):
    """Audits of 25 clips whose thresholds have one distribution, a third of them censored; an audit is a bound here."""
    draw, audits = random.Random(5), 400
    rows = []
    for audit in range(audits):
        hard = [draw.lognormvariate(-2.2, 1.5) for _ in range(25)]
        brackets = [(random_bracket(draw, each), random_bracket(draw, each)) for each in hard]
        searches = of_models(brackets, bound=f"audit-{audit}")
        rows += [row | {"clip_id": f"{audit}-{row['clip_id']}"} for row in searches]  # so that bounds are not compared
    found = answers(tmp_path, rows, "model_pairs")
    assert len(found) == audits
    censored = sum(row["censored"] is not None for row in rows) / len(rows)
    assert 0.2 < censored < 0.5  # the premise
    wrong = sum(row["answer"] != "cannot tell" for row in found)
    assert 0.01 * audits <= wrong <= 0.05 * audits + 1.645 * (0.05 * 0.95 * audits) ** 0.5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An audit whose database two tests ask."""
    rows = [
        search(f"c{index}", (ratio - 1e-6, ratio), model=model, bound=name)
        for name, sample in SAMPLES.items()
        for index, both in enumerate(sample)
        for model, ratio in zip(MODELS, both, strict=True)
    ]
    folder = tmp_path_factory.mktemp("samples")
    answers(folder, rows, "ratio_comparisons")
    return folder / "tiny"


def differing(size):
    """Ratios of two models on clips, with differences of random sizes, some of them equal."""
    draw = random.Random(size)
    steps = [draw.randint(-60, 60) / 1000 for _ in range(size)]
    return [(0.3 + max(0, step), 0.3 + max(0, -step)) for step in steps]


SAMPLES = {f"{size} clips": differing(size) for size in (*range(1, 14), 40, 101)}


def test_the_median_difference_and_its_exact_interval_agree_with_scipy(made):
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the independent reference")
    columns = "bound, median_difference, median_difference_low, median_difference_high"
    found = database.query(made, f"select {columns} from ratio_comparisons where varied = 'model'")[1]
    assert len(found) == len(SAMPLES)
    for name, median, *ours in found:
        differences = [one - other for one, other in SAMPLES[name]]
        assert median == pytest.approx(statistics.median(differences), abs=1e-9)
        theirs = stats.quantile_test(differences, p=0.5).confidence_interval(0.95)
        expected = [theirs.low, theirs.high] if len(differences) >= 6 else [None, None]
        assert ours == pytest.approx(expected, abs=1e-9), name


def test_the_sign_test_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the independent reference")
    for less, more in ((0, 0), (1, 0), (3, 3), (2, 9), (14, 1), (40, 60), (420, 500), (0, 900), (9_000, 11_000)):
        expected = stats.binomtest(less, less + more).pvalue if less + more else 1
        assert sign_test(less, more) == pytest.approx(expected, rel=1e-9), (less, more)


# Sensitivity


def test_bounds_and_perturbations_are_compared_on_the_clips_that_both_were_searched_on(tmp_path):
    searched = {
        ("conv", "ep3d", "probability"): [LESS, MORE, MORE, RIGHT],
        ("conv", "ep3d", "top1"): [LEFT, LESS, LESS],  # the last clip has no first place to keep
        ("conv", "faded", "probability"): [MORE, MORE, RIGHT, RIGHT],
        ("conv", "faded_long", "probability"): [LESS] * 4,  # differs in more than the perturbation
        ("conv", "step", "probability"): [LESS] * 4,
        ("lstm", "ep3d", "probability"): [LESS, RIGHT, RIGHT],
        ("lstm", "faded", "probability"): [LESS, RIGHT, RIGHT],
    }
    rows = [
        search(f"c{index}", bracket, model=model, method=method, bound=bound, seed=METHODS[method].get("seeds", [0])[0])
        for (model, method, bound), brackets in searched.items()
        for index, bracket in enumerate(brackets)
    ]
    texts = {"ep3d": "blur(20)", "faded": "fade"}
    maps = [{"clip_id": "c0", "model": "lstm", "method": m, "ratio": 0.1, "perturbation": t} for m, t in texts.items()]
    bound, fade, none = answers(tmp_path, rows, "ratio_sensitivity", maps=maps)
    names = ("varied", "model", "method", "bound", "first", "second")
    assert of(bound, *names) == ("bound", "conv", "ep3d", None, "probability", "top1")
    assert of(bound, "first_median_ratio", "second_median_ratio") == (0.3, 0.1)  # of 0.1, 0.3, 0.3; of 0.02, 0.1, 0.1
    assert of(bound, *COUNTS) == (0, 3, 0, 0, 3)
    assert of(bound, "known_clips", "median_difference_ratio", "p_holm") == (2, 0.2, 0.25)  # 2 / 2³
    assert of(fade, *names) == ("perturbation", "conv", None, "probability", "ep3d", "faded")
    assert of(fade, "first_median_ratio", "second_median_ratio") == (0.3, 0.3)  # the second smallest of four
    assert of(fade, *COUNTS) == (2, 0, 1, 1, 4)
    # where most clips are preserved by no mask their median is not known
    assert of(none, "model", "first_median_ratio", "second_median_ratio", "undecided_clips") == ("lstm", None, None, 2)
    assert of(none, "first_perturbation", "second_perturbation") == ("blur(20)", "fade")
