"""Estimated time of a forward pass beside the measured one, of networks that differ in what they spend it on."""

import time
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn

from stepaudit.audit.work import OPERATIONS_PER_NUMBER, OPERATIONS_PER_SECOND, SECONDS_PER_PASS
from stepaudit.layers import pass_costs

REPEATS = 5
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "R(2+1)D-18": (torchvision.models.video.r2plus1d_18, (16, 112, 112)),
    "R3D-18": (torchvision.models.video.r3d_18, (16, 112, 112)),
    "S3D": (torchvision.models.video.s3d, (16, 224, 224)),
    "MViT v2 S": (torchvision.models.video.mvit_v2_s, (16, 224, 224)),
    "VGG16, each frame": (torchvision.models.vgg16, (16, 112, 112)),
    "ResNet-18, each frame": (torchvision.models.resnet18, (16, 112, 112)),
    "DenseNet-121, each frame": (torchvision.models.densenet121, (16, 112, 112)),
    "MobileNet v3 large, each frame": (torchvision.models.mobilenet_v3_large, (16, 112, 112)),
    "ShuffleNet v2, each frame": (torchvision.models.shufflenet_v2_x1_0, (16, 112, 112)),
    "EfficientNet-B0, each frame": (torchvision.models.efficientnet_b0, (16, 112, 112)),
    "EfficientNet-B0, each frame, small": (torchvision.models.efficientnet_b0, (8, 64, 64)),
}


class _EachFrame(nn.Module):
    """Mean over frames of what an image network gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        return self.network(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(clips), -1)).mean(dim=1)


def estimates() -> list[str]:
    """Measured milliseconds of a pass, and by how much estimates are off, without and with what is written."""
    lines = [
        "One clip, one thread, processor time, the fastest of five passes. Estimated / measured, by operations alone,",
        f"and with {OPERATIONS_PER_NUMBER} more for each number that is written. The speed is one constant:",
        "what counts is the spread between networks.",
        "",
        "| network | clip | operations, 10⁹ | written, 10⁶ | ms | by operations alone | with what is written |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (build, size) in NETWORKS.items():
        model, clips = build().eval(), torch.rand(1, 3, *size)
        model = _EachFrame(model) if "each frame" in name else model
        operations, written = pass_costs(model, clips)
        seconds = min(_seconds(model, clips) for _ in range(REPEATS))
        alone, both = (
            (cost / OPERATIONS_PER_SECOND["cpu"] + SECONDS_PER_PASS["cpu"]) / seconds
            for cost in (operations, operations + OPERATIONS_PER_NUMBER * written)
        )
        shape = " × ".join(map(str, size))
        cells = [name, shape, f"{operations / 1e9:.2f}", f"{written / 1e6:.1f}", f"{1000 * seconds:.0f}"]
        lines.append("| " + " | ".join([*cells, f"{alone:.2f}", f"{both:.2f}"]) + " |")
    return lines


def _seconds(model: nn.Module, clips: Tensor) -> float:
    start = time.process_time()
    with torch.no_grad():
        model(clips)
    return time.process_time() - start
