"""The frames of the annotated action."""

import torch
from torch import Tensor

from stepaudit.errors import NoAnnotationError


def frames_of(in_action: list[bool] | None) -> Tensor:
    """[T], bool: true in the frames of the action, at least one and not all.

    Raises:
        NoAnnotationError: no action is annotated, or it covers no frame or all.
    """
    if in_action is None:
        raise NoAnnotationError("no action is annotated")
    if all(in_action) or not any(in_action):
        raise NoAnnotationError(f"the action covers {sum(in_action)} of {len(in_action)} frames")
    return torch.tensor(in_action)
