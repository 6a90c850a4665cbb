"""Clips without colour, for the controls that look at the picture alone."""

from torch import Tensor


def grey(clips: Tensor) -> Tensor:
    """Luma of ITU-R BT.601. Equal pixels stay equal to the last bit. [N, 3, T, H, W] to [N, T, H, W]."""
    red, green, blue = clips.unbind(dim=1)
    return red * 0.299 + green * 0.587 + blue * 0.114
