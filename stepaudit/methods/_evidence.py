"""Excitation and inhibition of each unit of a network, for excitation backprop. Zhang et al. 2018.

Excitation backprop is run as a gradient. The excitation of unit i is e_i = Σ_j w⁺_ij a_j, over the activations below.
Then the probability of unit j, P(a_j) = Σ_i a_j w⁺_ij / e_i · P(a_i), is a_j · g_j, with g the gradient of a network
that is made of excitations alone and whose steps from e_i to a_i multiply by a_i / e_i on the way back. What is linear
with weights that are not negative (means, gates, slices, the winner of a maximum) then needs no rule of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

NOTHING = 1e-30  # with less excitation a probability over it leaves float32


@dataclass(frozen=True)
class Evidence:
    """A tensor of the forward pass with the evidence for and against each of its units. Biases do not count.

    Args:
        value: the model's own tensor.
        excitation: sum of the positive contributions of the activations below; its graph leads to them.
        inhibition: sum of the negative contributions, as a number that is not negative.
    """

    value: Tensor
    excitation: Tensor
    inhibition: Tensor

    def each(self, value: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> "Evidence":
        """Evidence whose sides are a function of (the same side, the other side)."""
        one, other = self.excitation, self.inhibition
        return Evidence(value, function(one, other), function(other, one))

    def scaled(self, factor: Tensor | float, value: Tensor) -> "Evidence":
        """Evidence of factor · self, in `value`'s shape. A negative factor swaps excitation and inhibition."""
        factor = torch.as_tensor(factor, dtype=self.excitation.dtype, device=self.excitation.device)
        same, opposite = factor.clamp(min=0), (-factor).clamp(min=0)
        return self.each(value, lambda one, other: (same * one + opposite * other).expand_as(value))

    def plus(self, other: "Evidence", value: Tensor) -> "Evidence":
        """Evidence of a sum; its terms share the probability in proportion."""
        return Evidence(value, self.excitation + other.excitation, self.inhibition + other.inhibition)

    def settled(self) -> Tensor:
        """Activations, the positive part of `value`; their probability flows to their excitation."""
        return _Settle.apply(self.excitation, self.value)

    def as_output(self, value: Tensor) -> "Evidence":
        """Evidence of outputs: every unit has the probability 1, for and against, at any value."""
        return self.each(value, lambda side, _other: _Settle.apply(side, torch.ones_like(side)))


class _Settle(torch.autograd.Function):
    """From excitations to activations. On the way back g becomes g · activation / excitation, 0 without excitation."""

    @staticmethod
    def forward(context, excitation: Tensor, value: Tensor) -> Tensor:
        activation = value.clamp(min=0)
        context.save_for_backward(excitation, activation)
        return activation

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        excitation, activation = context.saved_tensors
        share = gradient * activation / excitation
        return torch.where(excitation < NOTHING, torch.zeros_like(share), share), None  # what is not finite stays so
