"""Defaults of `stepaudit init` for audits of some minutes, a night, days, and a GPU."""

from dataclasses import dataclass
from typing import Any

Size = tuple[int, int, int]  # frames, height, width

MODEL = "r2plus1d_18"
PRETRAINED: dict[str, tuple[str, Size]] = {  # torchvision's weights and the clips that they take; see config/MODELS.md
    "r2plus1d_18": ("R2Plus1D_18_Weights.KINETICS400_V1", (16, 112, 112)),
    "r3d_18": ("R3D_18_Weights.KINETICS400_V1", (16, 112, 112)),
    "mc3_18": ("MC3_18_Weights.KINETICS400_V1", (16, 112, 112)),
    "s3d": ("S3D_Weights.KINETICS400_V1", (16, 224, 224)),
    "mvit_v2_s": ("MViT_V2_S_Weights.KINETICS400_V1", (16, 224, 224)),
    "swin3d_t": ("Swin3D_T_Weights.KINETICS400_V1", (32, 224, 224)),
    "vgg16_lstm": ("VGG16_Weights.IMAGENET1K_V1", (16, 224, 224)),
    "resnet50_lstm": ("ResNet50_Weights.IMAGENET1K_V1", (16, 224, 224)),
}
NARROW: dict[str, Any] = {  # options that make a model small enough to be trained from scratch on few videos
    **{"width": 8, "features": 64, "hidden": 32, "pooled": 2},
    **{"batch_norm": True, "dropout": 0.1, "momentum": 0.1},
}
FROM_SCRATCH = {"batch_size": 8, "optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.01}
FINE_TUNED = {"batch_size": 8, "optimizer": "adamw", "learning_rate": 0.0001, "weight_decay": 0.01}


@dataclass(frozen=True)
class Budget:
    """The extent of an audit.

    Args:
        text: for the user, in a line.
        pretrained: the model begins with torchvision's weights.
        size: of clips of a model that is not pretrained.
        methods: besides the floors.
        options: of methods that have such options.
        ratios: of methods that need them.
        preserve: the section of that name, but for its methods.
        metrics: that need no annotation, by name; `masks` stands for the methods with ratios.
        box_metrics: that need boxes.
        action_metrics: that need to know when the action happens.
        training_clips: per class at most; None: all.
        test_clips: per class at most; None: all.
        most_test_clips: of all classes together.
    """

    text: str
    pretrained: bool
    size: Size
    methods: tuple[str, ...]
    options: dict[str, Any]
    ratios: list[float]
    preserve: dict[str, Any]
    metrics: dict[str, dict]
    box_metrics: tuple[str, ...] = ("spatial_pointing", "mass_in_box", "box_share", "box_auc")
    action_metrics: tuple[str, ...] = ("temporal_pointing", "mass_in_segment", "segment_auc")
    seeds: tuple[int, ...] = (0,)
    training_clips: int | None = None
    test_clips: int | None = None
    most_test_clips: int | None = None


BUDGETS = {
    "quick": Budget(
        text="a first look: a narrow model trained from scratch, few clips, one method",
        pretrained=False,
        size=(16, 64, 64),
        methods=("step", "grad_cam"),
        options={"preset": "corrected", "schedule": "short", "iterations": 50},
        ratios=[0.1],
        preserve={},
        metrics={"kept_probability": {}},
        training_clips=40,
        test_clips=10,
        most_test_clips=40,
    ),
    "overnight": Budget(
        text="a full-size model with torchvision's weights, fine-tuned on few clips; one mask method, 16 test clips",
        pretrained=True,
        size=(16, 112, 112),
        methods=("step", "grad_cam"),
        options={"preset": "corrected", "schedule": "short", "iterations": 100},
        ratios=[0.1],
        preserve={},
        metrics={"kept_probability": {}},
        training_clips=20,
        test_clips=8,
        most_test_clips=16,
    ),
    "standard": Budget(
        text="a full-size model with torchvision's weights, fine-tuned; two mask methods and Grad-CAM",
        pretrained=True,
        size=(16, 112, 112),
        methods=("step", "ep3d", "grad_cam"),
        options={"preset": "corrected", "schedule": "fast"},
        ratios=[0.05, 0.1],
        preserve={},
        metrics={"kept_probability": {}, "mask_survival": {"methods": "masks"}},
        training_clips=200,
        test_clips=10,
        most_test_clips=100,
    ),
    "thorough": Budget(
        text="all test clips, more methods, two seeds, and whether maps are faithful; for a GPU",
        pretrained=True,
        size=(16, 112, 112),
        methods=("step", "ep3d", "ep3d_evenly", "grad_cam", "integrated_gradients", "occlusion", "rise"),
        options={"preset": "corrected", "schedule": "fast"},
        ratios=[0.05, 0.1, 0.2],
        preserve={"bounds": ["sufficiency", "probability"], "share": 0.9},
        metrics={
            "kept_probability": {},
            "mask_survival": {"methods": "masks"},
            "deletion_insertion": {"options": {"units": ["tubelets"], "shares": [0.1, 0.5]}},
            "similarity": {"methods": "masks"},
        },
        box_metrics=("spatial_pointing", "mass_in_box", "box_share", "box_auc", "box_iou"),
        seeds=(0, 1),
    ),
}
