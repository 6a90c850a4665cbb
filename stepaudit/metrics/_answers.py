"""What a model says of a clip of which a part is seen, and the rest filled."""

import hashlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from stepaudit.errors import NonFiniteError

_KNOWN: WeakKeyDictionary[nn.Module, dict[Hashable, list[float]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class View:
    """A clip and its filling, both [3, T, H, W] in [0, 1], before a model that is asked for a target."""

    model: nn.Module
    clip: Tensor
    filling: Tensor
    target: int
    at_once: int

    def ends(self) -> Tensor:
        """[2, K] for the clip untouched, and for its filling."""
        both = torch.stack([self.clip, self.filling])
        return torch.cat([self.model(part) for part in both.split(self.at_once)])

    def probabilities(self, kept: Iterable[Tensor]) -> list[float]:
        """Of the target for each mask [T, H, W], bool, true where the clip is seen. Raises NonFiniteError for NaN."""
        parts = torch.stack(list(kept)).split(self.at_once)
        seen = (torch.where(part.to(self.clip.device)[:, None], self.clip, self.filling) for part in parts)
        return self.target_of(torch.cat([self.model(part) for part in seen]))

    def target_of(self, logits: Tensor) -> list[float]:
        """Softmax probability of the target in each row [K]. Raises NonFiniteError if one is NaN."""
        found = logits.double().softmax(dim=1)[:, self.target]
        if found.isnan().any():
            raise NonFiniteError("the model's answer is NaN")
        return found.tolist()


def content(clip: Tensor) -> int:
    """A number of 63 bits that the values decide: the same on every device and in every process."""
    digest = hashlib.sha256(clip.detach().cpu().contiguous().numpy().tobytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def remembered(model: nn.Module, key: Hashable, measure: Callable[[], list[float]]) -> list[float]:
    """What was measured of this very model under this key, as long as the model lives; measured if it is new.

    The key must hold all that decides the result. Weights may change in place: let it hold answers of the model.
    """
    known = _KNOWN.setdefault(model, {})
    if key not in known:
        known[key] = measure()
    return known[key]
