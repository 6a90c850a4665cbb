"""The index stage: a row out for each row in, a validation part that divides no group, and readers that are checked."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.stages import index
from stepaudit.store import tables


def audit(folder, dataset, models=None):
    return config.parse(
        {
            "audit": "a",
            "results": str(folder.parent / f"{folder.name}-results"),
            "datasets": {"set": {"root": str(folder), **dataset}},
            "models": {"r3d": {"use": "r2plus1d_18", **(models or {})}},
            "methods": {"center": {}},
        }
    )


def segment(clip_id="c", split="train", label="a", target=0, **rest):
    return {
        "clip_id": clip_id,
        "video_id": clip_id,
        "path": "v.mp4",
        "split": split,
        "label": label,
        "target": target,
        **rest,
    }


def sound(*more):
    return [segment("train"), segment("test", "test"), *more]


@pytest.fixture
def videos(tmp_path):
    """Two classes of six scenes with two takes each, of which one is for testing."""
    for label in "ab":
        for scene in range(6):
            for take in range(2):
                path = tmp_path / "set" / ("test" if scene == 0 else "train") / label / f"s{scene}_{take}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return tmp_path / "set"


def test_every_row_of_the_reader_is_written_once(videos):
    (videos / "boxes.csv").write_text("video,frame,x0,y0,x1,y1\ntest/a/s0_0.mp4,3,1,2,3,4\n")
    made = audit(videos, {"use": "folder", "options": {"group": "(s[0-9])_", "boxes": "boxes.csv"}, "validation": 0.3})
    index.run(Job(made, "index", "set"))
    rows = tables.read("segments", Job(made, "index", dataset="set").file("segments"))
    assert len(rows) == len({row["clip_id"] for row in rows}) == 24
    assert Counter((row["split"], row["label"]) for row in rows) == {
        (split, label): count for split, count in (("test", 2), ("train", 6), ("validation", 4)) for label in "ab"
    }
    groups = {split: {(row["label"], row["group"]) for row in rows if row["split"] == split} for split in index.SPLITS}
    assert groups["train"].isdisjoint(groups["validation"])
    assert tables.read("boxes", Job(made, "index", dataset="set").file("boxes")) == [
        {"dataset": "set", "video_id": "test/a/s0_0.mp4", "frame": 3, "label": "a", "x0": 1, "y0": 2, "x1": 3, "y1": 4}
    ]


def test_indexing_twice_gives_the_same_rows(videos):
    made = audit(videos, {"use": "folder"})
    index.run(Job(made, "index", "set"))
    once = Job(made, "index", dataset="set").file("segments").read_bytes()
    index.run(Job(made, "index", "set"))
    assert Job(made, "index", dataset="set").file("segments").read_bytes() == once


grouped = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("12345"), st.sampled_from(["train", "test"])), max_size=30
)


@given(grouped, st.floats(0, 0.99), st.integers(0, 3))
def test_validation_takes_whole_groups_from_training_only(drawn, share, seed):
    rows = [segment(str(number), split, label, group=group) for number, (label, group, split) in enumerate(drawn)]
    out = index.with_validation(rows, share, seed)
    assert [{**row, "split": None} for row in out] == [{**row, "split": None} for row in rows]
    assert all(
        before["split"] == after["split"] or (before["split"], after["split"]) == ("train", "validation")
        for before, after in zip(rows, out, strict=True)
    )
    splits = defaultdict(set)
    for row in out:
        if row["split"] != "test":
            splits[row["group"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    for label in {row["label"] for row in rows if row["split"] == "train"}:
        assert any(row["split"] == "train" and row["label"] == label for row in out)


def test_each_class_of_two_groups_gives_validation_a_group():
    rows = [segment(f"{label}{take}", label=label, group=f"{label}{take % 2}") for label in "ab" for take in range(6)]
    out = index.with_validation(rows, 0.01, 0)
    assert Counter((row["split"], row["label"]) for row in out) == {
        ("train", "a"): 3, ("train", "b"): 3, ("validation", "a"): 3, ("validation", "b"): 3,
    }  # fmt: skip


def test_segments_of_one_video_stay_together_without_a_group():
    rows = [segment(f"{video}-{part}", video_id=video) for video in "wxyz" for part in range(3)]
    out = index.with_validation(rows, 0.5, 0)
    assert Counter(row["video_id"] for row in out if row["split"] == "validation").most_common(2)[1][1] == 3
    assert sum(row["split"] == "validation" for row in out) == 6


def test_a_validation_split_of_the_reader_is_kept():
    rows = [segment("1"), segment("2"), segment("3", "validation")]
    assert index.with_validation(rows, 0.5, 0) == rows


def test_no_share_draws_nothing():
    rows = [segment("1"), segment("2")]
    assert index.with_validation(rows, 0, 0) == rows


PROBLEMS = {
    "clip_id 'test' stands 2 times": sound(segment("test", "test")),
    "'x': no path": sound(segment("x", path=None)),
    "'None': no clip_id": sound({**segment("x"), "clip_id": None}),
    "video_id 'v' has several paths: a.mp4, b.mp4": sound(
        segment("1", video_id="v", path="a.mp4"), segment("2", video_id="v", path="b.mp4")
    ),
    "target 0 has several labels: a, b": sound(segment("x", label="b")),
    "label 'a' has several targets: 0, 1": sound(segment("x", target=1)),
    "the targets are [0, 2]; they must count from 0 without a gap": sound(segment("x", label="c", target=2)),
    "'x': label None and target 0; give both, or neither if it has no label": sound(segment("x", label=None)),
    "'x': no label, in the split 'train'; put it into 'test', or into a class": sound(
        segment("x", label=None, target=None)
    ),
    "unknown split 'val' (known: train, validation, test)": sound(segment("x", "val")),
    "no segment is in the split 'test', so that there is nothing to explain": [segment("x")],
    "class 'b' has no training segment; add some, or leave the class out": sound(segment("x", "test", "b", 1)),
    "'x': start 5 and stop 5 are no stretch of frames": sound(segment("x", start=5, stop=5)),
    "'x': action_start 9 and action_stop 3 are no stretch of frames": sound(
        segment("x", action_start=9, action_stop=3)
    ),
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_rows_that_contradict_each_other_are_named(text):
    assert index.find_problems(PROBLEMS[text], [], trains=True) == [text]


def test_sound_rows_have_no_problems():
    assert index.find_problems(sound(), [{"video_id": "test"}], trains=True) == []


def test_boxes_of_an_unknown_video_are_named():
    assert index.find_problems(sound(), [{"video_id": "x"}], trains=True) == ["there are boxes, but no segment, of 'x'"]


def test_a_class_without_training_segments_is_fine_if_nothing_is_trained():
    rows = [segment("x", "test")]
    assert index.find_problems(rows, [], trains=False) == []


def test_a_reader_that_contradicts_itself_writes_nothing(tmp_path):
    (tmp_path / "test" / "a").mkdir(parents=True)
    (tmp_path / "test" / "a" / "1.mp4").touch()
    made = audit(tmp_path, {"use": "folder"})
    with pytest.raises(UsageError, match=r"data set 'set' in .*:\n  class 'a' has no training segment"):
        index.run(Job(made, "index", "set"))
    assert not made.folder.exists()
    for trained in ({"checkpoint": "trained.safetensors"}, {"weights": "trained.pt", "training": {"epochs": 0}}):
        index.run(Job(audit(tmp_path, {"use": "folder"}, trained), "index", "set"))


def test_a_missing_root_says_what_to_do(tmp_path):
    made = audit(tmp_path, {"use": "folder", "root": str(tmp_path / "no")})
    with pytest.raises(UsageError, match="no such folder; set `root`"):
        index.run(Job(made, "index", "set"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"clip_id": 7}, "row 1 of segments: clip_id is 7, no text"),
        ({"target": 1.5}, "row 1 of segments: target is 1.5, no whole number below 2^31"),
        ({"target": True}, "row 1 of segments: target is True, no whole number below 2^31"),
        ({"start": 2**40}, "row 1 of segments: start is 1099511627776, no whole number below 2^31"),
        ({"lable": "a"}, "row 1 of segments: 'lable' is no column; the columns are clip_id, video_id, path,"),
    ],
)
def test_a_row_of_a_reader_that_does_not_fit_the_table_is_named(change, text):
    found = index.find_problems([segment(), {**segment("d"), **change}], [], trains=False)
    assert found[0].startswith(text)


@pytest.mark.parametrize(("value", "kind"), [(float("nan"), "nan"), (float("inf"), "inf"), ("4", "'4'")])
def test_a_box_of_a_reader_has_finite_numbers(value, kind):
    box = {"video_id": "c", "frame": 0, "label": "a", "x0": 0, "y0": 0.0, "x1": value, "y1": np.float32(4)}
    assert index.find_problems([segment()], [box], trains=False) == [f"row 0 of boxes: x1 is {kind}, no finite number"]


@pytest.mark.parametrize("read", [None, [], ([],), ({}, []), ([segment()], None), ([["c"]], []), iter([])])
def test_a_reader_that_returns_something_else_is_named(read):
    with pytest.raises(UsageError, match=r"data set 'set': its reader returned no \(segments, boxes\)"):
        index._rows(read, "set")
