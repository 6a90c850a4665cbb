"""The planted data set keeps its promises: balance, independence of the decoy, exact boxes, one change at a time."""

from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from stepaudit.audit import registry
from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.datasets import planted
from stepaudit.datasets._render import DECOYS, SHAPES, boxes, coverage, render
from stepaudit.datasets._scene import DECOY_SHAPES, MOTIONS, PARTS, Scene, draw_scene
from stepaudit.errors import BadVideoError, UsageError

CLASSES = ["disc-horizontal", "cross-circular"]
SMALL = {"classes": CLASSES, "train_per_class": 6, "test_per_class": 3, "object_size": 0.2, "speed": 0.5, "seed": 3}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def rows(root) -> tuple[list[dict], list[dict]]:
    return planted.read(root, **SMALL)


def whole(segments: list[dict]) -> list[dict]:
    return [row for row in segments if not row["clip_id"].startswith("broken")]


def scenes(count: int, label: str = "disc-horizontal", **look) -> list[Scene]:
    look = {"object_size": 0.2, "speed": 0.45, **look}
    return [draw_scene(0, f"video-{index}", label, PARTS[index % 3], **look) for index in range(count)]


def part(start: int, stop: int, frames: int) -> str:
    return PARTS[int((start + stop) / 2 / frames * 3)]


def frames_of(row: dict) -> np.ndarray:
    path = Path(row["path"])
    height, width = decoding.source_size(path)
    with decoding.decoded(path, Geometry(height, width, height, width)) as frames:
        return frames[range(len(frames))]


def test_each_class_fills_head_middle_and_tail_alike(rows):
    counts = Counter(
        (row["split"], row["label"], part(row["action_start"], row["action_stop"], row["stop"]))
        for row in whole(rows[0])
    )
    assert counts == {
        (split, label, place): count
        for (split, count), label, place in product([("train", 2), ("test", 1)], CLASSES, PARTS)
    }


def test_the_object_fills_most_of_its_third_and_nothing_else():
    for scene, place in zip(scenes(60), PARTS * 20, strict=True):
        first, last = (scene.frames * (PARTS.index(place) + end) // 3 for end in (0, 1))
        assert first <= scene.object.start < scene.object.stop <= last
        assert scene.object.stop - scene.object.start >= 0.8 * (last - first)


def test_the_decoy_is_the_same_whatever_the_class():
    for label in ("cross-vertical", "star-diagonal", "square-circular"):
        for one, other in zip(scenes(30), scenes(30, label), strict=True):
            assert one.decoy == other.decoy
            assert replace(one, object=other.object) == other


def test_decoys_take_every_shape_motion_and_part_equally_often():
    drawn = scenes(1200)
    for values, found in (
        (DECOY_SHAPES, [scene.decoy.shape for scene in drawn]),
        (MOTIONS, [scene.decoy.track.motion for scene in drawn]),
        (PARTS, [part(scene.decoy.start, scene.decoy.stop, scene.frames) for scene in drawn]),
    ):
        share = 1 / len(values)
        error = (share * (1 - share) / 1200) ** 0.5
        assert all(abs(count / 1200 - share) < 4 * error for count in Counter(found).values())
        assert set(found) == set(values)


def test_the_decoy_stands_in_any_third_whichever_the_objects():
    pairs = Counter((index % 3, part(s.decoy.start, s.decoy.stop, s.frames)) for index, s in enumerate(scenes(900)))
    assert len(pairs) == 9
    assert all(60 < count < 140 for count in pairs.values())  # 100 expected, standard deviation 9


def test_object_and_decoy_are_drawn_alike_and_of_different_shapes():
    drawn = scenes(600)
    assert not set(SHAPES) & set(DECOYS)
    for measure in (
        lambda actor: actor.size,
        lambda actor: actor.track.speed,
        lambda actor: np.mean(actor.colour),
        lambda actor: actor.stop - actor.start,
    ):
        ours, theirs = ([measure(getattr(scene, role)) for scene in drawn] for role in ("object", "decoy"))
        error = (np.var(ours) / 600 + np.var(theirs) / 600) ** 0.5
        assert abs(np.mean(ours) - np.mean(theirs)) < 4 * error


def test_every_shape_covers_as_many_pixels():
    scene = scenes(1)[0]
    areas = {
        shape: coverage(replace(scene.object, shape=shape), scene.height, scene.width)[0].sum(axis=(1, 2)).mean()
        for shape in (*SHAPES, *DECOYS)
    }
    disc = np.pi / 4 * scene.object.size**2
    assert all(area == pytest.approx(disc, rel=0.02) for area in areas.values()), areas  # 2 %: soft edges


def test_object_and_decoy_keep_mostly_apart():
    met = seen = 0
    for scene in scenes(60):
        decoy = {frame: edges for frame, *edges in boxes(scene.decoy, scene.height, scene.width)}
        for frame, x0, y0, x1, y1 in boxes(scene.object, scene.height, scene.width):
            seen += 1
            if frame in decoy:
                left, top, right, bottom = decoy[frame]
                met += x0 < right and left < x1 and y0 < bottom and top < y1
    assert met / seen < 0.05


@pytest.mark.parametrize(
    "label", [f"{shape}-{motion}" for shape, motion in zip([*SHAPES], [*MOTIONS, "circular"], strict=True)]
)
@pytest.mark.parametrize("size", [0.05, 0.2, 0.4])
def test_a_box_holds_exactly_the_pixels_that_the_object_changes(label, size):
    scene = draw_scene(1, label, label, "middle", object_size=size, speed=0.9)
    apart = replace(scene.decoy, start=0, stop=0)
    scene = replace(scene, decoy=apart, frames=scene.object.stop + 1)
    changed = (render(scene, 1, "a", noise=0) != render(scene, 1, "a", noise=0, erase="object")).any(axis=-1)
    found = {frame: edges for frame, *edges in boxes(scene.object, scene.height, scene.width)}
    assert sorted(found) == [frame for frame in range(scene.frames) if changed[frame].any()]
    for frame, (x0, y0, x1, y1) in found.items():
        rows, columns = np.flatnonzero(changed[frame].any(axis=1)), np.flatnonzero(changed[frame].any(axis=0))
        assert x0 <= columns[0] <= x0 + 1
        assert y0 <= rows[0] <= y0 + 1
        assert x1 - 1 <= columns[-1] + 1 <= x1
        assert y1 - 1 <= rows[-1] + 1 <= y1
        assert 0 < x0 < x1 < scene.width
        assert 0 < y0 < y1 < scene.height


def test_boxes_name_object_and_decoy_in_every_frame_where_they_are_seen(rows):
    segments, found = rows
    for row in whole(segments):
        own = [box for box in found if box["video_id"] == row["video_id"]]
        assert {box["label"] for box in own} == {row["label"], "decoy"}
        frames = sorted(box["frame"] for box in own if box["label"] == row["label"])
        assert frames == list(range(row["action_start"], row["action_stop"]))


def test_boxes_fit_the_frames_that_are_decoded(rows):
    """In the encoded file, too, nothing is as light as what the boxes hold: an actor is lighter than any background."""
    segments, found = rows
    row = next(row for row in whole(segments) if row["split"] == "test")
    frames = frames_of(row).mean(axis=-1)
    assert len(frames) == row["stop"]
    inside = np.zeros(frames.shape, bool)
    for box in (box for box in found if box["video_id"] == row["video_id"]):
        inside[box["frame"], box["y0"] : box["y1"], box["x0"] : box["x1"]] = True
    assert (
        frames[~inside].max() < 190
    )  # backgrounds reach 0.62 · 255 and noise; an actor's middle is 0.7 · 255 and more
    own = [box for box in found if box["video_id"] == row["video_id"]]
    assert all(frames[box["frame"], box["y0"] : box["y1"], box["x0"] : box["x1"]].max() > 170 for box in own)


@pytest.mark.parametrize("erase", ["object", "decoy"])
def test_a_rendering_without_an_actor_has_the_same_noise_and_background(erase):
    scene = scenes(1)[0]
    changed = (render(scene, 0, "a", noise=0.02) != render(scene, 0, "a", noise=0.02, erase=erase)).any(axis=-1)
    for frame, x0, y0, x1, y1 in boxes(getattr(scene, erase), scene.height, scene.width):
        changed[frame, y0:y1, x0:x1] = False
    assert not changed.any()


@pytest.mark.parametrize("erase", ["object", "decoy"])
def test_erasing_changes_the_erased_and_nothing_else(rows, root, erase):
    segments, found = rows
    erased, same_boxes = planted.read(root, **SMALL, erase=erase)
    assert same_boxes == found
    assert [{**row, "path": ""} for row in erased] == [{**row, "path": ""} for row in segments]
    for row, other in list(zip(whole(segments), whole(erased), strict=True))[::5]:
        gap = np.abs(frames_of(row).astype(int) - frames_of(other).astype(int)).mean(axis=-1)
        label = row["label"] if erase == "object" else "decoy"
        inside = np.zeros(gap.shape, bool)
        for box in (box for box in found if box["video_id"] == row["video_id"] and box["label"] == label):
            inside[box["frame"], box["y0"] : box["y1"], box["x0"] : box["x1"]] = True
        assert gap[inside].mean() > 40
        assert gap[~inside].mean() < 4  # less than the noise: H.264 spends its bits elsewhere, on equal pixels


def test_the_same_options_give_the_same_bytes(rows, tmp_path):
    again, _ = planted.read(tmp_path, **{**SMALL, "classes": tuple(CLASSES)})
    for row, other in zip(rows[0], again, strict=True):
        assert Path(row["path"]).read_bytes() == Path(other["path"]).read_bytes()


def test_videos_are_made_once_and_again_only_where_they_are_missing(rows, root):
    path = Path(rows[0][0]["path"])
    content, times = path.read_bytes(), {row["path"]: Path(row["path"]).stat().st_mtime_ns for row in rows[0]}
    path.unlink()
    planted.read(root, **SMALL)
    assert path.read_bytes() == content
    assert [row["path"] for row in rows[0] if Path(row["path"]).stat().st_mtime_ns != times[row["path"]]] == [str(path)]


def test_other_options_lie_beside_and_hold_other_videos(rows, root):
    other, _ = planted.read(root, **{**SMALL, "seed": 4, "train_per_class": 1, "test_per_class": 1})
    one = next(row for row in rows[0] if row["clip_id"] == other[0]["clip_id"])
    assert Path(one["path"]).read_bytes() != Path(other[0]["path"]).read_bytes()


def test_a_lone_video_is_the_same_in_a_larger_set(rows, tmp_path):
    fewer, _ = planted.read(tmp_path, **{**SMALL, "train_per_class": 1, "test_per_class": 1})
    one = next(row for row in rows[0] if row["clip_id"] == fewer[0]["clip_id"])
    assert Path(one["path"]).read_bytes() == Path(fewer[0]["path"]).read_bytes()


def test_lengths_sizes_and_rates_vary():
    drawn = scenes(60)
    assert len({(scene.height, scene.width) for scene in drawn}) == 4
    assert {scene.rate for scene in drawn} == {"12", "25", "30000/1001"}
    assert min(scene.frames for scene in drawn) >= 32
    assert max(scene.frames for scene in drawn) <= 96
    assert len({scene.frames for scene in drawn}) > 20


def test_videos_of_one_scene_share_a_background_and_its_number_follows_no_class():
    drawn = scenes(200, scenes=4)
    assert set(Counter(scene.backdrop for scene in drawn)) == {f"scene-{index}" for index in range(4)}
    assert [scene.backdrop for scene in drawn] == [scene.backdrop for scene in scenes(200, "cross-vertical", scenes=4)]
    assert len({scene.backdrop for scene in scenes(200)}) == 200


def test_the_broken_four_are_test_videos_beside_the_balanced_ones(rows, tmp_path):
    segments, found = rows
    broken = {row["clip_id"]: row for row in segments if row not in whole(segments)}
    assert sorted(broken) == ["broken-damaged", "broken-no_video", "broken-not_annotated", "broken-too_short"]
    assert {row["split"] for row in broken.values()} == {"test"}
    assert broken["broken-too_short"]["stop"] == 11
    lonely = broken["broken-not_annotated"]
    assert lonely["action_start"] is lonely["action_stop"] is None
    assert not [box for box in found if box["video_id"] == "broken-not_annotated"]
    sound, _ = planted.read(tmp_path, **{**SMALL, "broken": False, "train_per_class": 1, "test_per_class": 1})
    assert len(sound) == len(whole(sound)) == 4


def test_the_damaged_file_claims_more_frames_than_decode(rows):
    row = next(row for row in rows[0] if row["clip_id"] == "broken-damaged")
    with pytest.raises(BadVideoError, match=r"\d+ frames decoded, and it is damaged") as refused:
        frames_of(row)
    assert 0 < int(str(refused.value).split()[1]) < row["stop"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"classes": ["disc-horizontal", "disk-vertical"]}, "no class 'disk-vertical'; did you mean 'disc-vertical'"),
        ({"classes": ["disc-horizontal"]}, "two or more classes"),
        ({"classes": ["disc-horizontal"] * 2}, "each named once"),
        ({"object_size": 0.6}, r"object_size in \[0.05, 0.4\]"),
        ({"speed": 0.0}, r"speed in \(0, 1\]"),
        ({"train_per_class": 0}, "at least one training"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, text):
    with pytest.raises(UsageError, match=text):
        planted.read(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_configuration_may_name_every_option():
    component = registry.find("datasets", "planted")
    assert component.problems(SMALL) == []
    assert component.problems({"erase": "background"})
