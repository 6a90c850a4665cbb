"""Importance maps in compact form: a grid at the method's own resolution, and how the full map is made of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional

from stepaudit.extremal.smooth_max import SmoothMax


@dataclass(frozen=True)
class Maps:
    """What a method returns for N rows.

    Args:
        grid: [N, t, h, w] in [0, 1], exact in float16.
        upsampling: name, with parameters, of the way to the full size (`UPSAMPLINGS`).
        size: (T, H, W) of the full maps.
        details: what else the method knows, [N] or one value for all: `preset`, `perturbation`, `steps`, and of a mask
            that was optimised `kept_probability` and `kept_rank`, which the search for the minimum ratio needs.
    """

    grid: Tensor
    upsampling: str
    size: tuple[int, int, int]
    details: dict[str, Tensor | str | int] = field(default_factory=dict)

    def full(self) -> Tensor:
        """The full maps, [N, T, H, W] in [0, 1]."""
        return render(self.grid, self.upsampling, self.size)

    def detail(self, name: str, row: int) -> float | None:
        """A number of `details` for one row; None if the method does not give it."""
        values = self.details.get(name)
        return None if values is None else values[row].item()


def render(grid: Tensor, upsampling: str, size: tuple[int, int, int]) -> Tensor:
    """Full maps of grids.

    Args:
        grid: [N, t, h, w].
        upsampling: `nearest`, `trilinear`, or `smooth-max:sigma=<pixels>,step=<pixels>`.
        size: (T, H, W).

    Returns:
        [N, T, H, W] in [0, 1], float32.
    """
    name, _, parameter = upsampling.partition(":")
    return UPSAMPLINGS[name](grid.float(), size, parameter)


def smooth_max_name(geometry: SmoothMax) -> str:
    """The upsampling's name in the table."""
    return f"smooth-max:sigma={geometry.sigma!r},step={geometry.step}"


def _nearest(grid: Tensor, size: tuple[int, int, int], parameter: str) -> Tensor:
    return functional.interpolate(grid[:, None], size=size, mode="nearest")[:, 0]


def _trilinear(grid: Tensor, size: tuple[int, int, int], parameter: str) -> Tensor:
    return functional.interpolate(grid[:, None], size=size, mode="trilinear", align_corners=False)[:, 0]


def _smooth_max(grid: Tensor, size: tuple[int, int, int], parameter: str) -> Tensor:
    numbers = dict(pair.split("=") for pair in parameter.split(","))
    return SmoothMax(size[1], size[2], float(numbers["sigma"]), int(numbers["step"]), padded=False)(grid)


UPSAMPLINGS: dict[str, Callable[[Tensor, tuple[int, int, int], str], Tensor]] = {
    "nearest": _nearest,
    "trilinear": _trilinear,
    "smooth-max": _smooth_max,
}


def map_values(maps: Maps, full: Tensor, index: int) -> dict:
    """The columns of `maps` that a method's result decides, of one row.

    Args:
        maps: of N rows.
        full: `maps.full()`, [N, T, H, W].
        index: of the row.
    """
    grid = maps.grid[index]
    return {
        "preset": maps.details.get("preset"),
        "perturbation": maps.details.get("perturbation"),
        "kept_probability": maps.detail("kept_probability", index),
        "grid": grid.half().flatten().cpu().numpy(),
        "grid_shape": list(grid.shape),
        "upsampling": maps.upsampling,
        "volume": full[index].mean().item(),
        "frame_volume": full[index].mean(dim=(1, 2)).tolist(),
        "steps": maps.detail("steps", index),
    }
