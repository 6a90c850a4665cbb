"""Pictures and progress of single clips: known pixels, known counts."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.commands.explain.command import _progress
from stepaudit.commands.explain.model_calls import observed
from stepaudit.errors import UsageError
from stepaudit.report.pictures import movie, overlay, pictures

FRAMES, HEIGHT, WIDTH = 4, 24, 36
GREY = np.full((FRAMES, HEIGHT, WIDTH, 3), 128, np.uint8)


def shown(share):
    return overlay.Shown(GREY, share, np.full_like(GREY, 60), ("clip: a 0.90", "step 0.1", "kept: a 0.85"))


def half():
    """A map that is 1 in the left half of frame 2."""
    share = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    share[2, :, : WIDTH // 2] = 1
    return share


def test_a_movie_shows_clip_map_and_kept_side_by_side():
    frames = overlay.movie(shown(half()))
    tile = 2 * round(overlay.TILE_PX * WIDTH / HEIGHT / 2)
    assert frames.shape[0] == FRAMES
    assert frames.shape[2] == 3 * tile + 2 * overlay.GAP_PX
    assert all(side % 2 == 0 for side in frames.shape[1:3])
    middle = overlay.HEAD_PX + overlay.TILE_PX // 2
    row = frames[2, middle].astype(int)
    places = [tile // 4, tile + overlay.GAP_PX + tile // 4, tile + overlay.GAP_PX + 3 * tile // 4, -tile // 4]
    clip, hot, cold, kept = (row[place] for place in places)
    assert (clip == 128).all()
    assert (kept == 60).all()
    assert hot.sum() > 1.8 * cold.sum()
    dark = overlay.tint(GREY[:1], np.zeros((1, HEIGHT, WIDTH), np.float32))[0, 0, 0]
    assert abs(cold - dark).max() <= 2


def test_the_bars_below_are_the_maps_share_of_each_frame_and_mark_the_one_that_is_shown():
    share = half()
    share[1, :, : WIDTH // 4] = 1
    for now, image in enumerate(overlay.movie(shown(share))):
        foot = image[-overlay.FOOT_PX :].astype(int)
        centres = [overlay.PAD_PX + round((t + 0.5) * (image.shape[1] - 2 * overlay.PAD_PX) / FRAMES) for t in range(4)]
        inked = [(foot[:, x] != overlay.PAPER).any(axis=1).sum() for x in centres]
        assert inked[2] == pytest.approx(2 * inked[1], abs=2)
        assert max(inked[0], inked[3]) <= 2
        marked = [t for t, x in enumerate(centres) if (foot[:, x] == overlay.NOW).all(axis=1).any()]
        assert marked == [now]


def test_a_long_caption_stays_in_its_panel():
    long = overlay.Shown(GREY, half(), GREY, ("clip: " + "very " * 60, "", ""))
    head = overlay.movie(long)[0, : overlay.HEAD_PX].astype(int)
    tile = 2 * round(overlay.TILE_PX * WIDTH / HEIGHT / 2)
    assert (head[:, tile + overlay.GAP_PX :] == overlay.PAPER).all()


def test_a_mask_is_rendered_as_it_is_and_a_map_in_shares_of_its_greatest_value():
    faint = 0.01 * half()
    as_mask, as_map = (pictures.overlay(GREY, faint, mask=mask).astype(int) for mask in (True, False))
    assert abs(as_mask[2, 5, 5] - as_mask[2, 5, -5]).max() < 20
    assert abs(as_map[2, 5, 5] - as_map[2, 5, -5]).max() > 80


@pytest.mark.parametrize(("height", "width"), [(24, 36), (25, 37)])
def test_a_video_holds_the_frames_in_their_order_whatever_their_size(tmp_path, height, width):
    frames = np.stack([np.full((height, width, 3), 40 + 50 * t, np.uint8) for t in range(4)])
    path = movie.save(frames, tmp_path / "x.mp4", rate=8)
    size = decoding.source_size(path)
    assert size == (24 + 2 * (height % 2), 36 + 2 * (width % 2))
    with decoding.decoded(path, Geometry(*size, *size)) as decoded:
        means = [decoded[[index]].mean() for index in range(len(decoded))]
    assert len(means) == 4 * 3  # 24 a second, each of 8 shown three times
    assert np.abs(np.array(means) - np.repeat([40, 90, 140, 190], 3)).max() < 4


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_an_animation_holds_every_frame_for_its_time(tmp_path, suffix):
    frames = np.stack([np.full((24, 36, 3), 40 + 50 * t, np.uint8) for t in range(4)])
    with Image.open(movie.save(frames, tmp_path / f"x{suffix}", rate=4)) as image:
        assert (image.n_frames, image.size, image.info.get("loop")) == (4, (36, 24), 0)
        for index in range(4):
            image.seek(index)
            assert np.abs(np.asarray(image.convert("RGB")).mean() - (40 + 50 * index)) < 4
            assert image.info["duration"] == 250


def test_a_file_of_another_kind_or_in_no_folder_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"did you mean '\.mp4'"):
        movie.save(GREY, tmp_path / "x.mp5")
    with pytest.raises(UsageError, match="there is no folder"):
        movie.save(GREY, tmp_path / "none" / "x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_passes_are_counted_as_they_cost_and_the_probability_is_the_softmax():
    model, told = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), []
    clips = torch.rand(2, 3, 1, 2, 2)
    with observed(model, 1, lambda *news: told.append(news)):
        with torch.no_grad():
            expected = model(clips).softmax(dim=1)[:, 1].mean().item()
        model(clips)
    model(clips)
    assert [passes for passes, _ in told] == [2, 2 + 3 * 2]
    assert [probability for _, probability in told] == pytest.approx([expected] * 2)
    assert not model._forward_hooks


def test_a_model_is_watched_no_more_after_an_error():
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="a bug"), observed(model, None, lambda *news: None):
        raise ValueError("a bug")
    assert not model._forward_hooks


def test_progress_never_ends_before_the_work_and_ends_even_if_there_was_less(monkeypatch):
    from contextlib import contextmanager

    from stepaudit.commands.explain import command

    moves = []

    @contextmanager
    def recorded(_description, _total):
        yield lambda pieces=1, note="": moves.append((pieces, note))

    monkeypatch.setattr(command, "progress", recorded)
    with _progress("x", 10) as tell:
        for passes in (3, 9, 12, 15):
            tell(passes, 0.5)
    assert [pieces for pieces, _ in moves] == [3, 6, 0, 0, 1]
    assert moves[-1][1] == "probability 0.500"
