"""Importance maps: a grid at the method's own resolution, and its upsampling to the full map."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional

from stepaudit.extremal.smooth_max import SmoothMax


@dataclass(frozen=True)
class Maps:
    """Importance maps of N rows, as methods return them.

    Args:
        grid: [N, t, h, w] in [0, 1], exact in float16.
        upsampling: name in `UPSAMPLINGS`, with its parameters.
        size: (T, H, W) of the full maps.
        details: other facts, [N] or one value for all: `preset`, `perturbation`, `steps`, and of an optimised mask
            `kept_probability` and `kept_rank`, which the search for the minimum ratio needs.
    """

    grid: Tensor
    upsampling: str
    size: tuple[int, ...]
    details: dict[str, Tensor | str | int] = field(default_factory=dict)

    def full(self) -> Tensor:
        """The full maps, [N, T, H, W] in [0, 1]."""
        return render(self.grid, self.upsampling, self.size)

    def detail(self, name: str, row: int) -> float | str | None:
        """One of the `details` of a row; None if the method does not give it."""
        value = self.details.get(name)
        return value[row].item() if isinstance(value, Tensor) else value


def render(grid: Tensor, upsampling: str, size: tuple[int, ...]) -> Tensor:
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


def _nearest(grid: Tensor, size: tuple[int, ...], parameter: str) -> Tensor:
    return functional.interpolate(grid[:, None], size=size, mode="nearest")[:, 0]


def _trilinear(grid: Tensor, size: tuple[int, ...], parameter: str) -> Tensor:
    return functional.interpolate(grid[:, None], size=size, mode="trilinear", align_corners=False)[:, 0]


def _smooth_max(grid: Tensor, size: tuple[int, ...], parameter: str) -> Tensor:
    numbers = dict(pair.split("=") for pair in parameter.split(","))
    return SmoothMax(size[1], size[2], float(numbers["sigma"]), int(numbers["step"]), padded=False)(grid)


def smooth_max_name(geometry: SmoothMax) -> str:
    """The upsampling's name in the table."""
    return f"smooth-max:sigma={geometry.sigma!r},step={geometry.step}"


UPSAMPLINGS: dict[str, Callable[[Tensor, tuple[int, ...], str], Tensor]] = {
    "nearest": _nearest,
    "trilinear": _trilinear,
    "smooth-max": _smooth_max,
}


def map_values(maps: Maps, full: Tensor, index: int) -> dict:
    """Columns of the table `maps` for one row of a method's result.

    Args:
        full: `maps.full()`, [N, T, H, W].
        index: of the row.
    """
    grid = maps.grid[index]
    return {
        **{name: maps.detail(name, index) for name in ("preset", "perturbation", "kept_probability", "steps")},
        "grid": grid.half().flatten().cpu().numpy(),
        "grid_shape": list(grid.shape),
        "upsampling": maps.upsampling,
        "volume": full[index].mean().item(),
        "frame_volume": full[index].mean(dim=(1, 2)).tolist(),
    }
