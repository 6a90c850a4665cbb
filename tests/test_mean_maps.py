"""Mean maps: a network that looks at a corner shows it, one that follows what moves does not."""

import base64
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_audit import write_audit
from torch import nn

from stepaudit.audit import config
from stepaudit.methods.gradient import attribute
from stepaudit.report import build_database
from stepaudit.report.page.mean_maps import half_of, mean_map, mean_maps
from stepaudit.store import database, tables

FRAMES, SIDE, CLIPS = 4, 16, 6
SIZE = f"{FRAMES}x{SIDE}x{SIDE}"
CORNER = (slice(0, 4), slice(12, 16))


class Looks(nn.Module):
    """Logits of two classes: the brightness of a place, or of all that is bright."""

    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, clips):
        seen = clips[..., *self.place] if self.place else clips**4
        return torch.stack([seen.mean(dim=(1, 2, 3, 4)), torch.zeros(len(clips))], dim=1)


def scenes():
    """Clips with a bright square at another place in each, float [N, 3, T, H, W]."""
    clips = torch.full((CLIPS, 3, FRAMES, SIDE, SIDE), 0.05)
    for number, clip in enumerate(clips):
        row, column = divmod(number, 3)
        clip[..., 6 * row + 2 : 6 * row + 6, 5 * column : 5 * column + 4] = 0.9
    return clips


def maps_of(place):
    clips = scenes()
    return attribute(Looks(place), clips, torch.zeros(CLIPS, dtype=torch.long), ratios=None, seed=0)


def audit(folder, places):
    """An audit of the models of these places, with their maps and clips; some rows must not count."""
    names = [f"c{number}" for number in range(CLIPS)]
    pixels = [(255 * clip.permute(1, 2, 3, 0)).byte().numpy().tobytes() for clip in scenes()]
    rows = {"segments": [{"clip_id": name} for name in names], "maps": []}
    rows["clips"] = [
        {"clip_id": name, "size": SIZE, "frames": list(range(FRAMES)), "height": SIDE, "width": SIDE, "pixels": each}
        for name, each in zip(names, pixels, strict=True)
    ]
    for model, place in places.items():
        made = maps_of(place)
        for name, grid in zip(names, made.grid, strict=True):
            row = {"clip_id": name, "model": model, "method": "gradient", "upsampling": made.upsampling}
            row |= {"grid": grid.half().flatten().numpy(), "grid_shape": list(grid.shape)}
            rows["maps"] += [row, {**row, "seed": 1, "grid": np.ones(grid.numel(), np.float16)}]
        rows["maps"].append({"clip_id": "c9", "model": model, "method": "gradient", "status": "non_finite"})
    plan = {"clips": {"frames": FRAMES, "height": SIDE, "width": SIDE}, "methods": {"gradient": {}}}
    folder = write_audit(folder, rows, models={name: {"use": "r2plus1d_18"} for name in places}, **plan)
    build_database.create(folder, config.load(folder / "config.yaml"), ["controls", "method_roles"])
    with database.connect(folder) as connection:
        return folder, mean_maps(connection, folder)


def picture(made):
    return np.asarray(Image.open(BytesIO(base64.b64decode(made.picture.partition(",")[2]))).convert("RGB"), float)


def test_a_network_that_looks_at_a_corner_shows_it_and_one_that_follows_the_square_does_not(tmp_path):
    scene, corner, square = audit(tmp_path, {"corner": CORNER, "square": None})[1]
    assert (scene.model, corner.model, square.model) == ("", "corner", "square")
    assert corner.facts == ["mean of 6 clips", "half of it lies in 3 % of the picture (even: 50 %)"]  # 8 of 256 pixels
    assert int(square.facts[1].split()[5]) > 10
    lit = picture(corner).sum(axis=2)
    assert lit[CORNER].min() > 2 * np.delete(lit, range(12, 16), axis=1).max()
    assert picture(scene).shape == (SIDE, SIDE, 3)


def test_maps_and_clips_of_an_earlier_plan_do_not_count(tmp_path):
    folder, before = audit(tmp_path, {"corner": CORNER})
    for table in ("maps", "clips"):
        (current,) = (folder / table).rglob("*.parquet")
        rows = tables.read(table, current)
        for row in rows:
            row |= (
                {"grid": np.ones(len(row["grid"] or []))} if table == "maps" else {"pixels": bytes(len(row["pixels"]))}
            )
        tables.write(rows, table, current.with_name("test-001.parquet"))  # of two shards
    with database.connect(folder) as connection:
        assert mean_maps(connection, folder) == before


def test_maps_that_cannot_be_read_leave_a_note(tmp_path):
    folder, _ = audit(tmp_path, {"corner": CORNER})
    (file,) = (folder / "maps").rglob("*.parquet")
    file.write_bytes(b"PAR1")
    with database.connect(folder) as connection:
        scene, corner = mean_maps(connection, folder)
    assert scene.picture
    assert corner.note
    assert str(folder) not in corner.note
    assert not corner.picture


def test_every_clip_counts_the_same_and_empty_maps_do_not():
    faint, strong = np.zeros((2, 4, 4)), np.zeros((2, 4, 4))
    faint[:, 0, 0], strong[:, 3, 3] = 0.01, 1.0
    mean = mean_map([faint, strong, np.zeros((2, 4, 4))])
    assert (mean[0, 0], mean[3, 3], mean.mean()) == pytest.approx((8, 8, 1))
    assert mean_map([np.zeros((2, 4, 4))]).max() == 0


def test_half_of_a_map_is_the_least_share_that_holds_it():
    assert half_of(np.ones((10, 10))) == 0.5
    assert half_of(np.eye(10)[:1]) == 0.1
