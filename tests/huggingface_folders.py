"""Small classifiers of transformers with random weights, saved as people save theirs."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch

FRAMES, SIDE, PATCH, TUBELET = 4, 32, 8, 2
WIDTH = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
COMMON = {**WIDTH, "intermediate_size": 32, "image_size": SIDE, "num_frames": FRAMES}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
OPTIONS: dict[str, dict[str, Any]] = {
    "VideoMAE": {**COMMON, "patch_size": PATCH, "tubelet_size": TUBELET},
    "Timesformer": {**COMMON, "patch_size": PATCH},
    "Vivit": {**COMMON, "tubelet_size": [TUBELET, PATCH, PATCH]},
    "VJEPA2": {
        **WIDTH,
        **{"crop_size": SIDE, "frames_per_clip": FRAMES, "patch_size": PATCH, "tubelet_size": TUBELET},
        **{"mlp_ratio": 2, "pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1},
        **{"num_pooler_layers": 1, "num_mask_tokens": 1},
    },
}
NORMALISED = {"VideoMAE": IMAGENET, "Timesformer": {"image_mean": [0.45] * 3, "image_std": [0.225] * 3}, "Vivit": HALF}


@cache
def saved(family: str, classes: tuple[str, ...] = ("bowl", "dive", "jump"), frames: int = FRAMES) -> Path:
    """Folder of a family's small classifier of these classes."""
    import transformers

    folder = Path(mkdtemp(prefix=f"{family}-"))
    options = {
        name: frames if value == FRAMES and "frames" in name else value for name, value in OPTIONS[family].items()
    }
    config = getattr(transformers, f"{family}Config")(
        **options, id2label=dict(enumerate(classes)), label2id={name: place for place, name in enumerate(classes)}
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = transformers.AutoModelForVideoClassification.from_config(config)
        for parameter in net.parameters():  # larger than its own, which leave all classes as probable
            parameter.data += 0.3 * torch.randn(parameter.shape)
    net.save_pretrained(folder)
    processor(family).save_pretrained(folder)
    return folder


def processor(family: str) -> Any:
    """The library's own preprocessing of a family's clips."""
    import transformers

    kind: Callable[..., Any] = getattr(transformers, f"{family}VideoProcessor")
    size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    return kind(crop_size=SIDE) if family == "VJEPA2" else kind(**size, **NORMALISED[family])
