"""Common parts of both searches for the minimum preservation ratio: the model with its method, the keys of a row."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.audit.requests import Request
from stepaudit.maps import Maps
from stepaudit.networks.asked import Asked


@dataclass(frozen=True)
class Tools:
    """Tools of a search: the model for a question, all questions, the method's functions, name and options, the device,
    a context for its calls.
    """

    net: nn.Module
    asked: Asked
    attribute: Callable[..., Maps]
    sufficiency: Callable[..., Any] | None
    method: str
    options: dict[str, Any]
    torch_device: torch.device
    looks: Callable[[Tensor], AbstractContextManager]


def key(request: Request, bound: str, asked: str) -> dict:
    """Key columns of a row, with its target.

    Args:
        asked: `label` for the explained class, or `runner_up`.
    """
    return {
        "clip_id": request.clip_id,
        "target": request.target,
        "bound": bound,
        "asked_class": request.explains if asked == "label" else asked,
        "seed": request.seed,
    }
