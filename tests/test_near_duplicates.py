"""Clips that show one scene are found by their small frames; other clips, and flat ones, are not."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_audit import answer, clips, write_audit

from stepaudit.audit import config
from stepaudit.audit.sections import Clips
from stepaudit.clips import cutting
from stepaudit.clips.near_duplicates import ALIKE, fingerprint, likeness, small_frames
from stepaudit.commands.doctor import audit_checks
from stepaudit.errors import UsageError
from stepaudit.store import database, tables

RANDOM = np.random.default_rng(0)
SCENES = RANDOM.integers(0, 256, (6, 8, 16, 16), np.uint8)


def test_small_frames_are_means_of_blocks_of_grey_in_eight_frames():
    clip = RANDOM.integers(0, 256, (16, 32, 48, 3), np.uint8)
    expected = clip[::2].reshape(8, 16, 2, 16, 3, 3).mean(axis=(2, 4, 5))
    np.testing.assert_allclose(small_frames(clip), expected, atol=0.51)  # rounded to whole grey levels
    assert small_frames(clip[:5, :8, :9]).shape == (5, 16, 16)


def test_a_brighter_and_paler_picture_is_alike_another_or_a_flat_one_is_not():
    paler = 200 + SCENES[0] // 5
    flat = np.full_like(SCENES[0], 90)
    (found,) = likeness(fingerprint(np.stack([paler, SCENES[1], flat])), fingerprint(SCENES[[2, 0]]))
    assert found[0, 1] > ALIKE
    assert found[2].tolist() == [0, 0]
    assert (
        max(found[0, 0], *found[1]) < 0.3
    )  # the greatest of 128 correlations of 480 signs at random, each of standard deviation 0.06


def test_likeness_is_the_share_of_steps_that_go_the_same_way_less_that_of_the_others():
    one, other = ([[int(value) for value in row] for row in scene] for scene in SCENES[:2, 0])
    signs = []
    for picture in (one, other):
        across = [picture[y][x + 1] - picture[y][x] for y in range(16) for x in range(15)]
        down = [picture[y + 1][x] - picture[y][x] for y in range(15) for x in range(16)]
        signs.append([0 if abs(step) <= 2 else step // abs(step) for step in across + down])
    count = [sum(map(abs, each)) for each in signs]
    expected = sum(a * b for a, b in zip(*signs, strict=True)) / (count[0] * count[1]) ** 0.5
    (found,) = likeness(fingerprint(SCENES[:1, :1]), fingerprint(SCENES[1:2, :1]))
    assert found[0, 0] == pytest.approx(expected, abs=1e-6)  # sums in single precision


def rows(**scenes):
    """Clips of a split each, named after it, that show the scene of a number; None: the clip has no small frames.

    All are of one class, but those of scene 5, which shows each in another.
    """
    tables = {"segments": [], "clips": []}
    for name, scene in scenes.items():
        split = name.rstrip("0123456789")
        for table, given in clips(name, split=split, label=name if scene == 5 else "a").items():
            tables[table] += given
        tables["segments"][-1]["video_id"] = name
        pixels = None if scene is None else SCENES[scene].tobytes()
        tables["clips"][-1] |= {"small_frames": pixels, "view": "random0" if split == "train" else "middle"}
    return tables


def test_the_report_names_each_test_clip_that_looks_like_a_training_or_validation_clip(tmp_path):
    scenes = {"test1": 0, "test2": 1, "test3": 2, "test4": None, "test5": 5}
    folder = write_audit(tmp_path, rows(**scenes, train1=3, train2=2, train3=2, train4=5, validation=0))
    found = answer(folder, "near_duplicates", "dataset_summary")
    assert [(row["clip_id"], row["other_clip_id"], row["alike_clips"], row["shows_class"]) for row in found] == [
        ("test1", "validation", 1, True),
        ("test3", "train2", 2, True),
        ("test5", "train4", 1, False),  # of another class: to remember it does not help
    ]
    assert [(row["likeness"], row["other_split"]) for row in found] == [(1, "validation"), (1, "train"), (1, "train")]
    with database.connect(folder) as connection:
        assert database.records(connection, "select shown_in_training from dataset_summary") == [
            {"shown_in_training": 2}
        ]


def labelled(labels):
    """Clips that show one scene, each once per label, by the name of their video; the split is the name's."""
    tables = {"segments": [], "clips": []}
    for video, given in labels.items():
        for label in given:
            split = video.rstrip("0123456789")
            named = {"clip_id": f"{video}-{label}", "split": split, "label": label, "target": None}
            tables["segments"].append({**named, "video_id": video, "start": 0, "stop": 16})
            tables["clips"].append({**named, "small_frames": SCENES[0].tobytes()})
    return tables


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"test": "ab", "train": "ab"}, {"test-a": (1, 1), "test-b": (1, 1)}),
        ({"test": "ab", "train": "bc"}, {"test-a": (1, 0), "test-b": (1, 1)}),
        ({"test": "a", "train1": "ab", "train2": "a", "train3": "c"}, {"test-a": (3, 2)}),
        ({"test": [None], "train": [None]}, {"test-None": (1, 0)}),
        ({"test": "a", "train": [None]}, {"test-a": (1, 0)}),
    ],
)
def test_a_stretch_with_several_labels_counts_once_and_is_of_each_of_its_classes(tmp_path, labels, expected):
    rows = answer(write_audit(tmp_path, labelled(labels)), "near_duplicates")
    assert {row["clip_id"]: (row["alike_clips"], row["alike_own_class"]) for row in rows} == expected
    assert {row["clip_id"] for row in rows if row["shows_class"]} == {
        clip for clip, (alike, own) in expected.items() if alike == own
    }


def test_doctor_compares_the_clips_that_are_cut(tmp_path):
    settings = config.load(write_audit(tmp_path / "one", rows(test1=0, test2=1, train1=2, train2=1)) / "config.yaml")
    found = audit_checks.look_alikes(settings, "planted")
    assert (found.status, found.text) == (
        "warning",
        "1 of 2 test clips look like training or validation clips of the same class and no other, "
        "most of all test2 like train2",
    )
    settings = config.load(write_audit(tmp_path / "other", rows(test1=0, train1=2)) / "config.yaml")
    found = audit_checks.look_alikes(settings, "planted")
    assert (found.status, found.text) == (
        "ok",
        "0 of 1 test clips look like training or validation clips of the same class and no other",
    )
    nothing = config.load(write_audit(tmp_path / "nothing") / "config.yaml")
    assert audit_checks.look_alikes(nothing, "planted") is None


def test_clips_of_before_there_were_small_frames_are_read_and_not_compared(tmp_path):
    folder = write_audit(tmp_path, rows(test=0, train=0))
    (path,) = tables.parquet_files(folder / "clips")
    data = pq.read_table(path, partitioning=None)
    pq.write_table(data.drop_columns(["small_frames"]).replace_schema_metadata(data.schema.metadata), path)
    assert answer(folder, "near_duplicates", "dataset_summary") == []
    with database.connect(folder) as connection:
        assert database.records(connection, "select test_clips, shown_in_training from dataset_summary") == [
            {"test_clips": 1, "shown_in_training": None}
        ]
    pq.write_table(data.drop_columns(["sha256"]).replace_schema_metadata(data.schema.metadata), path)
    with pytest.raises(UsageError, match="this stepaudit reads schema"):
        answer(folder, "near_duplicates")


def test_of_real_clips_those_of_one_shot_are_found_and_no_others(real_data):
    """Groups 1 and 10 of BasketballDunk are one source, which the official split puts on either side."""
    names = [f"BasketballDunk/v_BasketballDunk_g{group:02}_c0{clip}" for group in (1, 2, 10, 11) for clip in (1, 2)]
    cut = [cutting.middle(real_data / "UCF-101" / f"{name}.avi", Clips())["small_frames"] for name in names]
    prints = fingerprint(np.stack([np.frombuffer(each, np.uint8).reshape(8, 16, 16) for each in cut]))
    (found,) = likeness(prints[:4], prints[4:])
    assert np.argwhere(found >= ALIKE).tolist() == [[0, 0], [1, 1]]
