"""Variants of the planted videos: static evidence, hues that tell the class, backgrounds that seem to tell it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stepaudit.datasets import planted
from stepaudit.datasets._plan import plan_videos
from stepaudit.datasets._render import boxes, render
from stepaudit.datasets._scene import PARTS, draw_scene
from stepaudit.errors import UsageError

CLASSES = ["disc-horizontal", "cross-vertical"]
LOOK = {"object_size": 0.3, "speed": 0.4, "scenes": 8}
FEW = {"classes": CLASSES, "train_per_class": 1, "test_per_class": 1, "broken": False}


def videos(background="neutral", colours="drawn", look=LOOK, count=12, tint="none"):
    signs = {"background": background, "colours": colours, "tint": tint}
    return plan_videos(tuple(CLASSES), count, count, 0, look, signs, False)


def backgrounds(scene, frames=1):
    """The background of the first frames, [n, H, W, 3] in [0, 255]."""
    hidden = {role: replace(getattr(scene, role), start=0, stop=0) for role in ("object", "decoy")}
    return render(replace(scene, frames=frames, **hidden), 0, "a", noise=0).astype(float)


def direction(scene):
    """Whether the background changes more from column to column (0) or from row to row (1)."""
    picture = backgrounds(scene)[0].mean(axis=2)
    return int(np.abs(np.diff(picture, axis=0)).mean() > np.abs(np.diff(picture, axis=1)).mean())


def test_videos_of_older_versions_keep_their_folder_and_their_scenes(tmp_path):
    """Both were read off the version before these options came."""
    segments, _ = planted.read(tmp_path, **FEW)
    assert {Path(row["path"]).parents[1].name for row in segments} == {"de7d8fecc0dc"}
    scene = draw_scene(0, "video-0", "disc-horizontal", "head", object_size=0.2, speed=0.45, scenes=4)
    assert (scene.height, scene.width, scene.frames, scene.rate, scene.backdrop) == (128, 128, 69, "25", "scene-0")
    assert (scene.object.track.x, scene.decoy.track.x) == pytest.approx((63.669352949461086, 64.04175078414053))
    assert (scene.object.start, scene.object.stop, scene.stripes) == (0, 22, None)
    assert scene.object.colour == pytest.approx((0.7584402433160264, 0.7024056431550691, 0.9574912415425587))


def test_tints_tell_the_class_in_training_and_nothing_in_testing():
    confounded, fair = videos(tint="confounded"), videos(tint="any")
    learned = {(video.label, video.scene.tint) for video in confounded if video.split == "train"}
    assert learned == {("cross-vertical", 0), ("disc-horizontal", 0.5)}
    assert [video for video in confounded if video.split == "test"] == [v for v in fair if v.split == "test"]
    assert set(Counter((v.split, v.label, v.scene.tint, PARTS[i % 3]) for i, v in enumerate(fair)).values()) == {2}


def test_a_tint_changes_the_backgrounds_hue_and_not_its_brightness():
    plain = videos()[0].scene
    grey, red, cyan = (backgrounds(replace(plain, tint=hue))[0].mean(axis=(0, 1)) for hue in (None, 0, 0.5))
    assert [colour.mean() for colour in (red, cyan)] == pytest.approx([grey.mean()] * 2, abs=0.6)
    assert red[0] - grey[0] == pytest.approx(255 * 0.12, abs=1)
    assert cyan[0] - grey[0] == pytest.approx(-255 * 0.12, abs=1)


def test_a_moving_camera_slides_the_background_and_leaves_the_actors():
    for still, moving in zip(videos(), videos(look=LOOK | {"pans": True}), strict=True):
        assert replace(moving.scene, pan=None) == still.scene
        if still.split == "train":
            continue
        first, *others = backgrounds(moving.scene, frames=12)
        assert max(np.abs(first - frame).mean() for frame in others) > 2
        first, last = backgrounds(still.scene, frames=12)[[0, -1]]
        assert (first == last).all()


def test_what_is_seen_throughout_is_seen_in_every_frame_and_no_video_is_longer_than_asked():
    found = videos(look=LOOK | {"throughout": True, "longest": 40})
    for scene in (video.scene for video in found):
        assert 32 <= scene.frames <= 40
        assert {(actor.start, actor.stop) for actor in (scene.object, scene.decoy)} == {(0, scene.frames)}


def test_static_actors_stay_where_they_are_and_the_decoy_is_else_as_before():
    """The object may take another of its paths: where nothing moves, others meet the decoy least."""
    for moving, static in zip(videos(), videos(look=LOOK | {"speed": 0.0}), strict=True):
        for actor in (static.scene.object, static.scene.decoy):
            found = {tuple(edges) for _, *edges in boxes(actor, static.scene.height, static.scene.width)}
            assert len(found) == 1
        decoy = moving.scene.decoy
        assert static.scene.decoy == replace(decoy, track=replace(decoy.track, speed=0.0))
        assert static.scene.backdrop == moving.scene.backdrop


def test_hues_tell_the_class_and_decoys_stay_pale_and_brighter():
    for plain, coloured in zip(videos(), videos(colours="class"), strict=True):
        red, green, _ = coloured.scene.object.colour
        assert (red > 0.9 and green < 0.3) == (coloured.label == "cross-vertical")  # the first class by name
        assert (red < 0.1 and green > 0.7) == (coloured.label == "disc-horizontal")
        assert coloured.scene.decoy == plain.scene.decoy
        assert np.mean(coloured.scene.object.colour) == pytest.approx(0.5)
        assert np.mean(coloured.scene.decoy.colour) > 0.7
        assert replace(coloured.scene, object=plain.scene.object) == plain.scene


def test_stripes_have_the_direction_that_the_scene_says():
    scenes = [video.scene for video in videos("striped")]
    assert {scene.stripes for scene in scenes} == {0, 0.5}
    assert [direction(scene) for scene in scenes] == [round(2 * scene.stripes) for scene in scenes]


def test_striped_backgrounds_say_nothing_about_the_class_in_either_split():
    found = Counter((v.split, v.label, v.scene.stripes, PARTS[i % 3]) for i, v in enumerate(videos("striped")))
    assert set(found.values()) == {2}  # of 12: each part with each direction
    assert len(found) == 2 * 2 * 2 * 3


def test_confounded_backgrounds_tell_the_class_in_training_and_nothing_in_testing():
    confounded, striped = videos("confounded"), videos("striped")
    told = {(v.label, v.scene.stripes) for v in confounded if v.split == "train"}
    assert told == {("cross-vertical", 0), ("disc-horizontal", 0.5)}
    test = [v for v in confounded if v.split == "test"]
    assert test == [v for v in striped if v.split == "test"]
    assert len({v.scene.backdrop for v in confounded if v.split == "train" and v.scene.stripes == 0}) > 1


def test_backgrounds_of_one_scene_are_the_same_with_and_without_a_class_of_their_own():
    same = {v.scene.backdrop: v.scene.stripes for v in videos("striped")}
    assert all(same.get(v.scene.backdrop, v.scene.stripes) == v.scene.stripes for v in videos("confounded"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"evidence": "static", "classes": ["disc-horizontal", "disc-vertical"]}, "nothing tells classes"),
        ({"background": "striped", "scenes": 1}, "raise `scenes`"),
        ({"background": "confounded", "scenes": 0}, "raise `scenes`"),
    ],
)
def test_variants_that_cannot_be_told_apart_are_refused(tmp_path, options, text):
    with pytest.raises(UsageError, match=text):
        planted.read(tmp_path, **{**FEW, **options})
    assert not list(tmp_path.iterdir())


def test_static_classes_of_one_shape_are_told_apart_by_their_hue_and_lie_in_a_folder_of_their_own(tmp_path):
    alike = {**FEW, "classes": ["disc-horizontal", "disc-vertical"]}
    for look in ({}, {"evidence": "static", "colours": "class"}):
        planted.read(tmp_path, **alike, **look)
    assert len(list(tmp_path.iterdir())) == 2
