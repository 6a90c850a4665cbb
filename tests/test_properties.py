"""Properties of clips: pictures whose motion, cuts, borders and text are known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stepaudit.clips.properties import cuts, measure, still_edges

SIZE = 8, 48, 64


def scene(seed=0, level=128, step=3):
    """A textured picture that moves `step` pixels to the right with every frame, uint8 [T, H, W, 3]."""
    frames, height, width = SIZE
    small = np.random.default_rng(seed).uniform(-60, 60, (12, 40))
    wide = np.kron(small, np.ones((4, 4)))[:height]
    moved = np.stack([wide[:, width - step * frame : 2 * width - step * frame] for frame in range(frames)])
    return np.repeat((level + moved).clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)


def with_text(frames, text="cam 7"):
    drawn = []
    for frame in frames:
        image = Image.fromarray(frame)
        ImageDraw.Draw(image).text((4, 4), text, fill=(255, 255, 255))
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def test_brightness_and_contrast_are_those_of_the_luma():
    frames = np.zeros((4, 10, 20, 3), np.uint8)
    frames[:, :, 10:] = (255, 0, 0)
    found = measure(frames)
    assert found["brightness"] == pytest.approx(0.299 / 2)
    assert found["contrast"] == pytest.approx(0.299 / 2)


def test_motion_is_the_mean_change_and_cuts_do_not_count_for_it():
    frames = np.zeros((4, 6, 6, 3), np.uint8)
    frames[1], frames[2:] = 10, 200  # the last two are alike
    found = measure(frames)
    assert (found["cuts"], found["frozen_frames"]) == (1, pytest.approx(1 / 3))
    assert found["motion"] == pytest.approx(10 / 255 / 2)


def test_a_scene_that_moves_is_not_cut_and_two_scenes_are():
    assert not cuts(scene(step=6)).any()
    dark_and_bright = np.concatenate([scene(level=70)[:4], scene(1, level=190)[:4]])
    assert np.flatnonzero(cuts(dark_and_bright)).tolist() == [3]


def test_flat_borders_are_counted_and_a_dark_scene_is_none():
    frames = scene()
    frames[:, :6] = frames[:, -6:] = 0
    frames[:, :, :8] = 0
    assert measure(frames)["borders"] == pytest.approx(1 - 36 * 56 / (48 * 64))
    assert measure(scene(level=70))["borders"] == 0
    assert measure(np.zeros((*SIZE, 3), np.uint8))["borders"] == 1


def test_text_that_stays_is_found_on_a_moving_scene_and_nothing_without_it():
    assert measure(with_text(scene()))["still_edges"] > 0.005
    assert measure(scene())["still_edges"] == 0


def test_text_is_not_asked_for_where_the_scene_is_at_rest():
    at_rest = np.repeat(scene()[:1], 8, axis=0)
    assert measure(with_text(at_rest))["still_edges"] is None
    assert measure(at_rest)["frozen_frames"] == 1
    assert still_edges(np.zeros((8, 2, 2), np.float32)) is None


def test_a_clip_of_one_frame_has_no_motion():
    found = measure(scene()[:1])
    assert (found["motion"], found["frozen_frames"], found["cuts"]) == (None, None, 0)
