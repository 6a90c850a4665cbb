"""EB-R: excitation backprop through a CNN-RNN, over all time steps. Zhang et al. 2018, Bargal et al. 2018."""

import torch
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError
from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._excited import Excited, explained
from stepaudit.methods._scale import rectified, scaled

explains_output = True


def attribute(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    ratios: None = None,
    seed: int = 0,
    contrastive: bool = False,
) -> Maps:
    """Probability of each place of `activation_layer` (conv5) to win, drawn from the target's logit down to it.

    A unit's probability is shared out among the units below as they excite it: activation × positive weight. Gates are
    fixed weights; hidden and cell state carry probability to earlier frames, detached or not. Where a model averages
    its steps' softmax, each step starts with the same probability. Biases get none: a unit that nothing below excites
    loses its own.

    Unlike the papers, who scale a clip's maps to sum to T, a map is divided by its clip's maximum, to lie in [0, 1].
    A map without any probability is all zeros.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        contrastive: whether to subtract what the negated weights of the classifier give, and keep the positive part.

    Raises:
        NotApplicableError: no `activation_layer` that gives a map for each frame, or a layer that EB-R does not know.
    """
    layer = getattr(model, "activation_layer", None)
    if layer is None:
        raise NotApplicableError(
            f"{type(model).__name__} names no activation_layer, at which EB-R ends; set the model's `layer:`"
        )
    # A clip alone, because a layer of single frames may take those of several in any order.
    pairs = zip(clips.split(1), targets.split(1), strict=True)
    probabilities = torch.cat([winning_probabilities(model, layer, *pair, contrastive) for pair in pairs])
    return Maps(scaled(rectified(probabilities.sum(dim=2))), "trilinear", clips.shape[-3:])


def winning_probabilities(
    model: nn.Module, layer: nn.Module, clips: Tensor, targets: Tensor, contrastive: bool = False
) -> Tensor:
    """Winning probability of each activation, [N, T, C, h, w]; they add up to 1. Contrastive ones may be negative.

    Of several clips, `layer` must take all frames of the first one first, or be called frame by frame.

    Every rule is linear in the probability that comes from above, so that the difference may be taken at the top, where
    the papers take it right below the classifier. Negated, a classifier's weights excite what they inhibited before.
    """
    with frozen(model), explained(layer) as activations, torch.no_grad():
        logits = model(clips)
    if not isinstance(logits, Excited):
        raise NotApplicableError("EB-R finds no way from the logits to activation_layer but through gates")
    with torch.enable_grad():
        output = logits.evidence.as_output(logits.evidence.value)
        start = output.excitation - output.inhibition if contrastive else output.excitation
        gradients = torch.autograd.grad(start.gather(1, targets[:, None]).sum(), activations, materialize_grads=True)
    shares = [activation.detach() * gradient for activation, gradient in zip(activations, gradients, strict=True)]
    own = output.value.gather(1, targets[:, None])[..., None, None, None]
    return torch.cat([_unflatten(share, len(clips)) for share in shares], dim=1) + 0 * own  # not finite if own is not


def _unflatten(shares: Tensor, count: int) -> Tensor:
    """[N·T, C, h, w] to [N, T, C, h, w]."""
    if len(shares) % count:
        raise NotApplicableError(f"activation_layer gives {len(shares)} maps for {count} clips: not as many for each")
    return shares.unflatten(0, (count, -1))
