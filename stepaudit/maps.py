"""Importance maps: a grid at the method's own resolution, and its upsampling to the full map."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor
from torch.nn import functional

from stepaudit.errors import NonFiniteError, UsageError, did_you_mean
from stepaudit.extremal.crisp import crisp, crispness
from stepaudit.extremal.smooth_max import SmoothMax

TOLERANCE = 1e-3  # of rounding, outside of [0, 1]
FAINT = 0.1  # a voxel with less of its contrast counts as hidden
MIN_FLOAT16 = 2.0**-14  # below it float16 loses digits


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


def checked_maps(maps: object, method: str, clips: Sequence[str], size: tuple[int, ...]) -> Maps:
    """Check the maps of a method. Returns them with the grid as it is stored.

    Args:
        method: its name, for the error.
        clips: names of the clips that it explained, N.
        size: (T, H, W) of the clips.

    Raises:
        UsageError: it returned something else, of another size, for other rows, or outside of [0, 1].
        NonFiniteError: NaN or infinite values.
    """
    if not isinstance(maps, Maps):
        raise UsageError(f"method '{method}' returned a {type(maps).__name__}; return `stepaudit.maps.Maps`")
    if problem := _form_problem(maps, len(clips), tuple(size)):
        raise UsageError(f"method '{method}' {problem}")
    numbers = {name: value for name, value in maps.details.items() if isinstance(value, Tensor)}
    for name, values in {"the map": maps.grid, **numbers}.items():
        if not values.isfinite().all():
            raise NonFiniteError(f"{name} holds NaN or infinite values")
    grid = maps.grid.detach().float()
    for clip, values in zip(clips, grid, strict=True):
        if problem := _value_problem(values.min().item(), values.max().item()):
            raise UsageError(f"method '{method}': the map of clip '{clip}' {problem}")
    return replace(maps, grid=grid.clamp(0, 1).half().float())


def _form_problem(maps: Maps, rows: int, size: tuple[int, ...]) -> str | None:
    """Sentence on the shape, size or upsampling of a method's maps; None if they are as requested."""
    grid = maps.grid
    if not isinstance(grid, Tensor) or grid.ndim != 4 or 0 in grid.shape or grid.is_complex():
        shape = list(grid.shape) if isinstance(grid, Tensor) else type(grid).__name__
        return f"returned a grid {shape}; return real numbers [N, t, h, w], a grid for each row"
    shapes = {name: list(value.shape) for name, value in maps.details.items() if isinstance(value, Tensor)}
    if len(grid) != rows:
        return f"returned {len(grid)} maps for {rows} rows; return one for each"
    if tuple(maps.size) != size:
        return f"returned maps of {tuple(maps.size)} for clips of {size} (T, H, W)"
    if maps.upsampling.partition(":")[0] not in UPSAMPLINGS:
        return f"names the upsampling '{maps.upsampling}'{did_you_mean(maps.upsampling, list(UPSAMPLINGS))}"
    wrong = [f"'{name}' has the shape {shape}" for name, shape in shapes.items() if shape != [rows]]
    return f"returned details of which {wrong[0]}, not [{rows}]" if wrong else None


def _value_problem(least: float, greatest: float) -> str | None:
    """Reason why maps of these values cannot be stored; None if they can."""
    if least < -TOLERANCE or greatest > 1 + TOLERANCE:
        return f"has values from {least:.3g} to {greatest:.3g}; scale each map to [0, 1]"
    if 0 < greatest < MIN_FLOAT16:
        return f"is {greatest:.3g} at most, too little for float16; scale each map to a greatest value of 1"
    return None


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


def crisp_masks(grid: Tensor, upsampling: str, size: tuple[int, ...], ratios: Sequence[float]) -> Tensor:
    """Masks of a search for the minimum ratio as the model was shown them: crisp, with their ratio as their mean.

    Args:
        grid: [N, t, h, w].
        upsampling: as for `render`.
        size: (T, H, W).
        ratios: N, the column `shown_ratio` of `preservation`.

    Returns:
        [N, T, H, W] in [0, 1], float32.
    """
    return crisp(render(grid, upsampling, size), ratios)


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
        "crispness": crispness(full[index : index + 1]).item(),
        "shown": (full[index] > FAINT).float().mean().item(),
        "frame_volume": full[index].mean(dim=(1, 2)).tolist(),
    }
