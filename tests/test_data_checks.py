"""Doubts about a data set: annotation held against the videos, classes and splits, files unlike the others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stepaudit.clips import data_checks
from stepaudit.clips.data_checks import Doubt
from stepaudit.clips.misfits import EDGES


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Six folders of ten pictures, 40×32 pixels: two classes, the first of each for testing."""
    root = tmp_path_factory.mktemp("videos")
    for name in ("dive/a", "dive/b", "dive/c", "goal/a", "goal/b", "goal/c"):
        (root / name).mkdir(parents=True)
        for frame in range(10):
            Image.fromarray(np.full((32, 40, 3), 9 * frame, np.uint8)).save(root / name / f"{frame}.png")
    return root


UNKNOWN = dict.fromkeys(("group", "start", "stop", "action_start", "action_stop"))


def segments(root: Path, **changes: object) -> list[dict]:
    return [
        {"clip_id": name, "video_id": name, "path": str(root / name), "split": "test" if name[-1] == "a" else "train",
         "label": name[:4], **UNKNOWN, **changes}
        for name in ("dive/a", "dive/b", "dive/c", "goal/a", "goal/b", "goal/c")
    ]  # fmt: skip


def boxes(
    *edges: float, frame: int = 3, label: str | None = None, of: tuple[str, ...] = ("dive/a", "goal/a")
) -> list[dict]:
    return [
        {"video_id": name, "frame": frame, "label": label or name[:4]} | dict(zip(EDGES, edges, strict=True))
        for name in of
    ]


def test_annotation_that_fits_raises_no_doubt(videos):
    assert data_checks.doubts(segments(videos), boxes(4, 4, 30, 30)) == []
    assert data_checks.doubts(segments(videos), []) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (boxes(0.1, 0.1, 0.7, 0.9), "dive/a: boxes between 0 and 0.9, which are shares of the frame; multiply"),
        (boxes(4, 4, 300, 300), "dive/a: boxes from (4, 4) to (300, 300), but the video has 40×32 pixels"),
        (boxes(4, 4, 30, 30, frame=100), "dive/a: annotation up to frame 100, but the video has 10 frames"),
    ],
)  # fmt: skip
def test_annotation_that_fits_no_video_is_wrong(videos, given, text):
    (doubt,) = data_checks.doubts(segments(videos), given)
    assert doubt.wrong
    assert doubt.text.startswith(f"annotation of 2 of 2 segments opened cannot be used: {text}")


def test_an_action_in_other_frames_is_wrong(videos):
    (doubt,) = data_checks.doubts(segments(videos, action_start=100, action_stop=120), [])
    assert doubt.wrong
    assert "dive/a: annotation up to frame 119, but the video has 10 frames" in doubt.text


def test_annotation_that_fits_some_videos_is_a_doubt(videos):
    mixed = boxes(4, 4, 30, 30, of=("dive/a",)) + boxes(4, 4, 300, 300, of=("goal/a",))
    (doubt,) = data_checks.doubts(segments(videos), mixed)
    assert not doubt.wrong
    assert doubt.text.startswith("annotation of 1 of 2 segments opened cannot be used: goal/a: boxes from")


def test_boxes_that_all_lie_in_a_corner_are_a_doubt(videos):
    (doubt,) = data_checks.doubts(segments(videos), boxes(2, 2, 10, 8))
    assert doubt == Doubt(
        "no box in 2 videos reaches beyond 25 % of the width and 25 % of the height; if they were drawn on smaller "
        "pictures, scale them to the videos' own pixels"
    )


def test_labels_of_boxes_that_are_no_class_are_a_doubt(videos):
    (doubt,) = data_checks.doubts(segments(videos), boxes(4, 4, 30, 30, label="person"))
    assert doubt.text.startswith("2 of 2 test segments with boxes have none of their own class, such as dive/a")
    assert "(labels that are no class: person)" in doubt.text
    assert data_checks.doubts(segments(videos), boxes(4, 4, 30, 30) + boxes(4, 4, 30, 30, label="person")) == []


def test_a_class_that_is_never_tested_or_trained_is_a_doubt(videos):
    rows = [row for row in segments(videos) if row["clip_id"] not in ("dive/a", "goal/b", "goal/c")]
    assert [doubt.text.partition(";")[0] for doubt in data_checks.doubts(rows, [])] == [
        "classes without a test segment are not explained (dive)",
        "classes without a train segment cannot be learned (goal)",
    ]


def test_a_file_unlike_the_others_is_a_doubt(tmp_path):
    rows = segments(tmp_path)
    for number, row in enumerate(rows):
        Path(row["path"]).parent.mkdir(exist_ok=True)
        Path(row["path"]).write_bytes(bytes([number]) * (4_200_000 if number == 4 else 100_000))
    (doubt,) = data_checks.doubts(rows, [])
    assert doubt.text.startswith("unlike the others: b, 4.2 MB where the median video has 0.1 MB; a clip spreads")


def test_classes_and_splits_are_counted_in_a_table(videos):
    assert data_checks.class_table(segments(videos)) == [
        "class  train  test",
        "dive       2     1",
        "goal       2     1",
    ]
    many = [{"label": f"c{number:02d}", "split": "test"} for number in range(30) for _ in range(number + 1)]
    table = data_checks.class_table(many)
    assert (len(table), table[1], table[-1]) == (22, "c00             1", "10 more  21 to 30")


def test_a_test_video_that_shows_the_scene_of_a_training_video_is_a_doubt(tmp_path):
    random = np.random.default_rng(0)
    scenes = {row["clip_id"]: random.integers(0, 255, (4, 5, 3), np.uint8) for row in segments(tmp_path)}
    scenes["goal/a"] = 255 - (255 - scenes["goal/b"]) // 2  # the same, but brighter and of less contrast
    for name, scene in scenes.items():
        (tmp_path / name).mkdir(parents=True)
        for frame in range(2):
            Image.fromarray(scene).resize((40, 32)).save(tmp_path / name / f"{frame}.png")
    (doubt,) = data_checks.doubts(segments(tmp_path), [])
    assert doubt.text.startswith(
        "1 of 2 test videos opened show the scene of a training video (4 opened), such as goal/a and goal/b; put videos"
    )


def test_test_segments_of_a_video_that_is_also_learned_are_counted(videos):
    rows = segments(videos)
    rows[1] |= {"video_id": rows[0]["video_id"], "path": rows[0]["path"], "start": 5, "stop": 10}
    found = [each for each in data_checks.doubts(rows, []) if "1 of 2 test segments are of a video" in each.text]
    assert [(each.wrong, "such as dive/a; keep a video in one split" in each.text) for each in found] == [(False, True)]
    assert not any("of a video that has training" in each.text for each in data_checks.doubts(segments(videos), []))
