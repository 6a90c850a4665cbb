"""Reports of the sanity checks: what they answer, worked out by hand."""

import pytest
from tiny_audit import answer, clips, write_audit
from tiny_audit import interval as estimated

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.store import database

CLIPS = "abcdefghijklmnopqrstu"  # seven times three: of fewer clips that are alike nobody can tell how others would be
MODELS = {
    "r3d": {"use": "r2plus1d_18"},
    "half": {"of": "r3d", "randomise": 0.5},
    "whole": {"of": "r3d", "randomise": 1.0},
    "other": {"use": "r3d_18"},
    "labels": {"of": "r3d", "shuffle_labels": True},
}
UNSURE = {  # rank correlations with the trained model's maps, and what they say
    "near": ([0.6, 0.7, 0.5], "cannot tell"),  # the interval holds the threshold
    "single": ([0.6], "cannot tell"),  # one clip tells nothing about its spread
    "alike": ([0.9, 0.95, 0.92] * 7, "no"),
    "reversed": ([-0.9, -0.8, -0.7] * 7, "yes"),  # the reverse of the trained model's map depends on the model, too
    "constant": ([None, None], "cannot tell"),
}
METHODS = {
    "grad_cam": {"seeds": [0, 1, 2]},
    "edges": {},
    "wrong": {"use": "grad_cam", "target": "runner_up"},
    **{name: {"use": "gradient", "seeds": [0, 1]} for name in (*UNSURE, "noisy", "steady", "seeded")},
}
METRICS = {"similarity": {}, "entropy": {}}
CONSTANT = {"status": "no_peak", "error": "constant"}


def compared(values, *, part="model.rank", model="whole", method="grad_cam", **others):
    """Score rows of a part of the similarity, one for each of the clips a, b, …; None where a map is constant."""
    rows = []
    for clip_id, value in zip(CLIPS, values, strict=False):
        fate = CONSTANT if value is None else {"value": value}
        rows.append(
            {"clip_id": clip_id, "model": model, "method": method, "metric": f"similarity.{part}", **fate, **others}
        )
    return rows


def interval(row, name="rank"):
    return tuple(row[f"{name}{bound}"] for bound in ("", "_low", "_high"))


def entropies(*values):
    return [
        {"clip_id": clip, "model": model, "method": "grad_cam", "metric": "entropy", "value": value}
        for model, clip, value in values
    ]


def orders(name, values, model="r3d"):
    return [
        {"clip_id": clip, "model": model, "frame_order": name, "target": 0, "target_probability": value, "status": "ok"}
        for clip, value in zip(CLIPS, values, strict=False)
    ]


def predicted(values, model="r3d"):
    return [
        {"clip_id": clip, "model": model, "rank": 1, "target_probability": value}
        for clip, value in zip(CLIPS, values, strict=False)
    ]


SCORES = [
    *compared([1.0, 1.0, 1.0] * 7, method="edges"),
    *compared([0.9, 0.9] * 7, model="half"),
    *compared([0.1, 0.2, 0.3] * 7),
    *entropies(("whole", "a", 0.6), ("whole", "b", 0.8), ("r3d", "a", 0.4), ("r3d", "b", 0.3), ("r3d", "c", 0.9)),
    *(row for name, (values, _) in UNSURE.items() for row in compared(values, method=name)),
    *compared([0.3, 0.3, 0.3] * 7, method="noisy"),
    *compared([0.2, 0.3, 0.3] * 7, method="noisy", part="seed.rank", model="r3d", seed=1),
    *compared([0.3, 0.3, 0.3] * 7, method="steady"),
    *compared([0.8, 0.9, 0.7], method="steady", part="seed.rank", model="r3d", seed=1),
    *compared([0.2, 0.4], method="seeded"),
    *compared([0.4, 0.6], method="seeded", seed=1),
    *compared([0.1, 0.2, 0.3] * 7, model="labels"),
    *compared([0.9] * 21, model="labels", part="model.iou"),
    *compared([0.9, 0.95, 0.92] * 7, part="target.rank", model="r3d", method="wrong"),
    *compared([0.1, 0.1], part="target.rank", method="wrong"),
    *compared([0.4, 0.5, 0.6] * 7, part="seed.iou", model="r3d", seed=1),
    *compared([0.6, 0.7, 0.8] * 7, part="seed.iou", model="r3d", seed=2),
    *compared([0.5, 0.5, 0.5] * 7, part="seed.rank", model="r3d", seed=1),
    *compared([0.1, 0.1], part="seed.iou", seed=1),
]
TABLES = {
    "scores": SCORES,
    "training_log": [{"model": "labels", "epoch": 2, "train_accuracy": 0.98, "best": True}],
    "predictions": [
        *predicted([0.9] * 21),
        *predicted([0.9], "whole"),
        *predicted([0.4, 0.5, 0.6], "other"),
        *({"clip_id": clip, "model": "labels", "rank": 1 + (clip > "c")} for clip in "abcdef"),
    ],
    "frame_orders": [
        *orders("frozen", [0.1, 0.2, 0.3] * 7),
        *orders("shuffled", [0.9, 0.899, 0.901] * 7),
        *orders("reversed", [0.7, 0.9, 1.0]),
        *orders("frozen", [0.1], "whole"),
        *orders("reversed", [0.4, 0.5], "other"),
        {"clip_id": "c", "model": "other", "frame_order": "reversed", "status": "non_finite", "error": "NaN"},
    ],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Rows of a report over one audit that holds every case; its parts do not touch each other."""
    rows = {**clips(*CLIPS), **TABLES}
    folder = write_audit(tmp_path_factory.mktemp("sanity"), rows, models=MODELS, methods=METHODS, metrics=METRICS)
    build_database.create(folder, config.load(folder / "config.yaml"))
    with database.connect(folder) as connection:
        yield lambda report: database.records(connection, f'from "{report}"')


def of(rows, **values):
    """The one row with these values."""
    (row,) = [row for row in rows if all(row[key] == value for key, value in values.items())]
    return row


def test_a_method_whose_maps_stay_the_same_fails_and_one_whose_maps_change_passes(found):
    edges = of(found("sanity_randomisation"), method="edges")
    assert (edges["answer"], edges["clips"], *interval(edges)) == (
        "no",
        21,
        1,
        0.781,
        1,
    )  # as if one of 21 clips were not asked: 1 - √2 · (1 - 0.845)
    grad_cam = of(found("sanity_randomisation"), method="grad_cam", randomised=1)
    assert (grad_cam["answer"], grad_cam["threshold"], grad_cam["model"]) == ("yes", 0.7, "r3d")
    assert interval(grad_cam) == pytest.approx((0.2, *estimated([0.1, 0.2, 0.3] * 7, smallest_value=-1)), abs=6e-4)


@pytest.mark.parametrize("method", UNSURE)
def test_the_whole_interval_must_lie_on_one_side_of_the_threshold(found, method):
    values, expected = UNSURE[method]
    row = of(found("sanity_randomisation"), method=method)
    assert row["answer"] == expected
    assert (row["clips"], row["clips_asked"]) == (sum(value is not None for value in values), len(values))


def test_the_threshold_is_the_configurations(tmp_path):
    metrics = {"alike": {"use": "similarity", "options": {"threshold": 0.95}}}
    scores = [row | {"metric": "alike.model.rank"} for row in compared([0.9, 0.91, 0.92] * 7)]
    folder = write_audit(tmp_path, {**clips(*CLIPS), "scores": scores}, models=MODELS, metrics=metrics, methods=METHODS)
    (row,) = answer(folder, "sanity_randomisation")
    assert (row["answer"], row["threshold"], row["metric"]) == ("yes", 0.95, "alike")


def test_maps_that_stay_on_most_clips_have_not_changed_and_a_majority_of_few_says_nothing(tmp_path):
    """Wilson's interval of 7 of 7 clips begins at 64.6 %, that of 5 of 7 at 35.9 %."""
    answers = {}
    for name, values in (("all", [1.0] * 7), ("five of seven", [1.0] * 5 + [0.1] * 2)):
        scores = [row | {"metric": "similarity.model.rank"} for row in compared(values)]
        audit = {**clips(*CLIPS), "scores": scores}
        folder = write_audit(tmp_path / name, audit, models=MODELS, metrics={"similarity": None}, methods=METHODS)
        (row,) = answer(folder, "sanity_randomisation")
        answers[name] = row["answer"]
    assert answers == {"all": "no", "five of seven": "cannot tell"}


def test_every_depth_has_a_row_and_the_greatest_has_the_answer(found):
    rows = [row for row in found("sanity_randomisation") if row["method"] == "grad_cam"]
    assert [(row["randomised"], row["rank"], row["answer"]) for row in rows] == [(0.5, 0.9, None), (1, 0.2, "yes")]


def test_a_map_that_another_seed_changes_as_much_says_nothing_about_the_model(found):
    noisy, steady = (of(found("sanity_randomisation"), method=name) for name in ("noisy", "steady"))
    assert (noisy["answer"], noisy["rank"], noisy["seed_rank"]) == ("cannot tell", 0.3, 0.267)
    assert (steady["answer"], steady["rank"], steady["seed_rank"]) == ("yes", 0.3, 0.8)


def test_entropy_stands_beside_that_of_the_trained_models_maps_of_the_same_clips(found):
    row = of(found("sanity_randomisation"), method="grad_cam", randomised=1)
    assert row["trained_entropy"] == 0.35
    assert interval(row, "entropy") == pytest.approx((0.7, *estimated([0.6, 0.8])), abs=6e-4)


def test_seeds_of_a_control_are_averaged_not_counted(found):
    row = of(found("sanity_randomisation"), method="seeded")
    assert (row["rank"], row["clips"]) == (0.4, 2)


def test_shuffled_labels_stand_beside_what_the_control_learned(found):
    (row,) = found("sanity_labels")
    assert (row["model"], row["control"], row["answer"], row["iou"]) == ("r3d", "labels", "yes", 0.9)
    assert (row["by_heart_percent"], *interval(row, "test_percent")) == (98, 50, 18.8, 81.2)  # Wilson, 3 of 6


def test_wrong_classes_are_asked_of_models_that_are_no_controls(found):
    (row,) = found("sanity_targets")
    assert (row["model"], row["method"], row["answer"], row["clips"]) == ("r3d", "wrong", "no", 21)


def test_stability_is_the_mean_iou_with_the_first_seed_clips_the_sampling_unit(found):
    row = of(found("seed_stability"), method="grad_cam")
    assert interval(row, "iou") == pytest.approx((0.6, *estimated([0.5, 0.6, 0.7] * 7)), abs=6e-4)  # means of two seeds
    assert (row["model"], row["rank"], row["seeds"], row["clips"]) == ("r3d", 0.5, 3, 21)


def test_use_of_time_is_how_much_the_answer_changes_when_the_frames_are_reordered(found):
    shuffled, backwards, frozen = (row for row in found("time_use") if row["model"] == "r3d")
    assert [row["frame_order"] for row in (shuffled, backwards, frozen)] == ["shuffled", "reversed", "frozen"]
    assert (shuffled["answer"], *interval(shuffled, "change_points")) == ("no", 0.1, 0, 0.1)
    low, high = estimated([0.8, 0.7, 0.6] * 7, smallest_value=-1)
    assert interval(frozen, "loss_points") == pytest.approx((70, 100 * low, 100 * high), abs=0.06)
    assert frozen["answer"] == "yes"
    assert (backwards["answer"], backwards["loss_points"]) == ("cannot tell", 3.3)  # 0.2, 0, -0.1
    assert backwards["change_points"] == 10
    assert {row["model"] for row in found("time_use")} == {"r3d", "other"}  # no controls


def test_a_clip_without_an_answer_is_asked_but_not_counted(found):
    row = of(found("time_use"), model="other")
    assert (row["clips"], row["clips_asked"], row["target_probability"]) == (2, 3, 0.45)
