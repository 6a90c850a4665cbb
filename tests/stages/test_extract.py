"""The extract stage: the right frames, a row for each view, failures as rows, restarts that change nothing."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from counted_video import read_numbers, write_numbered

from stepaudit.audit import config, plan
from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Clips
from stepaudit.clips import decoding
from stepaudit.errors import UsageError
from stepaudit.stages import extract, index
from stepaudit.store import tables


def audit(folder: Path, root: Path, *, shards: int = 1, clips: dict | None = None, **dataset) -> config.Config:
    return config.parse(
        {
            "audit": "a",
            "results": str(folder / "results"),
            "shards": shards,
            "clips": {"height": 48, "width": 64, "random_views": 2, **(clips or {})},
            "datasets": {"set": {"root": str(root), **{"use": "folder", **dataset}}},
            "models": {"r3d": {"use": "r2plus1d_18"}},
            "methods": {"center": {}},
        }
    )


def extracted(made: config.Config, *splits: str) -> tuple[list[dict], list[dict]]:
    """Runs index and extract, and returns the rows of both tables."""
    index.run(Job(made, "index", "set"))
    shards = [shard for split in splits for shard in plan.shard_names(made.shards, split)]
    for shard in shards:
        extract.run(Job(made, "extract", "set", shard=shard, size=made.clips.size))
    return tuple(
        [
            row
            for shard in shards
            for row in tables.read(table, Job(made, "extract", "set", shard=shard, size=size_of(made)).file(table))
        ]
        for table in ("clips", "clip_boxes")
    )


def size_of(made: config.Config) -> str:
    """The one size of an audit's clips."""
    (size,) = made.sizes
    return size


def pixels(row: dict) -> np.ndarray:
    return np.frombuffer(row["pixels"], np.uint8).reshape(len(row["frames"]), row["height"], row["width"], 3)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two classes; videos of 25 and of 29.97 frames a second beside each other, as in UCF-101."""
    folder = tmp_path_factory.mktemp("numbered")
    for split, label, name, count, rate in (
        ("train", "a", "1", 40, "25"), ("train", "a", "2", 64, "30000/1001"), ("train", "b", "1", 33, "12"),
        ("train", "b", "2", 16, "25"), ("train", "b", "3", 50, "25"), ("test", "a", "1", 60, "30000/1001"),
        ("test", "b", "1", 17, "25"),
    ):  # fmt: skip
        write_numbered(folder / split / label / f"{name}.mp4", count, rate)
    return folder


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_pixels_are_those_of_the_frames_that_the_row_names(tmp_path, root, fit):
    clips, _ = extracted(audit(tmp_path, root, clips={"fit": fit}), "train", "validation", "test")
    assert len(clips) == 3 * 2 + 2 + 2  # three videos to train on with two views each
    for row in clips:
        assert row["status"] == "ok"
        assert read_numbers(pixels(row)) == row["frames"]
        assert row["sha256"] == hashlib.sha256(row["pixels"]).hexdigest()
        assert (row["height"], row["width"], row["source_height"], row["source_width"]) == (48, 64, 96, 128)
        assert row["in_action"] is None


def test_testing_takes_the_middle_of_sixteen_equal_parts(tmp_path, root):
    clips, _ = extracted(audit(tmp_path, root), "test")
    frames = {row["clip_id"]: row["frames"] for row in clips}
    parts = [(60 * part // 16, 60 * (part + 1) // 16) for part in range(16)]
    assert frames["test/a/1.mp4"] == [(first + last) // 2 for first, last in parts]
    assert {row["view"] for row in clips} == {"middle"}


def test_training_takes_random_frames_that_follow_the_seed(tmp_path, root):
    def frames(seed: int) -> dict[tuple, list[int]]:
        made = audit(tmp_path / str(seed), root, clips={"random_views": 3}, validation=0)
        clips, _ = extracted(made.model_copy(update={"seed": seed}), "train")
        return {(row["clip_id"], row["view"]): row["frames"] for row in clips}

    first, again, other = frames(0), frames(0), frames(1)
    assert first == again
    assert {view for _, view in first} == {"random0", "random1", "random2"}
    views = [first["train/a/2.mp4", f"random{view}"] for view in range(3)]
    assert len({tuple(chosen) for chosen in [*views, other["train/a/2.mp4", "random0"]]}) == 4
    assert all(4 * part <= frame < 4 * part + 4 for chosen in views for part, frame in enumerate(chosen))
    assert {tuple(first["train/b/2.mp4", f"random{view}"]) for view in range(3)} == {tuple(range(16))}


def test_shards_divide_the_same_rows(tmp_path, root):
    def rows(shards: int) -> dict:
        clips, boxes = extracted(audit(tmp_path / str(shards), root, shards=shards), "train", "validation", "test")
        assert not boxes
        return {(row["clip_id"], row["view"]): row for row in clips}

    assert rows(1) == rows(3)


def test_a_shard_without_segments_is_an_empty_table(tmp_path, root):
    clips, boxes = extracted(audit(tmp_path, root, shards=8), "test")
    assert len(clips) == 2
    assert boxes == []


def test_an_unknown_shard_and_a_missing_index_say_so(tmp_path, root):
    made = audit(tmp_path, root, shards=2)
    with pytest.raises(UsageError, match="run the stage that writes it first"):
        extract.run(Job(made, "extract", "set", shard="test-000", size=size_of(made)))
    index.run(Job(made, "index", "set"))
    for shard in ("test-002", "val-000", "test"):
        with pytest.raises(UsageError, match=f"no shard '{shard}'; name one such as test-001"):
            extract.run(Job(made, "extract", "set", shard=shard, size=made.clips.size))


def segments_csv(root: Path, *lines: str) -> dict:
    (root / "segments.csv").write_text("\n".join(["video,start,stop,action_start,action_stop", *lines]))
    return {"options": {"segments": "segments.csv"}}


def test_a_segment_takes_its_own_frames_and_tells_which_lie_in_the_action(tmp_path, root):
    made = audit(tmp_path, root, **segments_csv(root, "test/a/1.mp4,10,42,12,30", "test/a/1.mp4,44,,,"))
    clips = {row["clip_id"]: row for row in extracted(made, "test")[0]}
    row = clips["test/a/1.mp4:10-42"]
    assert row["frames"] == list(range(11, 43, 2)) == read_numbers(pixels(row))
    assert row["in_action"] == [12 <= frame < 30 for frame in row["frames"]]
    rest = clips["test/a/1.mp4:44-"]
    assert rest["frames"] == list(range(44, 60)) == read_numbers(pixels(rest))
    assert rest["in_action"] is None


def test_a_segment_beyond_the_frames_that_decode_is_a_row_that_names_both_numbers(tmp_path, root):
    made = audit(
        tmp_path, root, **segments_csv(root, "test/a/1.mp4,0,61,,", "test/b/1.mp4,17,40,,", "test/a/1.mp4,50,,,")
    )
    errors = {row["clip_id"]: (row["status"], row["error"]) for row in extracted(made, "test")[0]}
    assert errors == {
        "test/a/1.mp4:0-61": ("bad_video", "1.mp4: 60 of 61 frames decoded"),
        "test/b/1.mp4:17-40": ("bad_video", "1.mp4: no frame decodes from frame 17 on (no complaint of ffmpeg)"),
        "test/a/1.mp4:50-": ("too_short", "1.mp4: 10 frames, a clip takes 16"),
    }


def test_broken_videos_are_rows_with_a_status_for_each_view(tmp_path, root):
    folder = tmp_path / "videos"
    for split, label in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        write_numbered(folder / split / label / "sound.mp4", 20)
    (folder / "train" / "a" / "text.mp4").write_text("no video")
    write_numbered(folder / "test" / "a" / "short.mp4", 15)
    (folder / "test" / "b" / "frames").mkdir()
    made = audit(tmp_path, folder, validation=0)
    clips, boxes = extracted(made, "train", "test")
    found = {
        (row["clip_id"], row["view"]): (row["status"], row["error"] and row["error"].partition(" (")[0])
        for row in clips
    }
    assert found == {
        ("train/a/sound.mp4", "random0"): ("ok", None),
        ("train/a/sound.mp4", "random1"): ("ok", None),
        ("train/a/text.mp4", "random0"): ("bad_video", "text.mp4: no frame decodes"),
        ("train/a/text.mp4", "random1"): ("bad_video", "text.mp4: no frame decodes"),
        ("train/b/sound.mp4", "random0"): ("ok", None),
        ("train/b/sound.mp4", "random1"): ("ok", None),
        ("test/a/short.mp4", "middle"): ("too_short", "short.mp4: 15 frames, a clip takes 16"),
        ("test/a/sound.mp4", "middle"): ("ok", None),
        ("test/b/frames", "middle"): ("bad_video", "frames: no .jpeg, .jpg, .png files"),
        ("test/b/sound.mp4", "middle"): ("ok", None),
    }
    for row in clips:
        filled = [row[name] is not None for name in ("frames", "height", "width", "pixels", "sha256", "source_height")]
        assert set(filled) == {row["status"] == "ok"}
        assert (row["error"] is None) == (row["status"] == "ok")
    assert boxes == []


def boxes_csv(root: Path, *lines: str) -> dict:
    (root / "boxes.csv").write_text("\n".join(["video,frame,x0,y0,x1,y1,label", *lines]))
    return {"options": {"boxes": "boxes.csv"}}


def test_boxes_are_moved_with_the_pixels_and_land_on_the_clip_frame(tmp_path, root):
    """The clip of 17 frames takes frames 0 to 6 and 8 to 16 or so; 128×96 becomes 64×48: half of everything."""
    lines = ("test/b/1.mp4,3,10,20,30,40,", "test/b/1.mp4,3,100,90,140,100,ball", "test/b/1.mp4,4,128,0,130,9,")
    made = audit(tmp_path, root, **boxes_csv(root, *lines))
    clips, boxes = extracted(made, "test")
    frames = next(row["frames"] for row in clips if row["clip_id"] == "test/b/1.mp4")
    keys = {
        "dataset": "set",
        "size": size_of(made),
        "clip_id": "test/b/1.mp4",
        "view": "middle",
        "frame": frames.index(3),
    }
    assert boxes == [
        {**keys, "label": "b", "x0": 5, "y0": 10, "x1": 15, "y1": 20},
        {**keys, "label": "ball", "x0": 50, "y0": 45, "x1": 64, "y1": 48},
    ]


def test_a_clip_frame_takes_the_boxes_of_the_nearest_source_frame_within_the_distance(tmp_path, root):
    lines = ("test/a/1.mp4,30,0,0,10,10,", "test/a/1.mp4,20,0,0,20,20,")
    for distance in (0, 3):
        made = audit(tmp_path / str(distance), root, box_distance=distance, **boxes_csv(root, *lines))
        clips, boxes = extracted(made, "test")
        frames = next(row["frames"] for row in clips if row["clip_id"] == "test/a/1.mp4")
        near = {20: 10.0, 30: 5.0}
        expected = {
            index: near[annotated]
            for index, frame in enumerate(frames)
            for annotated in near
            if abs(frame - annotated) <= distance
        }
        assert {row["frame"]: row["x1"] for row in boxes} == expected
        assert len(expected) == {0: 1, 3: 3}[distance]


def test_a_shard_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(tmp_path, root, monkeypatch):
    monkeypatch.setattr(extract, "BATCH", 1)
    whole = audit(tmp_path / "whole", root, validation=0)
    extracted(whole, "train")
    made = audit(tmp_path / "stopped", root, validation=0)
    index.run(Job(made, "index", "set"))
    decoded, opened = decoding.decoded, []

    def stop_at_the_third(path, *rest, **options):
        opened.append(path.name)
        if len(opened) == 3:
            raise KeyboardInterrupt
        return decoded(path, *rest, **options)

    monkeypatch.setattr(decoding, "decoded", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        extract.run(Job(made, "extract", "set", shard="train-000", size=size_of(made)))
    assert not Job(made, "extract", dataset="set", size=size_of(made), shard="train-000").file("clips").exists()
    extract.run(Job(made, "extract", "set", shard="train-000", size=size_of(made)))
    assert len(opened) == 3 + 3  # five videos; the first two were kept
    for table in ("clips", "clip_boxes"):
        files = [
            Job(each, "extract", "set", shard="train-000", size=size_of(each)).file(table) for each in (whole, made)
        ]
        assert tables.read(table, files[0]) == tables.read(table, files[1])
    assert [path.name for path in files[1].parent.iterdir()] == ["train-000.parquet"]


def test_the_planted_broken_videos_get_the_status_that_they_were_made_for(tmp_path):
    options = {"train_per_class": 1, "test_per_class": 1}
    clips, boxes = extracted(audit(tmp_path, tmp_path / "planted", use="planted", options=options), "test")
    found = {row["clip_id"].removeprefix("broken-"): row for row in clips if row["clip_id"].startswith("broken-")}
    assert {name: row["status"] for name, row in found.items()} == {
        "no_video": "bad_video",
        "too_short": "too_short",
        "damaged": "bad_video",
        "not_annotated": "ok",
    }
    decodes, promised = (int(found["damaged"]["error"].split()[word]) for word in (1, 3))
    assert 0 < decodes < promised
    assert found["not_annotated"]["in_action"] is None
    sound = [row for row in clips if row["status"] == "ok" and row["in_action"]]
    assert {row["clip_id"] for row in boxes} == {row["clip_id"] for row in sound}
    for row in sound:
        own = {box["frame"] for box in boxes if (box["clip_id"], box["label"]) == (row["clip_id"], row["label"])}
        assert own == {frame for frame, inside in enumerate(row["in_action"]) if inside}


CLIP = {
    **{"clip_id": "c", "view": "middle", "status": "ok", "frames": list(range(16)), "in_action": [True] * 16},
    **{"source_height": 96, "source_width": 128, "source_frames": 17},
}
SEGMENT = {"clip_id": "c", "path": "a/c.mp4", "start": None, "stop": None, "action_start": 2, "action_stop": 9}
MISFITS = {  # a box of frame 3, and the frame of another one
    ((0.2, 0.2, 0.5, 1), 5): "boxes between 0 and 1, which are shares of the frame; multiply them by its 128 and 96 pi",
    ((10, 10, 640, 480), 5): "boxes from (0, 0) to (640, 480), but the video has 128×96 pixels; write its own pixels",
    ((-60, 10, 20, 20), 5): "boxes from (-60, 0) to (20, 20), but the video has",
    ((1, 1, 20, 20), 30): "annotation up to frame 30, but the video has 17 frames; count its own frames, from 0",
}


def checked(
    boxes: dict[int, list[dict]], distance: int = 0, clip: dict = CLIP, **segment: int
) -> tuple[dict, list[dict]]:
    """The clip's row, and the boxes in its frames."""
    arguments = ({**SEGMENT, **segment}, boxes, Clips(height=48, width=64, frames=16), distance)
    row = extract.checked(clip, *arguments)
    return row, extract.clip_boxes(row, *arguments)


def box(x0: float, y0: float, x1: float, y1: float) -> dict:
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "label": "b"}


@pytest.mark.parametrize(("edges", "other"), MISFITS, ids=range(len(MISFITS)))
def test_annotation_that_cannot_belong_to_its_video_is_not_used_and_the_row_says_why(edges, other):
    row, boxes = checked({3: [box(*edges)], other: [box(0, 0, 1, 1)]})
    assert row["annotation_error"].startswith(f"c.mp4: {MISFITS[edges, other]}")
    assert row["in_action"] is None
    assert boxes == []


def test_an_action_that_ends_after_its_video_is_not_used():
    row, _ = checked({}, action_stop=500)
    assert row["annotation_error"].startswith("c.mp4: annotation up to frame 499, but the video has 17 frames")
    assert row["in_action"] is None


def test_annotation_that_reaches_a_little_out_of_the_picture_or_behind_the_last_frame_is_used():
    row, boxes = checked({3: [box(-5, 0, 130, 97)], 18: [box(0, 0, 9, 9)]})
    assert (row, len(boxes)) == (CLIP, 1)
    later = {3: [box(0, 0, 9, 9)], 30: [box(0, 0, 900, 9)]}  # of another segment of the same video
    row, boxes = checked(later, stop=17, clip=CLIP | {"source_frames": None})
    assert ("annotation_error" in row, len(boxes)) == (False, 1)


def test_a_clip_whose_frames_the_boxes_miss_says_how_far_they_are():
    far, clip = {30: [box(0, 0, 9, 9)]}, CLIP | {"source_frames": 100}
    row, boxes = checked(far, clip=clip)
    assert (
        row["annotation_error"] == "no frame of the clip has a box, the nearest is 15 frames away; set `box_distance`"
    )
    assert (row["in_action"], boxes) == (CLIP["in_action"], [])
    row, boxes = checked(far, distance=15, clip=clip)
    assert ("annotation_error" in row, len(boxes)) == (False, 1)
