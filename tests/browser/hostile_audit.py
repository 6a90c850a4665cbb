"""A small audit whose clips and classes have names that would run a script, if the page let them."""

import numpy as np
from tiny_audit import clips

HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\">",
    "</script><script>document.title='pwned'</script>",
    "'\"><svg onload=\"document.title='pwned'\">",
)
MODELS = {"conv": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}}
ASKED = [("step", 0.1), ("middle", None), ("noise", None)]
FRAMES, SIZE = 4, 16


def small_tables() -> dict[str, list[dict]]:
    """Three clips with hostile names and classes, a broken one; two models, a method, two trivial pointers."""
    tables = clips(*HOSTILE, "broken")
    pixels = np.random.default_rng(0).integers(0, 255, FRAMES * SIZE * SIZE * 3, np.uint8).tobytes()
    for clip in tables["clips"]:
        clip["size"] = f"{FRAMES}x{SIZE}x{SIZE}"
    shape = {"frames": [0, 10, 20, 30], "in_action": [True, False, False, True], "height": SIZE, "width": SIZE}
    for place, name in enumerate(HOSTILE):
        tables["segments"][place]["label"] = name
        tables["clips"][place] |= {"label": name, "pixels": pixels, **shape}
    tables["clips"][3] |= {"status": "bad_video", "error": f"{HOSTILE[0]}.mp4: no video"}
    box = {"frame": 2, "size": f"{FRAMES}x{SIZE}x{SIZE}", "x0": 2, "y0": 3, "x1": 9, "y1": 9}
    grid = {"grid": np.linspace(0, 1, 8).astype(np.float16), "grid_shape": [2, 2, 2], "upsampling": "trilinear"}
    keys = [
        {"clip_id": name, "model": model, "method": method, "ratio": ratio}
        for name in HOSTILE
        for model in MODELS
        for method, ratio in ASKED
    ]
    kept = {"frame_volume": [0.1] * FRAMES, "volume": 0.1, "kept_probability": 0.5, "perturbation": "blur"}
    searches = [{"clip_id": name, "model": model} for name in HOSTILE for model in MODELS]
    return {
        **tables,
        "clip_boxes": [{**box, "clip_id": HOSTILE[0], "label": HOSTILE[0]}],
        "predictions": [{**each, "label": HOSTILE[0], "rank": 1, "target_probability": 0.9} for each in searches],
        "maps": [{**key, **grid, "target_probability": 0.9, **(kept if key["ratio"] else {})} for key in keys],
        "scores": [
            {**key, "metric": "spatial_pointing", "frame": frame, "value": float((place + frame) % 2)}
            for place, key in enumerate(keys)
            for frame in range(FRAMES)
        ],
        "preservation": [
            {**each, "ratio": 0.1 * (place + 1), "lower": 0.05, "upper": 0.1 * (place + 1)}
            for place, each in enumerate(searches)
        ],
        "training_log": [
            {"model": model, "epoch": epoch, "train_accuracy": 0.4 * epoch, "validation_accuracy": 0.3 * epoch}
            for model in MODELS
            for epoch in (1, 2)
        ],
        "runs": [{"keys": "{}", "device": HOSTILE[0], "versions": '{"python":"3.12"}', "commit": HOSTILE[1]}],
    }
