"""Sizes, models and time limits of the run: the whole one for a large GPU, and a tiny one for a CPU."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module

import torch
from torch import Tensor, nn

from stepaudit.layers import gaussian_blur

CLASSES = 24
Work = tuple[str, Callable[[], list[dict]]]  # a name, and what makes the rows of that name


@dataclass(frozen=True)
class Network:
    """A model with random weights and the clips that it takes.

    Args:
        name: of its file in `stepaudit/models`.
        frames, side: of its clips.
        options: of its `build`.
        many: rows whose largest activation has more than 2³¹ values.
    """

    name: str
    frames: int
    side: int
    options: dict = field(default_factory=dict)
    many: int = 8

    @property
    def title(self) -> str:
        return f"{self.name}{' narrow' if self.options else ''}, {self.frames}×{self.side}×{self.side}"

    def build(self, device: torch.device) -> nn.Module:
        """The model, the same weights on every device."""
        torch.manual_seed(0)
        build = import_module(f"stepaudit.models.{self.name}").build
        return build(CLASSES, **self.options).eval().requires_grad_(False).to(device)

    def clips(self, rows: int, device: torch.device) -> Tensor:
        """Smooth clips [rows, 3, T, H, W] in [0, 1], each another one, the same on every device."""
        generator = torch.Generator().manual_seed(rows)
        coarse = torch.rand(rows, 3, self.frames, self.side, self.side, generator=generator)
        smooth = gaussian_blur(coarse, self.side / 28) - 0.5
        return (0.5 + smooth * 0.5 / smooth.abs().amax()).to(device)

    @staticmethod
    def targets(rows: int, device: torch.device) -> Tensor:
        return torch.arange(rows, device=device) % CLASSES


NARROW_VGG = {"width": 6, "features": 64, "hidden": 32, "pooled": 2}


@dataclass(frozen=True)
class Setting:
    """A run.

    Args:
        device: the one under test; it is compared with the CPU.
        narrow, full: small and whole networks.
        batches: rows of a batch, smallest first; they end where memory does.
        iterations: two numbers; the difference of their times is that of the iterations between.
        matrix: side of the matrices whose product gives the rate of the chip.
        repeats: timed calls, of which the median counts.
        seconds: time limit of each section; a row that has begun is finished.
    """

    device: torch.device
    narrow: tuple[Network, ...]
    full: tuple[Network, ...]
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    iterations: tuple[int, int] = (20, 60)
    matrix: int = 8192
    repeats: int = 3
    seconds: dict[str, float] = field(default_factory=dict)


WHOLE = Setting(
    torch.device("cuda"),
    narrow=(Network("r2plus1d_18", 16, 48, {"width": 6}), Network("vgg16_lstm", 16, 48, NARROW_VGG)),
    full=(Network("r2plus1d_18", 16, 112, many=320), Network("vgg16_lstm", 16, 224, many=48)),
    seconds={"agreement": 140, "throughput": 90, "forms": 30, "hours": 100, "compiled": 30},
)
TINY = replace(
    WHOLE,
    device=torch.device("cpu"),
    narrow=(Network("r2plus1d_18", 8, 32, {"width": 2}),),
    full=(Network("vgg16_lstm", 8, 32, {**NARROW_VGG, "width": 2, "features": 8, "hidden": 4}),),
    batches=(1, 2),
    iterations=(1, 2),
    matrix=64,
    repeats=1,
)
