"""Gradients with respect to the clip, shared by several methods."""

from collections.abc import Callable, Iterable
from itertools import islice

import torch
from torch import Tensor, nn

from stepaudit.extremal.memory import rows_at_once
from stepaudit.layers import gradient
from stepaudit.methods._scale import rectified

COPIES = 4  # of a version of a clip, beside what the model keeps: itself, in the batch, its gradient, their sum


def target_gradients(forward: Callable[[Tensor], Tensor], clips: Tensor, targets: Tensor, score: str) -> Tensor:
    """Gradient of each target's logit or probability with respect to its own clip; not finite if the score is not.

    Args:
        forward: clips [N, 3, T, H, W] to logits [N, K]: a model, frozen by the caller.
        targets: [N] class indices.
        score: `logit` or `probability`.

    Returns:
        [N, 3, T, H, W].

    Raises:
        NotApplicableError: no gradient reaches the clips.
    """
    inputs = clips.detach().requires_grad_()
    with torch.enable_grad():
        own = _scores(forward, inputs, targets, score)
        gradients = gradient(own, inputs)
    return gradients + 0 * own.detach()[..., None, None, None]  # NaN plus a constant has a finite gradient


def mean_gradients(
    model: nn.Module,
    versions: Iterable[Tensor],
    clips: Tensor,
    targets: Tensor,
    score: str,
    *,
    at_once: int | None = None,
) -> Tensor:
    """Mean of the `target_gradients` of several versions of each clip, [N, 3, T, H, W].

    Args:
        model: frozen by the caller.
        versions: each [N, 3, T, H, W], made one after another.
        at_once: versions in one pass through the model; by default as many as fit into memory.
    """
    size = at_once or max(1, _rows_that_fit(model, clips[:1], targets[:1], score) // len(clips))
    total, count, left = torch.zeros_like(clips), 0, iter(versions)
    while some := list(islice(left, size)):
        gradients = target_gradients(model, torch.cat(some), targets.repeat(len(some)), score)
        for each in gradients.split(len(clips)):
            total += each
        count += len(some)
    return total / count


def _rows_that_fit(model: nn.Module, clip: Tensor, target: Tensor, score: str) -> int:
    """Versions of clips whose gradients fit into memory together."""
    inputs = clip.detach().requires_grad_()

    def work() -> Tensor:
        with torch.enable_grad():
            return _scores(model, inputs, target, score)

    return rows_at_once(work, COPIES * clip.nbytes, model.parameters(), clip.device)


def _scores(forward: Callable[[Tensor], Tensor], clips: Tensor, targets: Tensor, score: str) -> Tensor:
    logits = forward(clips)
    values = logits if score == "logit" else logits.softmax(dim=1)
    return values.gather(1, targets[:, None])


def strongest_channel(gradients: Tensor) -> Tensor:
    """Greatest absolute value over the colour channels. [N, 3, T, H, W] to [N, T, H, W]. Simonyan et al. 2014, 3.1."""
    return gradients.abs().amax(dim=1)


def contributions(products: Tensor, sign: str) -> Tensor:
    """`positive` part or `absolute` value of the sum over the colour channels.

    Args:
        products: [N, 3, T, H, W], parts of the score that add up.

    Returns:
        [N, T, H, W], not negative.
    """
    total = products.sum(dim=1)
    return total.abs() if sign == "absolute" else rectified(total)
