"""Attention rollout, weighted by gradients: what attention carries to the answer. Chefer et al. 2021."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from stepaudit.errors import NotApplicableError
from stepaudit.layers import frozen
from stepaudit.maps import Maps
from stepaudit.methods._scale import scaled

SOFTMAX = ("softmax",)
ATTENTION = ("scaled_dot_product_attention",)
explains_output = True


def attribute(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: None = None, seed: int = 0) -> Maps:
    """Relevance of each token to the target's logit along attention, scaled to a maximum of 1 in each clip.

    In each layer attention weights are multiplied by their gradients, rectified and averaged over heads; layers are
    combined with their residual connections. Unlike the paper, which explains class tokens alone, networks that
    average their tokens are explained by the mean of all rows, and what the residual connections alone would give is
    left out. So evidence that no attention moves is not shown. A map without evidence is all zeros.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.

    Raises:
        NotApplicableError: the model is no transformer, does not say how its tokens follow from each other
            (`rollout`), or no gradient reaches its attention.
    """
    if getattr(model, "rollout", None) is None:
        raise NotApplicableError(f"{type(model).__name__} has no `rollout`, which says where its attention looks")
    with frozen(model):  # a clip alone, because attention of all layers takes memory
        grids = [_relevance(model, clips[row : row + 1], targets[row : row + 1]) for row in range(len(clips))]
    return Maps(scaled(torch.cat(grids)), "trilinear", clips.shape[-3:])


def _relevance(model: nn.Module, clip: Tensor, target: Tensor) -> Tensor:
    """Relevance [1, t, h, w] of the tokens of a clip."""
    # in float64: what attention carries may be far less than what stays
    weights = [each.double() for each in weighted_attention(model, clip, target)]
    size = tuple(clip.shape[-3:])
    rollout: Any = model.rollout
    return (rollout(weights, size) - rollout([torch.zeros_like(each) for each in weights], size)).float().clamp(min=0)


def weighted_attention(model: nn.Module, clips: Tensor, targets: Tensor) -> list[Tensor]:
    """Attention times its gradient, rectified and averaged over heads, of each layer in order: [n, queries, keys].

    Raises:
        NotApplicableError: there is no attention, or no gradient reaches it.
    """
    with torch.enable_grad(), _Attention() as recorded:
        own = model(clips.detach().requires_grad_()).gather(1, targets[:, None]).sum()
    if not recorded.weights or not own.requires_grad:
        raise NotApplicableError(f"no gradient of {type(model).__name__} reaches any attention")
    gradients = torch.autograd.grad(own, recorded.weights, materialize_grads=True)
    pairs = zip(recorded.weights, gradients, strict=True)
    return [(slope * weights.detach()).clamp(min=0).mean(dim=1) for weights, slope in pairs]


class _Attention(TorchFunctionMode):
    """Records the attention weights [n, heads, queries, keys] of all calls within; fused attention is written out."""

    def __init__(self):
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in ATTENTION:
            return self._unfused_attention(*args, **kwargs)
        output = func(*args, **kwargs)
        return self._record(output) if name in SOFTMAX and output.ndim == 4 else output

    def _record(self, weights: Tensor) -> Tensor:
        """Keep attention weights that gradients flow through."""
        if weights.requires_grad:
            self.weights.append(weights)
        return weights

    def _unfused_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **_options: Any,
    ) -> Tensor:
        """`scaled_dot_product_attention` from its single steps, so that its weights are seen."""
        if is_causal or (attn_mask is not None and attn_mask.dtype == torch.bool):
            raise NotApplicableError("attention that may not look everywhere (a mask) is not rolled out")
        products = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        products = products if attn_mask is None else products + attn_mask
        return self._record(functional.softmax(products, dim=-1)) @ value
