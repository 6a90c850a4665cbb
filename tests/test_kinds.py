"""Kinds of clips: planted kinds are found, random ones only at the stated rate, each sum against a literal one."""

from itertools import permutations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from stepaudit.report.statistics import kinds
from stepaudit.report.statistics.associations import midranks, p_value

CLASSES, VIDEOS, CLIPS = 6, 10, 2  # of each class, of each video
COUNT = CLASSES * VIDEOS * CLIPS


def clips(random, apart=1.0, **columns):
    """Clips of six classes; properties depend on class and video, and so do outcomes, but not on each other.

    Args:
        apart: standard deviation of the classes' means; with 0 no property separates classes.
    """
    label = np.repeat(np.arange(CLASSES), VIDEOS * CLIPS)
    video = np.repeat(np.arange(CLASSES * VIDEOS), CLIPS)

    def values():
        parts = apart * random.normal(size=CLASSES)[label], random.normal(size=CLASSES * VIDEOS)[video]
        return sum(parts) + random.normal(size=COUNT)

    made = {name: values() for name in (*kinds.PROPERTIES, "need")}
    made |= {"wrong": (values() > 1).astype(float), "off_object": np.tanh(values())}
    names = {"label": [f"class {each}" for each in label], "video": [f"v{each}" for each in video]}
    keys = {
        "dataset": ["planted"] * COUNT,
        "model": ["r3d"] * COUNT,
        "clip_id": [f"{each:03d}" for each in range(COUNT)],
    }
    return {**keys, **names, "stretch": np.arange(COUNT), **made, **columns}


def tables(columns):
    """Rows of both tables."""
    connection = duckdb.connect()
    rows = pa.table(columns)
    connection.register("clip_outcomes", rows)
    connection.register("clip_properties", rows.drop_columns(["model"]))
    return [rows.to_pylist() for _, rows in kinds.make(connection)]


def found(rows):
    return {(row.get("outcome") or row["label"], row["property"]) for row in rows if row["holm_p"] < 0.05}


@pytest.fixture(scope="module")
def dark():
    """Dark clips are the wrong ones, whatever their class, and class 2 has a text in all of its clips."""
    random = np.random.default_rng(1)
    columns = clips(random)
    brightness = columns["brightness"]
    level = [np.median(brightness[np.array(columns["label"]) == label]) for label in columns["label"]]
    text = np.where(np.array(columns["label"]) == "class 2", 0.02, 0) + random.uniform(0, 0.001, COUNT)
    wrong = (brightness < np.array(level)) & (random.random(COUNT) < 0.7)
    return tables({**columns, "wrong": wrong.astype(float), "still_edges": text})


def test_dark_clips_that_are_the_wrong_ones_are_found_and_nothing_else(dark):
    assert found(dark[0]) == {("wrong", "brightness")}
    (row,) = (row for row in dark[0] if (row["outcome"], row["property"]) == ("wrong", "brightness"))
    assert (row["clips"], row["videos"]) == (COUNT, CLASSES * VIDEOS)
    assert row["more_high"] < row["less_low"]


def test_a_class_with_a_text_is_told_by_it_and_only_that_class(dark):
    assert ("class 2", "still_edges") in found(dark[1])
    (row,) = (row for row in dark[1] if (row["label"], row["property"]) == ("class 2", "still_edges"))
    assert row["auc"] == 1
    assert (row["own"], row["others"]) == pytest.approx((0.0205, 0.0005), abs=1e-4)
    texts = [row["auc"] for row in dark[1] if row["property"] == "still_edges" and row["label"] != "class 2"]
    assert max(texts) < 0.75


def test_a_stretch_with_the_label_is_none_of_the_others_whatever_its_further_labels():
    """Videos 0 to 3 have a text; each is of a, b and c. Video 4 has two stretches, one of them of a."""
    texts = {0: 0.04, 1: 0.03, 2: 0.05, 3: 0.02, 4: 0.025, 5: 0.01, 6: 0.0}
    labels = {stretch: "abc" if stretch < 4 else "bc" for stretch in texts} | {7: "ab", 8: "c"}
    texts |= {7: 0.045, 8: 0.015}
    of_video = {stretch: "v4" if stretch in (4, 7) else f"v{stretch}" for stretch in texts}
    rows = [(stretch, label) for stretch, found in labels.items() for label in found]
    columns = {name: np.zeros(len(rows)) for name in (*kinds.PROPERTIES, *kinds.LOWER)}
    columns |= {"dataset": ["d"] * len(rows), "model": ["m"] * len(rows)}
    columns |= {"clip_id": [f"{stretch}{label}" for stretch, label in rows], "label": [label for _, label in rows]}
    columns |= {"video": [of_video[stretch] for stretch, _ in rows], "stretch": [stretch for stretch, _ in rows]}
    columns |= {"still_edges": [texts[stretch] for stretch, _ in rows]}
    made = [row for row in tables(columns)[1] if row["property"] == "still_edges"]
    (found,) = (row for row in made if row["label"] == "a")

    others: dict[tuple[str, str], list[float]] = {}
    for stretch, label in rows:
        if "a" not in labels[stretch]:
            others.setdefault((of_video[stretch], label), []).append(texts[stretch])
    own = [texts[stretch] for stretch in (0, 1, 2, 3, 7)]
    means = [sum(each) / len(each) for each in others.values()]
    above = sum((mine > other) + (mine == other) / 2 for mine in own for other in means)
    assert found["auc"] == pytest.approx(above / (len(own) * len(means)))
    assert found["auc"] == pytest.approx(33 / 35)  # of 5 * 7 pairs two: 0.02 is below 0.025, which is of b and of c
    assert found["others"] == pytest.approx((2 * (0.025 + 0.01 + 0.0) + 0.015) / 7)
    assert (found["clips"], found["videos"]) == (5, 5)


def test_a_text_in_half_of_the_clips_of_two_classes_off_which_masks_lie_is_found():
    random = np.random.default_rng(2)
    columns = clips(random)
    has_text = np.isin(columns["label"], ["class 2", "class 3"]) & (np.arange(COUNT) % (2 * CLIPS) < CLIPS)
    text, off = np.where(has_text, 0.02, 0), np.where(has_text, 0.3, 0) + random.normal(0, 0.03, COUNT)
    assert ("off_object", "still_edges") in found(tables({**columns, "still_edges": text, "off_object": off})[0])


def test_random_kinds_are_found_in_no_more_audits_than_stated(monkeypatch):
    """Classes and videos differ, which must not count. At most 5 % of audits: of 60 audits 7 are 1 chance in 50."""
    monkeypatch.setattr(kinds, "_mean", lambda *_: {})
    monkeypatch.setattr(kinds, "_draws_for", lambda _: 2000)
    random = np.random.default_rng(3)
    assert sum(bool(found(tables(clips(random))[0])) for _ in range(60)) <= 6


def test_random_cues_are_found_in_no_more_audits_than_stated(monkeypatch):
    """Videos differ, and their clips are alike. At most 5 % of audits, as above."""
    monkeypatch.setattr(kinds, "_mean", lambda *_: {})
    monkeypatch.setattr(kinds, "_draws_for", lambda _: 2000)
    monkeypatch.setattr(kinds, "_kind_rows", lambda _: [])
    random = np.random.default_rng(4)
    assert sum(bool(found(tables(clips(random, apart=0))[1])) for _ in range(60)) <= 6


def test_p_is_the_share_of_all_orders_within_groups():
    values, outcomes, groups = [1, 2, 3, 5, 4], [0.0, 0.1, 0.9, 0.3, 0.2], [0, 0, 0, 1, 1]
    ranks = [1 / 6, 3 / 6, 5 / 6, 3 / 4, 1 / 4]
    sums = [
        np.dot(np.subtract(ranks, 0.5), [*first, *second])
        for first in permutations(outcomes[:3])
        for second in permutations(outcomes[3:])
    ]
    expected = np.mean([abs(each) >= abs(sums[0]) - 1e-9 for each in sums])
    found = p_value(np.array(values, float), np.array(outcomes), np.array(groups), draws=20_000)
    assert found == pytest.approx(expected, abs=0.01)


def test_p_is_one_where_nothing_varies_and_no_group_has_two():
    ones, values = np.ones(4), np.arange(4.0)
    assert p_value(values, ones, np.zeros(4)) == p_value(ones, values, np.zeros(4)) == 1
    assert p_value(values, values, values) == 1


def test_of_very_many_observations_p_is_the_normal_one_unless_few_vary(monkeypatch):
    random = np.random.default_rng(5)
    values, groups = random.random(4000), np.repeat([0, 1], 2000)
    outcomes = random.random(4000) + 0.1 * values
    drawn = p_value(values, outcomes, groups)
    monkeypatch.setattr("stepaudit.report.statistics.associations.MANY", 3999)
    assert p_value(values, outcomes, groups) == pytest.approx(drawn, abs=2e-4)
    rare = (np.arange(4000) < 5).astype(float)
    assert np.isnan(p_value(rare, rare, groups))


def test_midranks_are_within_groups_and_equal_values_share_one():
    assert midranks(np.array([3.0, 9, 3, 1]), np.array([0, 1, 0, 0])).tolist() == pytest.approx(
        [4 / 6, 0.5, 4 / 6, 1 / 6]
    )


def test_the_last_digits_of_a_mean_change_no_rank():
    """A mean of boxes over frames differs in them with the order of its sum, which threads do not keep."""
    values = np.repeat([0.1, 0.4, 0.7], 30) + np.tile([0, 1, -1], 30) * 1e-16
    assert len(np.unique(values)) > 3  # the premise
    groups = np.zeros(90, int)
    np.testing.assert_array_equal(midranks(values, groups), np.repeat([1 / 6, 1 / 2, 5 / 6], 30))
    assert midranks(np.array([0.5, 0.5 + 1e-6, 0.9]), groups[:3]).tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    same = np.tile([0.1 + 0.2, 0.3], 45)  # nothing but last digits
    assert len(np.unique(same)) == 2
    assert set(midranks(same, groups)) == {0.5}


def test_properties_that_are_missing_or_the_same_everywhere_have_no_row():
    columns = clips(np.random.default_rng(4))
    missing = dict.fromkeys(("brightness", "motion"), np.full(COUNT, np.nan)) | {"cuts": np.zeros(COUNT)}
    missing |= dict.fromkeys(("box_share", "borders"), np.tile([0.1 + 0.2, 0.3], COUNT // 2))  # equal but for rounding
    missing["borders"] = missing["still_edges"] = np.zeros(COUNT)
    of_clips, of_classes = tables({**columns, **missing})
    assert {row["property"] for row in of_clips} == set(kinds.PROPERTIES) - missing.keys()
    assert {row["property"] for row in of_classes} == {"frozen_frames", "source_pixels"}
    assert not any((row["outcome"], row["property"]) == kinds.CONFOUNDED[::-1] for row in of_clips)
