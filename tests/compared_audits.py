"""Two audits of the same clips, written by hand, and what a comparison says of them."""

import numpy as np
from tiny_audit import write_audit

from stepaudit.audit import config
from stepaudit.commands.compare.comparison import compared
from stepaudit.report import build_database

FRAMES, SIDE = 16, 16
READ = (
    "metric_roles",
    "measured_cells",
    "mask_classes",
    "coverage",
    "explained_classes",
    "preservation_times",
    "clip_needs",
    "similarities",
    "test_clips",
)
CHANGES = {
    "models": {"conv": {"use": "r2plus1d_18"}},
    "methods": {"ep3d": {"ratios": [0.1]}, "grad_cam": {}, "center": {}},
    "metrics": {"mass_in_box": {}, "box_share": {}, "mask_survival": {"methods": ["ep3d"]}},
    "preserve": {"methods": ["ep3d"], "bounds": ["probability"]},
}


def clip_rows(clips, **values):
    """Segments and clips whose pixels are grey, and whose hash is their name unless it is given."""
    grey = bytes([128]) * (FRAMES * SIDE * SIDE * 3)
    shape = {"frames": list(range(FRAMES)), "height": SIDE, "width": SIDE, "pixels": grey, "size": "16x16x16"}
    segments = [{"clip_id": clip} for clip in clips] + [{"clip_id": "other", "label": "b", "target": 1}]
    return {
        "segments": segments[: len(clips) + ("other" not in clips)],
        "clips": [{"clip_id": clip, "sha256": f"hash of {clip}", **shape, **values} for clip in clips],
    }


def answer(clip, probability, right=True, **values):
    """A prediction of the target, the first of two classes."""
    row = {"clip_id": clip, "model": "conv", "target_probability": probability, "rank": 1 if right else 2}
    rest = 1 - probability
    return {**row, "probabilities": [probability, rest] if right else [min(probability, 0.4), 0.6], **values}


def search(clip, bracket, **values):
    """A search with a* in (lower, upper]; without an upper end no mask sufficed, with a lower end of 0 each did."""
    lower, upper = bracket
    censored = "right" if upper is None else "left" if lower == 0 else None
    row = {"clip_id": clip, "model": "conv", "method": "ep3d", "ratio": upper}
    return {**row, "lower": float(lower), "upper": upper, "censored": censored, **values}


def mass(clip, value, frame=None, **values):
    """What `mass_in_box` measured of Grad-CAM's map."""
    row = {"clip_id": clip, "model": "conv", "method": "grad_cam", "metric": "mass_in_box", "frame": frame}
    return {**row, "value": value, **values}


def map_row(clip, grid, **values):
    """A map whose grid [t, h, w] is the full map in shares."""
    grid = np.asarray(grid, np.float16)
    row = {"clip_id": clip, "model": "conv", "method": "grad_cam", "grid": grid.ravel(), "upsampling": "nearest"}
    return {**row, "grid_shape": list(grid.shape), **values}


def written(folder, name, tables, **changes):
    """Writes an audit's tables. Returns its folder."""
    size = {"frames": FRAMES, "height": SIDE, "width": SIDE}
    return write_audit(folder, tables, **{**CHANGES, "clips": size, "audit": name, **changes})


def audit(folder, name, tables, *, reports=(), **changes):
    """Writes an audit with its database, of what a comparison reads and some reports. Returns its folder."""
    made = written(folder, name, tables, **changes)
    build_database.create(made, config.load(made / "config.yaml"), [*READ, *reports])
    return made


def quantities(a, b, **options):
    """Everything measured, by its full name."""
    with compared(str(a), str(b), **options) as comparison:
        return {str(each): each for each in comparison.quantities}
