"""A small audit of clips of different brightness, with the answers of two models."""

import numpy as np
from tiny_audit import write_audit

COUNT, FRAMES, SIDE = 66, 4, 16
CLASSES = ("cat", "<b>dog</b>", "owl")
MODELS = {"always_cat": {"use": "r2plus1d_18"}, "right": {"use": "r2plus1d_18"}}


def name(number):
    return f"c{number:02d}"


def grey(number):
    """Grey level of the middle frame of a clip; its other frames are black."""
    return 3 * number + 30


def answers(number, *, labelled=True):
    """Rows of `predictions` of a clip: one model answers the first class always, one is right."""
    target = number % 3
    rows = []
    for model, answered in zip(MODELS, (0, target), strict=True):
        probabilities = [0.1, 0.1, 0.1]
        probabilities[answered] = 0.8
        rows.append({
            "clip_id": name(number), "model": model, "label": CLASSES[target] if labelled else None,
            "target": target if labelled else None, "rank": 1 + (answered != target) if labelled else None,
            "target_probability": probabilities[target] if labelled else None, "probabilities": probabilities,
            "predicted": CLASSES[answered],
        })  # fmt: skip
    return rows


def audit(folder, *, labelled=True):
    """The audit's folder: clips c00, c01, …, of the three classes in turn, and one that could not be cut."""
    rows = {"segments": [], "clips": [], "predictions": []}
    for number in range(COUNT):
        pixels = np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8)
        pixels[FRAMES // 2] = grey(number)
        of_class = {"label": CLASSES[number % 3], "target": number % 3} if labelled else {"label": None, "target": None}
        rows["segments"].append({"clip_id": name(number), **of_class})
        shape = {"size": f"{FRAMES}x{SIDE}x{SIDE}", "frames": list(range(FRAMES)), "height": SIDE, "width": SIDE}
        rows["clips"].append({"clip_id": name(number), "pixels": pixels.tobytes(), **shape, **of_class})
        rows["predictions"] += answers(number, labelled=labelled)
    rows["segments"].append({"clip_id": "broken"})
    rows["clips"].append({"clip_id": "broken", "status": "bad_video", "size": f"{FRAMES}x{SIDE}x{SIDE}"})
    clips = {"frames": FRAMES, "height": SIDE, "width": SIDE}
    return write_audit(folder, rows, models=MODELS, clips=clips)
