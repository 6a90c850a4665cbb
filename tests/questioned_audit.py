"""An audit whose rows are written by hand, so that the answers to the worked questions are known.

Names are those of the demo, so that what the documentation shows runs over it. Eight clips, two classes, two models.
The clips of `cross-vertical` have their maps in the first frames, beside the boxes; those of `disc-horizontal` on the
boxes, evenly in time. `max_over_time` is wrong on c7; `mean_over_time` sees nothing in c0.
"""

import math
from pathlib import Path

import numpy as np
from tiny_audit import write_audit

from stepaudit.audit import config
from stepaudit.report import build_database

CLIPS = [f"c{index}" for index in range(8)]  # in short
LABELS = dict(zip(CLIPS, ["cross-vertical"] * 4 + ["disc-horizontal"] * 4, strict=True))
BROKEN = ("x0", "x1")
NAMES = {clip: f"{LABELS[clip]}-test-{index % 4:03d}" for index, clip in enumerate(CLIPS)}
MASS = dict(zip(CLIPS, [0.1, 0.12, 0.08, 0.14, 0.9, 0.88, 0.92, 0.86], strict=True))  # mean over the seeds
FILLS = ("blur", "other_blur", "fade", "freeze", "noise")
STEP = {"method": "step", "ratio": 0.1}
CHANGES = {
    "models": {"max_over_time": {"use": "r2plus1d_18"}, "mean_over_time": {"use": "vgg16_lstm"}},
    "methods": {
        "step": {"ratios": [0.1], "seeds": [0, 1]},
        "center": {},
        "random_pixel": {},
    },
    "metrics": {"spatial_pointing": {}, "mass_in_box": {}, "box_share": {}, "mask_survival": {}},
    "preserve": {"methods": ["step"], "grid": [0.02, 0.2, 0.7]},
    "clips": {"height": 16, "width": 16},
}  # fmt: skip


def write(folder: Path, bound: str = "probability") -> Path:
    """Writes `demo` into a folder, with its database; searches are of this bound. Returns the audit's folder."""
    rows = {
        "segments": [_labelled(clip) for clip in (*CLIPS, *BROKEN)],
        "clips": [_clip(clip) for clip in CLIPS] + [_broken(clip, index) for index, clip in enumerate(BROKEN)],
        "predictions": _predictions(),
        "preservation": [row for search in _searches() for row in _of_classes(search, bound)],
        "maps": _maps(),
        "scores": [*_masses(), *_hits(), *_survivals()],
    }
    for row in (row for table in rows.values() for row in table):
        row["clip_id"] = NAMES.get(row["clip_id"], row["clip_id"])
    for row in (row for name in ("preservation", "maps", "scores") for row in rows[name]):
        row.setdefault("model", "max_over_time")
    made = write_audit(folder, rows, audit="demo", **CHANGES)
    build_database.create(made, config.load(made / "config.yaml"))
    return made


def _labelled(clip: str) -> dict:
    return {"clip_id": clip, "label": LABELS.get(clip, "cross-vertical")}


def _clip(clip: str) -> dict:
    pixels = np.full((16, 16, 16, 3), 16 * CLIPS.index(clip), np.uint8)
    size = {"size": "16x16x16", "height": 16, "width": 16}
    return {**_labelled(clip), **size, "frames": list(range(16)), "pixels": pixels.tobytes()}


def _broken(clip: str, index: int) -> dict:
    error = f"{12 - index} of 16 frames decoded"
    return {**_labelled(clip), "size": "16x16x16", "status": "bad_video", "error": error}


def _predictions() -> list[dict]:
    known = {("max_over_time", "c7"): (0.2, 2), ("mean_over_time", "c0"): (0.1, 2)}
    rows = []
    for model in ("max_over_time", "mean_over_time"):
        for clip in CLIPS:
            probability, rank = known.get((model, clip), (0.9, 1))
            answer = {"target_probability": probability, "rank": rank}
            rows.append({**_labelled(clip), "model": model, **answer})
        rows += [{**_labelled(clip), "model": model, "status": "upstream", "error": "clip"} for clip in BROKEN]
    return rows


def _searches() -> list[dict]:
    def row(clip: str, **values: object) -> dict:
        return {"clip_id": clip, "evaluations": 5, **values}

    return [
        row("c0", ratio=0.04, lower=0.03, upper=0.04),
        row("c1", ratio=0.019, lower=0.0, upper=0.02, censored="left"),
        row("c2", ratio=0.1, lower=0.05, upper=0.1),
        row("c3", lower=0.7, censored="right", evaluations=7),
        row("c7", ratio=0.04, lower=0.03, upper=0.04),
        row("c0", model="mean_over_time", ratio=0.6, lower=0.5, upper=0.6),
    ]


def _of_classes(search: dict, bound: str) -> list[dict]:
    """The search for the label, and, by crisp masks, one for the runner-up that ends elsewhere."""
    crisp = {"vacuous": False, "log2_ratio": math.log2(search.get("ratio", 1.0))} if bound == "sufficiency" else {}
    label = {**search, **crisp, "bound": bound, "asked_class": "label"}
    other = {**label, "asked_class": "runner_up", "ratio": 0.01, "lower": 0.005, "upper": 0.01, "censored": None}
    return [label, other] if bound == "sufficiency" else [label]


def _maps() -> list[dict]:
    early, even = [0.4, 0.4, *[0.0] * 12, 0.1, 0.1], [0.1] * 16
    grid = np.zeros((16, 1, 1), np.float16)
    grid[:2] = 0.5
    stored = {"grid": grid.ravel(), "grid_shape": [16, 1, 1], "upsampling": "nearest", "volume": 0.0625}
    rows = []
    for clip in CLIPS:
        volume = early if LABELS[clip] == "cross-vertical" else even
        seconds = 9.0 if clip == "c3" else 1.0
        kept = {"kept_probability": 0.9, "perturbation": "blur:sigma=5", "steps": 50}
        rows += [
            {"clip_id": clip, **STEP, "seed": seed, "frame_volume": volume, "seconds": seconds, **kept, **stored}
            for seed in (0, 1)
        ]
        rows.append({"clip_id": clip, "method": "center", "frame_volume": even, "seconds": 0.5, **stored})
    return rows


def _masses() -> list[dict]:
    found = [("mass_in_box", seed, clip, MASS[clip] + 0.01 * (2 * seed - 1)) for clip in CLIPS for seed in (0, 1)]
    found += [("box_share", seed, clip, 0.5) for clip in CLIPS for seed in (0, 1)]
    return [
        {"clip_id": clip, **STEP, "seed": seed, "metric": metric, "value": value} for metric, seed, clip, value in found
    ]


def _hits() -> list[dict]:
    hit = {"step": 0.0, "center": 1.0, "random_pixel": 0.0}
    return [
        {"clip_id": clip, "method": method, "ratio": 0.1 if method == "step" else None, "seed": seed,
         "metric": "spatial_pointing", "frame": 3, "value": value}
        for method, value in hit.items()
        for seed in ((0, 1) if method == "step" else (0,))
        for clip in CLIPS
    ]  # fmt: skip


def _survivals() -> list[dict]:
    """Masks of c0 and c1 that hold under every probe; another model keeps the answer of c1 alone."""
    rows = []
    for clip, as_peer in (("c0", 0.2), ("c1", 0.9)):
        parts = {"clip": 0.9, "rival_clip": 0.05, "shift": 0.8, "random": 0.1, "inside": 0.6, "annotated": 0.2}
        parts |= {f"{kind}.{fill}": 0.9 for kind in ("soft", "hard") for fill in FILLS}
        parts |= {f"empty.{fill}": 0.1 for fill in FILLS}
        parts |= {
            "peer.mean_over_time": as_peer,
            "peer_clip.mean_over_time": 0.9,
            "peer_rival.mean_over_time": 0.05,
            "peer_empty.mean_over_time": 0.1,
        }
        rows += [
            {"clip_id": clip, **STEP, "metric": f"mask_survival.{part}", "value": value}
            for part, value in parts.items()
        ]
    return rows
