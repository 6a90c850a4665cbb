"""Two sides on the same clips: tables by hand, answers worked out; intervals and tests against SciPy and reports.

Each case is a model of the same two audits, so that their databases are made once.
"""

import csv
import io
import json
import re
import shutil
from functools import cache, partial

import command_line
import numpy as np
import pytest
from compared_audits import answer, audit, clip_rows, map_row, mass, quantities, search, written
from scipy import stats

from stepaudit.commands.compare import command, conditions, map_similarity, sides
from stepaudit.commands.compare.comparison import compared
from stepaudit.errors import UsageError
from stepaudit.report.statistics import medians
from stepaudit.store import database
from stepaudit.store.tables import write

TEN = [f"c{index}" for index in range(10)]
LESS, MORE, LEFT, RIGHT = (0.05, 0.1), (0.2, 0.3), (0, 0.02), (0.7, None)
PAIRS = [(LESS, MORE)] * 6 + [(MORE, LESS), (LEFT, LEFT), (RIGHT, RIGHT), ((0.1, 0.2), (0.15, 0.25))]
A_STAR, B_STAR = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), (0.15, 0.3, 0.32, 0.3, 0.7, 0.8, 0.95)
GRIDS = (np.random.default_rng(0).random((4, 2, 4, 4)) * 64).round() / 64
ANNOTATED = {"random": 0.1, "inside": 0.6, "annotated": 0.2}


def of(quantity, *names):
    return tuple(getattr(quantity, name) for name in names)


def searches(pairs):
    """Searches of A and of B, from their brackets by clip."""
    return tuple(
        {"preservation": [search(f"c{index}", each[side]) for index, each in enumerate(pairs)]} for side in (0, 1)
    )


def masks(others_of):
    """Masks that keep 0.9 under their own fill and so much under others; None: every fill alone keeps 0.8."""
    rows = {"scores": [], "maps": []}
    for clip, others in others_of.items():
        keys = {"clip_id": clip, "method": "ep3d", "ratio": 0.1}
        rows["maps"].append(map_row(clip, GRIDS[0], **keys, kept_probability=0.9, perturbation="blur:sigma=5"))
        parts = {"clip": 0.9, "rival_clip": 0.05, "shift": 0.8, "soft.blur": 0.9, **ANNOTATED}
        parts |= {
            f"soft.{fill}": 0.9 if others is None else others for fill in ("other_blur", "fade", "freeze", "noise")
        }
        for fill in ("blur", "other_blur", "fade", "freeze", "noise"):
            parts |= {f"empty.{fill}": 0.8 if others is None else 0.1, f"hard.{fill}": 0.9}
        rows["scores"] += [
            mass(clip, value, **{**keys, "metric": f"mask_survival.{part}"}) for part, value in parts.items()
        ]
    return rows


def methods_by(value):
    """Scores of two methods, of a floor, and of what all maps share."""
    mine = [mass(clip, value + index / 100) for index, clip in enumerate(TEN)]
    others = ({"method": "center"}, {"metric": "box_share"}, {"method": "ep3d", "ratio": 0.1})
    return {"scores": mine + [mass(clip, value, **other) for clip in TEN for other in others]}


def week(shift=0.0):
    """Predictions, searches of every kind, scores and maps of ten clips."""
    random = np.random.default_rng(int(10 * shift))
    brackets = [LEFT, LESS, MORE, RIGHT, LESS, LEFT, LEFT, LEFT, LEFT, LEFT]
    return {
        "predictions": [answer(clip, 0.6 - shift, right=index % 3 > 0) for index, clip in enumerate(TEN)],
        "preservation": [search(clip, bracket) for clip, bracket in zip(TEN, brackets, strict=True)],
        "scores": [mass(clip, 0.5 - shift + index / 50) for index, clip in enumerate(TEN)],
        "maps": [map_row(clip, random.random((2, 4, 4))) for clip in TEN],
    }


FRAMES_A = [mass("c0", 0.2, 0), mass("c0", 0.4, 1), mass("c0", 0.9, 2), mass("c1", 0.6, 0), mass("c2", 1.0, 0)]
FRAMES_B = [mass("c0", 0.5, 0), mass("c0", 0.5, 1), mass("c0", None, 2, status="no_peak"), mass("c1", 0.2, 0)]
NAN = {"status": "non_finite", "error": "NaN"}
CASES = {
    # A has the first eight of ten clips right, B six: all but 0, 1, 2 and 9
    "answers": (
        {"predictions": [answer(clip, 0.9, right=index < 8) for index, clip in enumerate(TEN)]},
        {"predictions": [answer(clip, 0.8, right=index in range(3, 9)) for index, clip in enumerate(TEN)]},
    ),
    "nothing": ({"predictions": [answer("c0", 0.9)]}, {"predictions": [answer("c0", 0.8)]}),
    "pairs": searches(PAIRS),
    "known": searches([((a - 0.01, a), (b - 0.01, b)) for a, b in zip(A_STAR, B_STAR, strict=True)]),
    "low": searches([(LEFT, LEFT)] * 6 + [(LESS, LESS)]),
    "high": searches([(LESS, RIGHT)] * 7),
    "few": searches([(LESS, MORE)] * 5),
    "frames": ({"scores": FRAMES_A}, {"scores": FRAMES_B}),
    "methods": (methods_by(0.2), methods_by(0.3)),
    "masks": (
        masks({"c0": 0.9, "c1": 0.9, "c2": 0.9, "c3": None, "c4": 0.1}),
        masks({"c0": 0.1, "c1": 0.1, "c2": 0.9, "c3": 0.1, "c4": 0.1}),
    ),
    "maps": (
        {"maps": [map_row("c0", GRIDS[0]), map_row("c1", GRIDS[1]), map_row("c2", np.full((1, 1, 1), 0.5))]},
        {"maps": [map_row("c0", 1 - GRIDS[0]), map_row("c1", GRIDS[2]), map_row("c2", GRIDS[3])]},
    ),
    "failures": (
        {"predictions": [answer("c0", 0.9), answer("c1", 0.9, **NAN)]},
        {
            "predictions": [answer("c0", 0.9, **NAN), answer("c1", 0.9)],
            "maps": [
                map_row("c0", GRIDS[0], status="upstream"),  # only repeats the first
                map_row("c2", GRIDS[0], status="non_finite", error="inf"),
                map_row("c3", GRIDS[0], status="not_applicable", error="no layer"),
            ],
        },
    ),
    "week": (week(), week(0.2)),
}


def tables(side):
    """The rows of all cases of a side, each with its name as the model."""
    rows = clip_rows(TEN)
    for case, given in CASES.items():
        for table, found in given[side].items():
            rows.setdefault(table, []).extend({**row, "model": case} for row in found)
    rows["preservation"] += [{**row, "model": "pairs_b"} for row in CASES["pairs"][1]["preservation"]]
    return rows


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    """A and B, with a model for each case; A's model `pairs_b` has B's searches of the case `pairs`."""
    models = {case: {"use": "r2plus1d_18"} for case in (*CASES, "pairs_b")}
    folder = tmp_path_factory.mktemp("audits")
    return tuple(
        audit(folder, name, tables(side), models=models, reports=["model_pairs"])
        for side, name in enumerate(("last", "this"))
    )


@pytest.fixture(scope="module")
def case(audits):
    """Everything that is measured of a case, by its full name."""
    return cache(lambda name: quantities(*(f"{folder}:{name}" for folder in audits)))


# Which clips, which models


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """Two audits whose clips differ in every way, and that have nothing in common in a second data set."""
    a = clip_rows(["same", "moved", "renamed", "old", "broken", "lost"])
    b = clip_rows(["same", "moved", "renamed", "new", "broken", "lost"])
    b["clips"][1] |= {"sha256": "other pixels"}
    b["clips"][2] |= {"label": "b"}
    for row in (a["clips"][4], b["clips"][4], b["clips"][5]):
        row |= {"status": "bad_video", "error": "no frame", "sha256": None}
    for rows in (a, b):
        more = clip_rows(["one"], dataset="more", sha256=f"of {id(rows)}")
        rows["clips"] += more["clips"]
        rows["segments"] += [{**row, "dataset": "more"} for row in more["segments"]]
    folder = tmp_path_factory.mktemp("unequal")
    datasets = {"planted": {"root": "data"}, "more": {"use": "planted", "root": "data"}}
    return [str(audit(folder, name, rows, datasets=datasets)) for name, rows in (("last", a), ("this", b))]


def test_clips_are_the_same_by_name_label_and_pixels_and_all_others_are_told(unequal):
    with compared(*unequal, dataset="planted") as comparison:
        assert comparison.pair.labels == {"same": "a"}
        assert comparison.pair.left_out == {
            "without pixels in either": ["broken"],
            "without pixels in B": ["lost"],
            "of the same name with other pixels": ["moved"],
            "only in B": ["new"],
            "only in A": ["old"],
            "of another label": ["renamed"],
        }
        assert "left out: 1 of the same name with other pixels (moved)" in comparison.notes
        found = {each.name: each.value for each in comparison.quantities}
        assert (found["clips_compared"], found["clips_left_out"], found["newly_failed"]) == (1, 6, 1)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("more", "no clip of 'more' is the same in"),
        ("more", "1 of the same name with other pixels (one)"),
        (None, "one data set at a time; name it with --dataset (known: planted, more)"),
        ("mor", "no data set 'mor' in common; did you mean 'more'?"),
    ],
)
def test_no_clip_in_common_and_no_data_set_are_errors_that_say_why(unequal, dataset, message):
    with pytest.raises(UsageError) as raised:
        quantities(*unequal, dataset=dataset)
    assert message in str(raised.value)


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    """An audit with two models, one of larger clips, and a control; another with one of them."""
    models = {
        "conv": {"use": "r2plus1d_18"},
        "large": {"use": "vgg16_lstm", "clips": {"height": 24, "width": 24}},
        "empty": {"of": "conv", "randomise": 1.0},
    }
    rows = clip_rows(["one"])
    pixels = {"size": "16x24x24", "height": 24, "width": 24, "sha256": "larger", "pixels": bytes(16 * 24 * 24 * 3)}
    rows["clips"].append({**rows["clips"][0], **pixels})
    rows["predictions"] = [answer("one", 0.9), answer("one", 0.5, model="large")]
    one = clip_rows(["one"]) | {"predictions": [answer("one", 0.8)]}
    folder = tmp_path_factory.mktemp("models")
    return {"both": audit(folder, "both", rows, models=models), "one": audit(folder, "one", one)}


def test_two_models_of_one_audit_may_take_clips_of_different_size(two_models):
    with compared(f"{two_models['both']}:conv", ":large") as comparison:
        assert comparison.pair.clips == ["one"]
        different = "the models take clips of different size, 16x16x16 and 16x24x24, of the same videos"
        assert different in comparison.notes


@pytest.mark.parametrize(
    ("a", "b", "models"),
    [
        ("{both}:conv", ":large", ["conv", "large"]),
        ("{both}:large", "{both}:conv", ["large", "conv"]),
        ("{both}", "{one}", ["conv", "conv"]),  # the only name that both have
        ("{both}:conv", "{one}", ["conv", "conv"]),
        ("{both}:large", "{one}:conv", ["large", "conv"]),
    ],
)
def test_a_side_is_an_audit_or_a_model_of_one(two_models, a, b, models):
    with sides.opened(a.format(**two_models), b.format(**two_models)) as opened:
        assert [side.model for side in opened] == models


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("{both}:konv", ":large", "no model 'konv'; did you mean 'conv'? (known: conv, large)"),
        ("{both}", "{both}", "say which models are compared, such as `stepaudit compare {both}:conv :large`"),
        ("{both}:conv", ":", "say which models are compared"),
        ("{both}:large", "{both}", "say which models are compared, such as `stepaudit compare {both}:large :conv`"),
        ("{both}:large", "{one}", "only one of the audits has a model 'large'; name the other's, such as "),
        ("{both}:large", "{one}", "such as `stepaudit compare {both}:large {one}:conv`"),
        (":conv", "{both}", "':conv' names no audit"),
        ("{both}/nothing", "{one}", "audit.duckdb: not there; run `stepaudit report {both}/nothing` first"),
    ],
)
def test_a_side_that_is_none_is_an_error_with_the_next_step(two_models, a, b, message):
    with pytest.raises(UsageError) as raised:
        quantities(a.format(**two_models), b.format(**two_models))
    assert message.format(**two_models) in str(raised.value)


def test_a_database_that_is_older_than_its_tables_is_an_error(two_models, tmp_path):
    shutil.copytree(two_models["one"], tmp_path / "one")
    run = {"stage": "index", "keys": '{"dataset":"planted"}', "outputs": '{"a":1}'}
    path = written(tmp_path, "one", {"runs": [run]}) / "runs" / "stage=index"
    (path / "test-000.parquet").rename(path / "planted.parquet")  # as the workflow names it
    with pytest.raises(UsageError, match="is older than the tables beside it; run `stepaudit report"):
        quantities(f"{tmp_path / 'one'}:conv", ":conv")


# Answers


def test_accuracy_is_paired_and_tested_by_the_clips_that_changed(case):
    found = case("answers")["accuracy_increase"]
    assert of(found, "a", "b", "value", "clips", "note") == (0.8, 0.6, -0.2, 10, "1 newly right, 3 newly wrong")
    assert found.p == pytest.approx(stats.binomtest(1, 4).pvalue)  # McNemar's exact test: 2 · 5 / 2⁴
    assert found.lower < -0.2 < found.upper


def test_newly_wrong_is_a_share_of_what_was_right(case):
    found = case("answers")["newly_wrong"]
    low, high = stats.binomtest(3, 8).proportion_ci(method="wilson")
    assert of(found, "value", "clips") == (0.375, 8)
    assert low - 1e-9 <= found.lower <= found.upper <= high + 1e-9


def test_the_probability_of_the_target_is_a_mean_difference(case):
    found = case("answers")["target_probability_increase"]
    assert found.value == pytest.approx(-0.1)
    assert found.p == pytest.approx(2 / 2**10)  # all ten fell
    assert of(found, "a", "b") == (pytest.approx(0.9), pytest.approx(0.8))


# How little is needed


def test_which_clips_are_decided_is_what_the_report_on_model_pairs_says(case, audits):
    found = case("pairs")["needs_more[ep3d, probability]"]
    assert found.note == "6 more, 1 less, 1 same, 2 undecided"
    assert of(found, "value", "clips") == (pytest.approx(6 / 7), 7)
    low, high = stats.binomtest(6, 7).proportion_ci(method="wilson")
    assert of(found, "lower", "upper", "p") == pytest.approx((low, high, stats.binomtest(6, 7).pvalue), abs=1e-6)
    asked = "from model_pairs where model = 'pairs' and other_model = 'pairs_b'"
    with database.connect(audits[0]) as connection:
        (report,) = database.records(connection, asked)
    counts = [report[f"{name}_clips"] for name in ("less", "more", "equal", "undecided")]  # of A's, beside B's
    assert counts == [6, 1, 1, 2]
    assert report["p"] == round(found.p, 4)


def test_medians_and_paired_differences_of_known_searches(case):
    medians, paired = (case("known")[f"{name}_ratio_increase[ep3d, probability]"] for name in ("median", "paired"))
    assert of(medians, "a", "b", "value") == pytest.approx((0.4, 0.32, -0.08))
    assert of(paired, "value", "lower", "upper") == pytest.approx((0.1, -0.1, 0.25))  # of seven, the least and greatest


def test_searches_that_end_too_early_leave_a_bracket_and_not_a_number(case):
    found = case("low")["median_ratio_increase[ep3d, probability]"]
    assert of(found, "value", "at_least", "at_most", "a", "b") == (None, -0.02, 0.02, None, None)
    assert found.note == "A 0.02 or less, B 0.02 or less"
    found = case("high")["median_ratio_increase[ep3d, probability]"]
    assert of(found, "value", "at_least", "at_most", "a", "b") == (None, 0.6, 0.9, 0.1, None)
    assert found.note == "A 0.1, B more than 0.7"
    paired = case("high")["paired_ratio_increase[ep3d, probability]"]
    assert of(paired, "at_least", "at_most", "lower", "upper") == (0.6, 0.9, 0.6, 0.9)


def test_few_clips_have_no_interval_of_a_median(case):
    for name in ("median", "paired"):
        assert of(case("few")[f"{name}_ratio_increase[ep3d, probability]"], "lower", "upper") == (None, None)


def test_what_was_not_measured_says_so(case):
    found = case("nothing")
    assert found["needs_more[ep3d, probability]"].reason == "no clip was searched on both sides"
    assert found["map_iou"].reason == "no maps of both sides lie beside audit.duckdb"
    assert case("pairs")["accuracy_increase"].reason == "no clip has a prediction of both"


@pytest.mark.parametrize("clips", [1, 5, 6, 7, 30, 101, 2000])
def test_order_statistics_bound_the_median_as_the_binomial_distribution_says(clips):
    drop = medians.interval_rank(clips)
    assert stats.binom.cdf(drop - 1, clips, 0.5) <= 0.025 < stats.binom.cdf(drop, clips, 0.5)


def test_the_median_is_the_lower_one_in_the_middle():
    for count in range(1, 8):
        values = np.random.default_rng(count).random((3, count))
        assert medians.lower_median(values) == pytest.approx(np.quantile(values, 0.5, axis=1, method="inverted_cdf"))


def test_the_bootstrap_covers_a_difference_of_medians():
    random, covered, times = np.random.default_rng(0), 0, 150
    for _ in range(times):
        a = random.lognormal(-2, 0.5, 25)
        b = a * random.lognormal(np.log(1.5), 0.3, 25)
        low, high = medians.median_difference_interval(np.stack([a, a, b, b], axis=1), resamples=399)
        covered += low <= 0.5 * np.exp(-2) <= high
    assert 0.9 * times <= covered <= 0.995 * times


# Metrics, masks and maps


def test_a_metric_is_compared_on_the_frames_where_both_were_measured(case):
    found = case("frames")["metric_increase[mass_in_box, grad_cam]"]
    assert found.value == pytest.approx((0.3 + 0.1 - 0.4) / 3)
    assert of(found, "a", "b", "clips") == (pytest.approx(1.2 / 3), pytest.approx(1.2 / 3), 2)


def test_floors_and_what_all_maps_share_are_left_out_and_holm_corrects_over_the_methods(case):
    names = [name for name in case("methods") if name.startswith("metric_increase")]
    assert names == ["metric_increase[mass_in_box, ep3d, 0.1]", "metric_increase[mass_in_box, grad_cam]"]
    for name in names:
        assert of(case("methods")[name], "value", "p", "holm_p") == pytest.approx((0.1, 2 / 2**10, 4 / 2**10))


def test_components_of_other_settings_are_left_out_and_told(audits, tmp_path):
    other = {"ep3d": {"ratios": [0.1], "options": {"iterations": 9}}, "grad_cam": {}, "center": {}}
    rows = clip_rows(TEN) | {"scores": [{**row, "model": "methods"} for row in methods_by(0.3)["scores"]]}
    b = audit(tmp_path, "other", rows, methods=other, models={"methods": {"use": "r2plus1d_18"}})
    with compared(f"{audits[0]}:methods", str(b)) as comparison:
        assert "methods left out, whose settings differ: ep3d" in comparison.notes
        names = [str(each) for each in comparison.quantities if each.name == "metric_increase"]
    assert names == ["metric_increase[mass_in_box, grad_cam]"]


def test_masks_that_are_no_evidence_are_counted_where_both_were_put_to_the_question(case):
    adversarial, vacuous = (case("masks")[f"{kind}_increase[ep3d, 0.1]"] for kind in ("adversarial", "vacuous"))
    assert of(adversarial, "a", "b", "value", "clips") == pytest.approx((1 / 4, 3 / 4, 1 / 2, 4))
    assert of(vacuous, "a", "b", "value", "clips") == pytest.approx((1 / 5, 0, -1 / 5, 5))


def test_how_alike_two_maps_are_is_spearmans_correlation_and_their_overlap(case):
    others = (1 - GRIDS[0], GRIDS[2])
    expected = [stats.spearmanr(one.ravel(), other.ravel())[0] for one, other in zip(GRIDS[:2], others, strict=True)]
    assert expected[0] == pytest.approx(-1)
    rank, iou = case("maps")["map_rank_correlation[grad_cam]"], case("maps")["map_iou[grad_cam]"]
    assert of(rank, "value", "clips") == (pytest.approx(np.mean(expected), abs=1e-3), 2)  # a constant map ranks nothing
    shares = [
        np.minimum(x / x.sum(), y / y.sum()).sum() / np.maximum(x / x.sum(), y / y.sum()).sum()
        for x, y in zip((*GRIDS[:2], np.ones_like(GRIDS[3])), (*others, GRIDS[3]), strict=True)
    ]
    assert of(iou, "value", "clips") == (pytest.approx(np.mean(shares), abs=1e-3), 3)


def test_maps_of_an_earlier_plan_are_not_compared(tmp_path):
    made = {**clip_rows(["c0"]), "predictions": [answer("c0", 0.5)], "maps": [map_row("c0", GRIDS[0])]}
    folders = [audit(tmp_path, name, made) for name in ("last", "this")]
    (current,) = (folders[1] / "maps").rglob("*.parquet")
    other = map_row("c0", 1 - GRIDS[0], seed=0, status="ok")
    write([other], "maps", current.with_name("test-001.parquet"))  # of two shards
    assert quantities(*folders)["map_rank_correlation[grad_cam]"].value == pytest.approx(1)


def test_maps_of_the_runner_up_are_compared_only_where_it_is_the_same_class(tmp_path):
    changes = {
        "methods": {"grad_cam": {}, "rival": {"use": "grad_cam", "target": "runner_up"}},
        "metrics": {"mass_in_box": {}},
        "preserve": {},
    }
    sides_of_rivals = []
    for name, rivals, grid, value in (("last", "bbc", GRIDS[0], 0.2), ("this", "cbc", 1 - GRIDS[0], 0.6)):
        made = clip_rows(["c0", "c1", "c2"])
        made["segments"].append({"clip_id": "another", "label": "c", "target": 2})
        made["predictions"] = [answer(f"c{index}", 0.5) for index in range(3)]
        made["maps"], made["scores"] = [], []
        for index, rival in enumerate(rivals):
            made["maps"].append(map_row(f"c{index}", GRIDS[0], target_name="a"))
            own = grid if index == 0 else GRIDS[0]
            made["maps"].append(map_row(f"c{index}", own, method="rival", target_name=rival))
            made["scores"].append(mass(f"c{index}", value if index == 0 else 0.4, method="rival"))
        sides_of_rivals.append(audit(tmp_path, name, made, **changes))
    found = quantities(*sides_of_rivals)
    assert of(found["map_rank_correlation[grad_cam]"], "value", "clips") == (pytest.approx(1), 3)
    assert of(found["map_rank_correlation[rival]"], "value", "clips") == (pytest.approx(1), 2)
    assert of(found["metric_increase[mass_in_box, rival]"], "value", "clips") == (0, 2)
    with compared(*map(str, sides_of_rivals)) as comparison:
        assert (
            "maps of 'rival' and their metrics leave out 1 clip on which they explain different classes in A and B"
            in comparison.notes
        )


def test_a_sample_of_clips_depends_on_their_names_alone():
    clips = [f"c{index}" for index in range(500)]
    chosen = map_similarity.sample(clips)
    assert len(chosen) == map_similarity.MAX_CLIPS
    assert map_similarity.sample(clips[::-1]) == chosen
    assert set(map_similarity.sample([*clips, "new"])) - {"new"} <= set(chosen)


def test_what_failed_on_one_side_only_is_told_by_clip(audits):
    with compared(*(f"{folder}:failures" for folder in audits)) as comparison:
        found = [(row["side"], row["clip_id"], row["stage"], row["of"], row["error"]) for row in comparison.failures]
        (newly,) = [each for each in comparison.quantities if each.name == "newly_failed"]
    assert found == [
        ("A", "c1", "predictions", "", "NaN"),
        ("B", "c0", "predictions", "", "NaN"),
        ("B", "c2", "maps", "grad_cam", "inf"),
    ]
    assert of(newly, "value", "note") == (2, "1 failed in A alone")


# The whole command


def test_an_audit_beside_itself_differs_in_nothing_and_fails_no_gate(audits):
    with compared(f"{audits[0]}:week", ":week") as comparison:
        differences = [each for each in comparison.quantities if "increase" in each.name]
        assert len(differences) == 5
        assert {of(each, "value", "lower", "upper") for each in differences} == {(0, 0, 0)}
        assert {each.p for each in differences} <= {1, None}
        found = {each.name: each for each in comparison.quantities}
        assert found["map_rank_correlation"].value == pytest.approx(1)
        assert found["map_iou"].value == pytest.approx(1)
        assert found["newly_failed"].value == found["newly_wrong"].value == 0
        assert any("taken to be one model" in note for note in comparison.notes)
        texts = [
            f"{each.name}{field} {sign} 0"
            for each in differences
            for field in ("", ".lower", ".upper")
            for sign in "<>"
        ]
        verdicts = [conditions.judge(conditions.parse(text), comparison.quantities) for text in texts]
    assert len(verdicts) == 30
    assert command.status(verdicts) == 0


@pytest.fixture
def stepaudit(audits):
    """Runs `stepaudit compare` on the two weeks. Returns exit status, standard output and standard error."""
    return partial(command_line.run, "compare", *(f"{folder}:week" for folder in audits))


def test_a_gate_that_holds_ends_with_status_0_and_the_list_says_what_each_name_means(stepaudit):
    conditions = ["--fail-if", "accuracy_increase < 0", "--fail-if", "median_ratio_increase > 0.05"]
    status, out, _ = stepaudit("--list", *conditions)
    assert status == 0
    assert 'ok: "accuracy_increase < 0" (accuracy_increase = 0)' in out
    assert "(median_ratio_increase[ep3d, probability] = between -0.02 and 0.02)" in out
    assert "metric_increase[metric, method, ratio]: mean of a metric" in out
    assert "metric_increase[mass_in_box, grad_cam]" in out


def test_what_cannot_be_told_ends_with_status_2(stepaudit):
    status, out, _ = stepaudit("--fail-if", "median_ratio_increase > 0")
    assert status == 2
    assert "cannot tell: " in out


def test_bad_input_ends_with_status_2_and_a_line(stepaudit):
    status, out, err = stepaudit("--fail-if", "accuracy_incraese > 0")
    assert (status, out) == (2, "")
    assert "did you mean 'accuracy_increase'?" in err


def test_a_gate_that_fails_ends_with_status_1_and_the_files_say_the_same(stepaudit, audits, tmp_path):
    folder = tmp_path / "new" / "compared"
    status, out, _ = stepaudit("--fail-if", "metric_increase < -0.1 or newly_failed > 0", "--out", folder)
    assert status == 1
    assert 'FAIL: "metric_increase < -0.1 or newly_failed > 0"' in out
    assert all(str(folder / f"compare.{end}") in out for end in ("json", "csv", "html"))
    whole = json.loads((folder / "compare.json").read_text())
    assert whole["conditions"][0]["holds"] is True
    assert whole["b"] == {"folder": str(audits[1]), "model": "week"}
    assert [row["clip_id"] for row in whole["clips"]] == TEN
    rows = {row["quantity"]: row for row in csv.DictReader(io.StringIO((folder / "compare.csv").read_text()))}
    assert set(rows) == {each["quantity"] for each in whole["quantities"]}
    assert float(rows["metric_increase[mass_in_box, grad_cam]"]["value"]) == pytest.approx(-0.2)
    page = (folder / "compare.html").read_text()
    assert "FAIL: &#34;metric_increase &lt; -0.1 or newly_failed &gt; 0&#34;" in page
    assert_self_contained(page)


def assert_self_contained(page):
    """The page loads nothing, describes its pictures and draws two charts."""
    assert not re.findall(r"<script|<link rel=\"stylesheet|src=\"(?!data:)|https?://(?!www\.w3\.org)", page)
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == 3 * 3  # of three clips, the clip and both maps
    assert all(re.search(r'alt="[^"]+"', image) for image in images)
    assert page.count("<svg") == 2
