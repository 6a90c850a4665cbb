"""Target probabilities of partly masked clips, and a cache of them."""

import hashlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from stepaudit.errors import NonFiniteError

_CACHE: WeakKeyDictionary[nn.Module, dict[Hashable, list[float]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class MaskedClip:
    """A clip and its fill, both [3, T, H, W] in [0, 1], with a model and a target class."""

    model: nn.Module
    clip: Tensor
    fill: Tensor
    target: int
    at_once: int

    def end_logits(self) -> Tensor:
        """[2, K] for the untouched clip and for its fill."""
        both = torch.stack([self.clip, self.fill])
        return torch.cat([self.model(part) for part in both.split(self.at_once)])

    def probabilities(self, masks: Iterable[Tensor]) -> list[float]:
        """Target probability under each mask [T, H, W], true where the clip is shown. Raises NonFiniteError for NaN."""
        parts = torch.stack(list(masks)).split(self.at_once)
        shown = (torch.where(part.to(self.clip.device)[:, None], self.clip, self.fill) for part in parts)
        return self.target_probabilities(torch.cat([self.model(part) for part in shown]))

    def target_probabilities(self, logits: Tensor) -> list[float]:
        """Softmax probability of the target in each row [K]. Raises NonFiniteError if one is NaN."""
        probabilities = logits.double().softmax(dim=1)[:, self.target]
        if probabilities.isnan().any():
            raise NonFiniteError("the model's logits are NaN")
        return probabilities.tolist()


def content_hash(clip: Tensor) -> int:
    """Hash of the values, 63 bits: the same on every device and in every process."""
    digest = hashlib.sha256(clip.detach().cpu().contiguous().numpy().tobytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def cached(model: nn.Module, key: Hashable, measure: Callable[[], list[float]]) -> list[float]:
    """Cached result of `measure` for this model and key, as long as the model lives.

    The key must hold all that decides the result. Weights may change in place: let it hold logits of the model.
    """
    results = _CACHE.setdefault(model, {})
    if key not in results:
        results[key] = measure()
    return results[key]
