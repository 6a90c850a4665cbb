"""What the table `maps` keeps of a map."""

from torch import Tensor

from stepaudit.maps import Maps


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
