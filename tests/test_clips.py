"""Rows of the table `clips` as tensors."""

import numpy as np
import pytest
import torch

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.clips import tensors
from stepaudit.errors import UpstreamError, UsageError
from stepaudit.running.shard import batches
from stepaudit.store import tables


def row(pixels: np.ndarray, **rest) -> dict:
    frames, height, width, _ = pixels.shape
    shape = {"frames": list(range(frames)), "height": height, "width": width}
    return {**shape, "pixels": pixels.tobytes(), "status": "ok", "error": None, **rest}


def test_a_pixel_keeps_its_place_frame_channel_row_and_column():
    pixels = np.zeros((4, 5, 7, 3), np.uint8)
    pixels[2, 3, 6, 1], pixels[0, 0, 1, 2] = 255, 51
    tensor = tensors.to_tensor([row(np.zeros_like(pixels)), row(pixels)])
    assert tensor.shape == (2, 3, 4, 5, 7)
    assert tensor.dtype == torch.float32
    assert tensor[1, 1, 2, 3, 6] == 1
    assert tensor[1, 2, 0, 0, 1].item() == pytest.approx(0.2)
    assert tensor.count_nonzero() == 2


def test_a_row_that_failed_passes_its_reason_on():
    assert tensors.require_ok({"status": "ok"}) == {"status": "ok"}
    with pytest.raises(UpstreamError, match=r"bad_video: x.mp4: no frame decodes"):
        tensors.require_ok({"status": "bad_video", "error": "x.mp4: no frame decodes"})


def test_batches_are_consecutive_and_the_last_may_be_smaller():
    assert [list(batch) for batch in batches(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches([], 3) == []


def test_boxes_are_those_of_the_clips_own_label():
    rows = [
        {"frame": 2, "label": "a", "x0": 1, "y0": 2, "x1": 3, "y1": 4},
        {"frame": 2, "label": "decoy", "x0": 5, "y0": 5, "x1": 6, "y1": 6},
        {"frame": 0, "label": "a", "x0": 0, "y0": 0, "x1": 1, "y1": 1},
        {"frame": 2, "label": "a", "x0": 7, "y0": 7, "x1": 8, "y1": 8},
    ]
    assert tensors.boxes_by_frame(rows, "a", 3) == [[(0, 0, 1, 1)], [], [(1, 2, 3, 4), (7, 7, 8, 8)]]


def test_class_names_stand_in_the_order_of_their_targets(tmp_path):
    path = tmp_path / "segments.parquet"
    tables.write(
        [{"label": name, "target": target} for name, target in (("b", 1), ("a", 0), ("b", 1))], "segments", path
    )
    assert tensors.class_names(path) == ["a", "b"]
    tables.write([{"label": "a", "target": 0}, {"label": "c", "target": 2}], "segments", path)
    with pytest.raises(UsageError, match=r"the targets are \[0, 2\]; they must count from 0"):
        tensors.class_names(path)


def test_the_clips_of_a_split_come_in_the_order_of_its_shards(tmp_path):
    made = config.parse(
        {
            "audit": "a", "results": str(tmp_path), "shards": 2, "datasets": {"planted": {"root": "x"}},
            "models": {"r2plus1d_18": None}, "methods": {"center": None},
        }
    )  # fmt: skip
    for split in ("train", "test"):
        for shard in (1, 0):
            path = Job(made, "extract", dataset="planted", size="16x112x112", shard=f"{split}-{shard:03d}").file(
                "clips"
            )
            tables.write([{"clip_id": f"{split}{shard}{row}"} for row in range(2)], "clips", path)
    found = [
        row["clip_id"] for row in tables.read("clips", *Job(made, "predict", "planted", "r2plus1d_18").files("clips"))
    ]
    assert found == ["test00", "test01", "test10", "test11"]
