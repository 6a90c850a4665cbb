"""Rules of evidence for functions of PyTorch. EB-R cannot explain a function that is missing here.

A rule is called with the function, its result and its arguments, in which `Evidence` stands for each tensor that
depends on the explained activations. It returns the result's evidence, or None for what counts as a constant.
Parameters have PyTorch's names, so that keywords find them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stepaudit.errors import NotApplicableError
from stepaudit.methods._evidence import Evidence

Rule = Callable[..., Evidence | list[Evidence] | None]


def _same_evidence(function: Callable, result: Tensor, input: Evidence, *_: Any, **_options: Any) -> Evidence:
    """The same evidence, also behind `detach`: models detach the recurrent state and still compute logits from it."""
    return Evidence(result, input.excitation, input.inhibition)


def _dropped(
    function: Callable,
    result: Tensor,
    input: Evidence,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    train: bool = True,
) -> Evidence:
    """Dropout outside training, which changes nothing."""
    if training and train and p > 0:
        raise NotApplicableError("EB-R cannot follow units that are dropped at random outside training")
    return Evidence(result, input.excitation, input.inhibition)


def _constant(function: Callable, result: Tensor, *_: Any, **_options: Any) -> None:
    """Gates are fixed weights: no probability goes into them."""


def _both_sides(function: Callable, result: Any, *arguments: Any, **options: Any) -> Evidence | list[Evidence]:
    """Moving, adding up and averaging act alike on values, excitation and inhibition."""
    sides = [function(*_side(arguments, name), **_side(options, name)) for name in ("excitation", "inhibition")]
    if isinstance(result, Tensor):
        return Evidence(result, *sides)
    return [Evidence(*parts) for parts in zip(result, *sides, strict=True)]


def _side(argument: Any, name: str) -> Any:
    """The argument with evidence replaced by its side `name`, excitation or inhibition; constants (biases) are 0."""
    if isinstance(argument, Evidence):
        return getattr(argument, name)
    if isinstance(argument, dict):
        return {key: _side(value, name) for key, value in argument.items()}
    if isinstance(argument, tuple | list):
        return type(argument)([_side(value, name) for value in argument])
    constant = isinstance(argument, Tensor) and argument.is_floating_point()
    return torch.zeros_like(argument) if constant else argument


def _linear(
    function: Callable, result: Tensor, input: Any, weight: Any, bias: Any = None, *arguments: Any, **options: Any
) -> Evidence:
    return _weighted(
        lambda units, weights: function(units, weights, None, *arguments, **options), result, input, weight
    )


def _weighted(function: Callable[[Tensor, Tensor], Tensor], result: Tensor, input: Any, other: Any) -> Evidence:
    """Activations below zero excite and inhibit nothing."""
    if not isinstance(input, Evidence) or isinstance(other, Evidence):
        raise NotApplicableError("EB-R cannot follow a product of which both sides depend on the clip (attention?)")
    units = input.settled()
    return Evidence(result, function(units, other.clamp(min=0)), function(units, (-other).clamp(min=0)))


def _normalised(
    function: Callable,
    result: Tensor,
    input: Evidence,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Evidence:
    """Scaling of each channel, equal to scaled weights of a convolution before it."""
    if training or running_var is None:
        raise NotApplicableError("EB-R cannot follow a batch normalisation by the batch's own statistics")
    factor = (1 if weight is None else weight) / (running_var + eps).sqrt()
    return input.scaled(factor.view(-1, *[1] * (result.ndim - 2)), result)


def _rectified(function: Callable, result: Tensor, input: Evidence, *_: Any, **_options: Any) -> Evidence:
    """ReLU: units above 0 keep their probability."""
    settled = Evidence(result, input.excitation, input.inhibition).settled()
    return Evidence(result, settled, torch.zeros_like(settled))


def _clamped(
    function: Callable,
    result: Tensor,
    input: Evidence,
    min: Any = None,
    max: Any = None,
    inplace: bool = False,
    **named: Any,  # `min_val` and `max_val` of hardtanh
) -> Evidence:
    least, most = named.get("min_val", min), named.get("max_val", max)
    if isinstance(least, Evidence | None) or isinstance(most, Evidence) or (torch.as_tensor(least) < 0).any():
        raise NotApplicableError("EB-R cannot follow activations that are clamped anywhere but at 0 or above")
    return _rectified(function, result, input)


def _winner(function: Callable, result: Tensor, input: Evidence, *arguments: Any, **options: Any) -> Evidence:
    """All of a window's probability goes to its greatest activation."""
    pooled = function(input.settled(), *arguments, **options)
    return Evidence(result, pooled, torch.zeros_like(pooled))


def _sum(function: Callable, result: Tensor, input: Any, other: Any, *, alpha: float = 1) -> Evidence:
    pairs = ((input, 1.0), (other, alpha))
    first, *rest = [term.scaled(factor, result) for term, factor in pairs if isinstance(term, Evidence)]
    return first.plus(rest[0], result) if rest else first


def _difference(function: Callable, result: Tensor, input: Any, other: Any, *, alpha: float = 1) -> Evidence:
    return _sum(function, result, input, other, alpha=-alpha)


def _reversed_difference(function: Callable, result: Tensor, input: Any, other: Any, *, alpha: float = 1) -> Evidence:
    return _sum(function, result, other, input, alpha=-alpha)


def _product(function: Callable, result: Tensor, input: Any, other: Any) -> Evidence:
    if isinstance(input, Evidence) and isinstance(other, Evidence):
        raise NotApplicableError("EB-R cannot follow a product of which both sides depend on the clip (attention?)")
    return input.scaled(other, result) if isinstance(input, Evidence) else other.scaled(input, result)


def _quotient(function: Callable, result: Tensor, input: Any, other: Any, *, rounding_mode: Any = None) -> Evidence:
    if isinstance(other, Evidence) or rounding_mode is not None:
        raise NotApplicableError("EB-R cannot follow a division by what depends on the clip, nor rounding")
    return input.scaled(1 / other, result)


def _output(function: Callable, result: Tensor, input: Evidence, *_: Any, **_options: Any) -> Evidence:
    """All of a class's probability goes to its logit."""
    return input.as_output(result)


def _joint_output(function: Callable, result: Tensor, input: Evidence, dim: Any, keepdim: bool = False) -> Evidence:
    """Each step's output gets the same probability, at any confidence."""
    return input.as_output(input.value).each(result, lambda side, _other: side.sum(dim, keepdim))


_NAMES: dict[Rule, str] = {
    _same_evidence: "detach detach_ data requires_grad_",
    _dropped: "dropout dropout_ dropout1d dropout2d",
    _constant: "sigmoid sigmoid_ hardsigmoid new_zeros new_ones new_full new_empty zeros_like ones_like full_like",
    _both_sides: "view reshape flatten unflatten squeeze unsqueeze permute transpose swapaxes movedim T mT flip clone "
    "contiguous to float double cpu cuda chunk split tensor_split unbind select narrow index_select __getitem__ stack "
    "cat concat expand repeat sum mean avg_pool1d avg_pool2d adaptive_avg_pool1d adaptive_avg_pool2d",
    _linear: "linear conv1d conv2d",
    _weighted: "matmul mm",
    _normalised: "batch_norm",
    _rectified: "relu relu_ relu6",
    _clamped: "clamp clamp_ clamp_min clamp_min_ hardtanh hardtanh_",
    _winner: "max_pool1d max_pool2d adaptive_max_pool1d adaptive_max_pool2d",
    _sum: "add add_",
    _difference: "sub sub_",
    _reversed_difference: "rsub __rsub__",
    _product: "mul mul_",
    _quotient: "div div_ true_divide",
    _output: "softmax log_softmax log exp",
    _joint_output: "logsumexp",
}
RULES: dict[str, Rule] = {name: rule for rule, names in _NAMES.items() for name in names.split()}
