import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tiny_audit import clips, write_audit

from stepaudit import config, database, gallery, pictures

FRAMES, HEIGHT, WIDTH = 16, 32, 48


def audit(folder, tables, **changes):
    """A grey clip for each name; the label is the name's first letter."""
    grey = bytes([128]) * (FRAMES * HEIGHT * WIDTH * 3)
    for clip in tables["clips"]:
        clip |= {"label": clip["clip_id"][0], "pixels": grey, "height": HEIGHT, "width": WIDTH}
        clip |= {"frames": list(range(0, 2 * FRAMES, 2))}
    folder = write_audit(folder, tables, **changes)
    database.create(folder, config.load(folder / "config.yaml"))
    with database.connect(folder) as connection:
        return gallery.examples(connection, folder)


def brightness(picture):
    """Mean of each frame of a strip."""
    image = Image.open(BytesIO(base64.b64decode(picture.partition(",")[2]))).convert("L")
    pixels = np.asarray(image, float)[:HEIGHT]
    starts = range(0, pixels.shape[1], WIDTH + pictures.GAP_PX)
    return [pixels[:, start : start + WIDTH].mean() for start in starts]


def map_row(clip_id, *, frame=0, **values):
    """A map that is 1 in one frame and 0 in all others."""
    grid = np.zeros((FRAMES, 1, 1), np.float16)
    grid[frame] = 1
    row = {
        "clip_id": clip_id,
        "ratio": 0.1,
        "grid": grid.ravel(),
        "grid_shape": [FRAMES, 1, 1],
        "upsampling": "nearest",
    }
    return {**row, **values}


def test_the_first_good_clip_of_each_class_is_shown(tmp_path):
    tables = clips("a2", "a1", "a0", "b7", "c1")
    tables["clips"][2] |= {"status": "bad_video"}
    tables["clips"][4] |= {"split": "train", "view": "random0"}
    shown = audit(tmp_path, tables)
    assert [(example.label, example.clip_id) for example in shown] == [("a", "a1"), ("b", "b7")]
    assert shown[0].strips[0].note == "source frames 2, 6, 10, 14, 18, 22, 26, 30"


def test_no_more_clips_than_a_page_can_hold(tmp_path):
    assert len(audit(tmp_path, clips(*"abcdefghij"))) == gallery.CLIPS


def test_the_map_nearest_to_the_ratio_of_the_paper_is_shown_with_its_numbers(tmp_path):
    methods = {"step": {"ratios": [0.02, 0.12, 0.3], "seeds": [0, 1]}}
    numbers = {"target_probability": 0.9, "kept_probability": 0.85}
    maps = [map_row("a", ratio=ratio, seed=seed, **numbers) for ratio in (0.3, 0.12, 0.02) for seed in (1, 0)]
    (example,) = audit(tmp_path, clips("a") | {"maps": maps}, methods=methods)
    assert [strip.caption for strip in example.strips] == ["clip", "step at ratio 0.12, r3d"]
    assert example.strips[1].note == "probability 0.90, of the kept part 0.85"


@pytest.mark.parametrize(("frame", "place"), [(1, 0), (5, 2), (15, 7)])
def test_the_map_of_a_frame_lies_over_that_frame(tmp_path, frame, place):
    (example,) = audit(tmp_path, clips("a") | {"maps": [map_row("a", frame=frame)]})
    assert len(brightness(example.strips[0].picture)) == 8
    assert int(np.argmax(brightness(example.strips[1].picture))) == place


def test_a_map_that_failed_is_named_with_its_reason(tmp_path):
    failed = {"clip_id": "a", "method": "noise", "status": "not_applicable", "error": "needs a 3-D CNN"}
    (example,) = audit(tmp_path, clips("a") | {"maps": [failed]})
    assert example.strips[1] == gallery.Strip("noise, r3d", "not_applicable: needs a 3-D CNN")
