"""Reports on needs: rows whose answers are known by hand, or from SciPy."""

import math

import numpy as np
import pytest
from scipy import stats
from tiny_audit import answer, clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.statistics import classes, intervals, needs
from stepaudit.store import database

PRESERVE = {"methods": ["step"]}
NEED = {  # of six clips of a class: G, what random pieces and what the runner-up class need; c5 needs nothing
    "c0": (0.02, 0.32, 0.04),
    "c1": (0.04, 0.32, 0.02),
    "c2": (0.08, 0.64, 0.64),
    "c3": (0.04, 0.64, 0.32),
    "c4": (0.16, 0.64, 0.64),
}


def search(clip, need, random=None, *, asked="label", **values):
    """A row of the bound `sufficiency` whose curve is the same at each level: a* = G."""
    levels = dict.fromkeys(("ratio", "upper", "ratio_75", "ratio_90"), need)
    levels |= dict.fromkeys(("lower", "lower_75", "lower_90"), need / 2)
    logs = {"log2_ratio": math.log2(need), "log2_lower": math.log2(need / 2)} if need else {}
    logs |= {"random_ratio": random, "random_log2_ratio": math.log2(random)} if random else {}
    curve = {"volumes": [need / 2, need], "shares": [0.25, 1.0]}
    return {"clip_id": clip, "bound": "sufficiency", "asked_class": asked, "vacuous": not need} | (
        levels | logs | curve | {"passes": 180.0, "crispness": 0.9, "elsewhere_share": 0.1} | values
    )


def both_classes(model="r3d", factor=1.0):
    rows = []
    for clip, (own, random, other) in NEED.items():
        rows.append(search(clip, own * factor, random, model=model))
        rows.append(search(clip, other, asked="runner_up", model=model))
    nothing = [search("c5", 0.0, model=model), search("c5", 0.0, asked="runner_up", model=model)]
    return rows + nothing


def predicted(model="r3d", wrong=("c4",)):
    return [
        {"clip_id": clip, "model": model, "rank": 2 if clip in wrong else 1, "target_probability": 0.9}
        for clip in (*NEED, "c5")
    ]


def audit(folder, searches, predictions=(), **changes):
    rows = {**clips(*NEED, "c5"), "preservation": searches, "predictions": list(predictions)}
    return write_audit(folder, rows, preserve=PRESERVE, **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One model beside rows that no report of needs may count: the paper's bound, another seed, a failed search."""
    others = [
        {"clip_id": "c0", "bound": "probability", "ratio": 0.7, "lower": 0.6, "upper": 0.7},
        {"clip_id": "c1", "bound": "top1", "ratio": 0.6, "lower": 0.5, "upper": 0.6},
        search("c0", 0.9, 0.9, seed=1),
        search("c0", 0.9, asked="runner_up", seed=1),
        {"clip_id": "c9", "bound": "sufficiency", "asked_class": "label", "status": "upstream", "error": "no frames"},
    ]
    folder = audit(
        tmp_path_factory.mktemp("needs"),
        [*both_classes(), *others],
        predicted(),
        methods={"step": {"ratios": [0.1], "seeds": [0, 1]}, "middle": {"use": "center"}},
    )
    build_database.create(folder, config.load(folder / "config.yaml"))
    return folder


def rows_of(folder, sql):
    with database.connect(folder) as connection:
        return database.records(connection, sql)


def test_needs_that_were_searched_in_different_ways_are_not_compared(tmp_path):
    """Those of `r3d` by gradients, those of `box` by forward passes alone, but for one clip."""
    blind = [row | {"search": "tubelets"} for row in both_classes("vgg", factor=2.0)]
    blind[0]["search"] = "gradients"
    models = {name: {"use": "r2plus1d_18"} for name in ("r3d", "vgg")}
    folder = audit(tmp_path, [*both_classes(), *blind], models=models)
    build_database.create(folder, config.load(folder / "config.yaml"))
    assert [row["search"] for row in rows_of(folder, "from needs")] == ["gradients", "gradients, tubelets"]
    (pair,) = rows_of(folder, "from need_pairs where answers = 'all'")
    assert (pair["clips"], pair["times_clips"]) == (1, 1)


def test_how_much_is_needed_is_the_geometric_mean_over_clips_that_need_something(made):
    row, right, wrong = rows_of(made, "from needs")
    assert (row["answers"], right["answers"], wrong["answers"]) == ("all", "right", "wrong")
    needs = np.log2([own for own, *_ in NEED.values()])
    # 2 % · (1 · 2 · 4 · 2 · 8)^(1/5) = 2 % · 2^(7/5)
    assert row["need_percent"] == pytest.approx(2 * 2**1.4, abs=0.005)
    ends = stats.ttest_1samp(needs, 0).confidence_interval(0.95)  # one class
    assert (row["need_percent_low"], row["need_percent_high"]) == pytest.approx(
        (100 * 2**ends.low, 100 * 2**ends.high), abs=0.006
    )
    assert (row["clips"], row["need_clips"], row["classes"]) == (6, 5, 1)
    assert (right["clips"], right["need_percent"]) == (5, pytest.approx(2 * 2 ** (4 / 4), abs=0.005))
    assert (wrong["clips"], wrong["need_percent"], wrong["need_percent_low"]) == (1, 16, None)


def test_clips_that_need_nothing_are_counted_by_themselves(made):
    row, right, wrong = rows_of(made, "from needs")
    assert [each["vacuous_percent"] for each in (row, right, wrong)] == [16.7, 20, 0]
    found = stats.binomtest(1, 6).proportion_ci(method="wilson")
    assert (row["vacuous_percent_low"], row["vacuous_percent_high"]) == pytest.approx(
        (100 * found.low, 100 * found.high), abs=0.06
    )


def test_random_pieces_and_the_runner_up_class_stand_beside_in_times_as_much(made):
    row = rows_of(made, "from needs where answers = 'all'")[0]
    # octaves of random pieces over the own: 4, 3, 3, 4, 2; of the runner-up class: 1, −1, 3, 3, 2
    assert row["excess_times"] == pytest.approx(2**3.2, abs=0.005)
    assert row["specificity_times"] == pytest.approx(2**1.6, abs=0.005)
    assert row["own_less_percent"] == 80
    assert row["random_need_percent"] == pytest.approx(32 * 2**0.6, abs=0.005)
    assert row["runner_up_need_percent"] == pytest.approx(2 * 2 ** (15 / 5), abs=0.005)
    assert (row["elsewhere_percent"], row["verdict"]) == (10, None)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([search(f"c{index}", 0.04, 0.32 + 0.01 * index) for index in range(5)], None),
        # random pieces need as much on average: the interval of octaves holds 0
        ([search(f"c{index}", 0.32, 0.64 if index % 2 else 0.16) for index in range(5)], "no localised evidence"),
        # random pieces need eight times as much, but so cheap is the runner-up class, too, on three of five clips
        (
            [search(f"c{index}", 0.04, 0.32 + 0.01 * index) for index in range(5)]
            + [search(f"c{index}", 0.02 if index < 3 else 0.5, asked="runner_up") for index in range(5)],
            "no localised evidence",
        ),
        (
            [search(f"c{index}", 0.04, 0.32 + 0.01 * index) for index in range(5)]
            + [search(f"c{index}", 0.02 if index < 2 else 0.5, asked="runner_up") for index in range(5)],
            None,
        ),
        ([search(f"c{index}", 0.0) for index in range(5)], None),
    ],
    ids=["random pieces need more", "random pieces do", "runner-up is cheaper", "own is cheaper", "needs nothing"],
)
def test_no_localised_evidence_is_said_where_random_pieces_or_another_class_do_as_well(tmp_path, rows, verdict):
    found = answer(audit(tmp_path, rows, predicted()), "needs")
    assert found[0]["verdict"] == verdict


def test_levels_have_medians_of_brackets_and_what_no_piece_keeps_is_open(made, tmp_path):
    rows = {(row["answers"], row["level"]): row for row in rows_of(made, "from need_levels")}
    half = rows["all", 0.5]
    # brackets (1, 2], (2, 4], (2, 4], (4, 8], (8, 16] %: half of the clips lie at most at 4 %
    assert (half["median_need_percent"], half["clips"]) == (4, 5)
    assert (half["random_need_percent"], rows["all", 0.9]["random_need_percent"]) == (64, None)
    assert (half["runner_up_need_percent"], half["runner_up_open_clips"]) == (32, 0)
    open_ends = {"ratio": None, "upper": None, "ratio_75": None, "ratio_90": None, "censored": "right"}
    open_ends |= dict.fromkeys(("lower", "lower_75", "lower_90"), 0.9)
    searches = [search(clip, own) for clip, (own, *_) in NEED.items()]
    searches += [search(clip, 0.5, asked="runner_up", **(open_ends if clip > "c1" else {})) for clip in NEED]
    open_row = answer(audit(tmp_path, searches, predicted()), "need_levels")[0]
    assert (open_row["runner_up_need_percent"], open_row["runner_up_open_clips"]) == (None, 3)


def test_curves_are_means_of_what_the_best_piece_of_a_size_keeps(made):
    rows = {row["size_need_percent"]: row for row in rows_of(made, "from need_curves")}
    # 2^-4.5 = 4.42 %: c0, c1 and c3 are kept by 2 and 4 %, c2 to a quarter by 4 %, c4 (8, 16 %) not at all
    assert rows[4.42]["kept_percent"] == pytest.approx(100 * (3 + 0.25) / 5, abs=0.06)
    assert (rows[17.68]["kept_percent"], rows[0.78]["kept_percent"], rows[100]["kept_percent"]) == (100, 0, 100)
    assert {row["clips"] for row in rows.values()} == {5}


def test_a_small_mask_that_more_content_breaks_does_not_lift_the_curve(tmp_path):
    """Its share is on the curve, but a* is larger, since the mask did not keep the level when more was shown."""
    broken = search("c0", 0.25, volumes=[0.03125, 0.25], shares=[0.95, 0.92])
    rows = {row["size_need_percent"]: row for row in answer(audit(tmp_path, [broken]), "need_curves")}
    assert (rows[3.13]["kept_percent"], rows[25]["kept_percent"]) == (50, 95)


def test_starts_differ_by_octaves_and_a_clip_that_needs_nothing_with_one_of_them_is_mixed(tmp_path):
    searches = [search(clip, own, seed=0) for clip, (own, *_) in NEED.items()]
    searches += [search(clip, own * (2 if clip < "c3" else 1), seed=1) for clip, (own, *_) in NEED.items()]
    searches += [search("c5", 0.0, seed=0), search("c5", 0.5, seed=1)]
    methods = {"step": {"ratios": [0.1], "seeds": [0, 1]}}
    (row,) = answer(audit(tmp_path, searches, methods=methods), "need_starts")
    # variances 1/2, 1/2, 1/2, 0, 0
    assert row["start_octaves"] == pytest.approx(math.sqrt(0.3), abs=1e-3)
    assert (row["seeds"], row["clips"], row["need_clips"], row["mixed_clips"]) == (2, 6, 5, 1)
    means = np.log2([own for own, *_ in NEED.values()]) + np.array([0.5, 0.5, 0.5, 0, 0])
    assert row["clip_octaves"] == pytest.approx(np.std(means, ddof=1), abs=1e-3)
    assert row["largest_range_octaves"] == 1


FACTORS = {"c0": 2.2, "c1": 1.8, "c2": 2.0, "c3": 2.4, "c4": 1.7}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """`greedy`, wrong on c0, needs about twice as much as `r3d`, `same` as much; `r3d` needs nothing of c5."""
    greedy = [search(clip, own * FACTORS[clip], model="greedy") for clip, (own, *_) in NEED.items()]
    same = [search(clip, own * FACTORS[clip] ** (-1) ** int(clip[1]), model="same") for clip, (own, *_) in NEED.items()]
    searches = [*both_classes(), *greedy, search("c5", 0.5, model="greedy"), *same]
    predictions = [*predicted(wrong=()), *predicted("greedy", wrong=("c0",)), *predicted("same", wrong=())]
    models = {name: {"use": "r2plus1d_18"} for name in ("r3d", "greedy", "same")}
    folder = audit(tmp_path_factory.mktemp("pairs"), searches, predictions, models=models)
    return {(row["answers"], row["model"], row["other_model"]): row for row in answer(folder, "need_pairs")}


def test_models_are_compared_by_how_many_times_as_much_they_need_on_the_same_clips(pairs):
    row = pairs["all", "greedy", "r3d"]
    octaves = np.log2(list(FACTORS.values()))
    expected = stats.ttest_1samp(octaves, 0)
    ends = expected.confidence_interval(0.95)
    assert row["answer"] == "greedy needs more of a clip than r3d"
    assert (row["times"], row["times_low"], row["times_high"]) == pytest.approx(
        (2 ** octaves.mean(), 2**ends.low, 2**ends.high), abs=0.006
    )
    assert row["p"] == pytest.approx(expected.pvalue, abs=1e-4)
    assert (row["clips"], row["times_clips"]) == (6, 5)
    other = pairs["all", "r3d", "same"]
    assert other["answer"] == "cannot tell"
    # Holm over three pairs: the least p counts three times
    least = min(pairs["all", *pair]["p"] for pair in (("greedy", "r3d"), ("greedy", "same"), ("r3d", "same")))
    assert row["p"] == least
    assert row["holm_p"] == pytest.approx(3 * row["p"], abs=2e-4)


def test_pairs_on_clips_that_both_have_right_leave_out_the_others(pairs):
    row = pairs["right", "greedy", "r3d"]
    octaves = np.log2([factor for clip, factor in FACTORS.items() if clip != "c0"])
    assert (row["clips"], row["times_clips"]) == (5, 4)
    assert row["times"] == pytest.approx(2 ** octaves.mean(), abs=0.006)


def test_shares_that_need_nothing_are_compared_on_the_same_clips(pairs):
    row = pairs["all", "greedy", "r3d"]
    assert (row["vacuous_percent"], row["other_vacuous_percent"], row["vacuous_difference_points"]) == (0, 16.7, -16.7)
    assert row["vacuous_difference_points_low"] < -16.7 < row["vacuous_difference_points_high"]
    assert row["vacuous_p"] == 1  # McNemar: one clip, either way


def test_classes_that_differ_count_as_a_level_of_their_own(tmp_path):
    """Twelve clips of two classes: one needs 1 %, the other 16 %. Student's t over clips would be too narrow."""
    rows, tables = [], {"segments": [], "clips": []}
    values = {label: 0.01 * 16**place for place, label in enumerate("ab")}
    for label, value in values.items():
        for index in range(6):
            clip = f"{label}{index}"
            rows.append(search(clip, value * (1 + 0.05 * index)))
            for name, some in clips(clip, label=label).items():
                tables[name] += some
    folder = write_audit(tmp_path, {**tables, "preservation": rows}, preserve=PRESERVE)
    row = answer(folder, "needs")[0]
    logs = np.array([each["log2_ratio"] for each in rows])
    expected = classes.mean(logs, np.repeat(["a", "b"], 6))
    assert (row["need_percent_low"], row["need_percent_high"]) == pytest.approx(
        (100 * 2**expected.low, 100), abs=0.006
    )  # a clip needs no more than the whole
    plain = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert expected.high - expected.low > 2 * (plain.high - plain.low)
    assert row["classes"] == 2


def test_reports_of_the_papers_bound_leave_out_crisp_masks_and_the_runner_up_class(made):
    assert {row["bound"] for row in rows_of(made, "from min_ratio")} == {"probability", "top1"}
    assert [row["clips"] for row in rows_of(made, "from min_ratio")] == [1, 1]
    assert {row["bound"] for row in rows_of(made, "from kaplan_meier_curves")} == {"probability", "top1"}


def test_coverage_asks_for_a_row_of_each_bound_and_class(tmp_path):
    folder = write_audit(tmp_path, {**clips("c0"), "preservation": [search("c0", 0.1)]}, preserve={"methods": ["step"]})
    (row,) = [each for each in answer(folder, "coverage") if each["stage"] == "preservation"]
    assert (row["asked"], row["missing"], row["ok"]) == (2, 1, 1)  # the label and the runner-up class


def test_readings_are_medians_from_brackets_and_the_share_of_clips_with_several_pieces(tmp_path):
    """Exact numbers 1, 2, 2 and an open one above 2: the median is 2. c5 needs nothing and has no readings."""
    read = {  # frames, of which no choice does, the tube and what fails, pieces
        "c0": ([3], 0, 0.10, 0.09, 1),
        "c1": ([3, 4], 1, 0.20, 0.18, 2),
        "c2": ([0, 7], 1, 0.30, 0.28, 5),
        "c3": ([0, 1, 2, 3, 5], 2, 1.0, 0.85, 1),
    }
    names = ("fewest_frames", "fewest_frames_lower", "tube", "tube_lower", "disjoint_pieces")
    searches = [
        *(search(clip, 0.1, **dict(zip(names, values, strict=True))) for clip, values in read.items()),
        search("c4", 0.1),
        search("c5", 0.0),
    ]
    (row,) = [
        each for each in answer(audit(tmp_path, searches, predicted()), "need_readings") if each["answers"] == "all"
    ]
    assert (row["median_frames"], row["exact_clips"], row["clips"]) == (2, 3, 4)
    assert (row["median_tube_percent"], row["several_percent"]) == (20.0, 50.0)
    low, high = intervals.wilson(np.array(0.5), np.array(4.0))
    assert (row["several_percent_low"], row["several_percent_high"]) == pytest.approx((100 * low, 100 * high), abs=0.06)
    assert row["median_frames_low"] is row["median_tube_percent_high"] is None  # four clips do not tell


def test_numbers_of_frames_that_are_proven_have_no_wider_interval_than_whole_numbers():
    """Nine clips that need two frames, no fewer, and one of which all that is known is that it needs one to three."""
    rows = [{"whole_frames": 2, "whole_frames_lower": 1, "label": str(clip), "unit": clip} for clip in range(9)]
    found = needs._reading([*rows, {"whole_frames": 3, "whole_frames_lower": 0, "label": "9", "unit": 9}], "frames")
    assert (found["value"], found["value_low"], found["value_high"], found["exact_clips"]) == (2, 2, 2, 9)


def test_an_audit_that_asked_for_no_readings_has_none(made):
    assert rows_of(made, "from need_readings") == []
