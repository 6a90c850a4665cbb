"""Tensors with evidence: they carry it through a model's forward pass, however its layers are written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError
from stepaudit.layers import hooked
from stepaudit.methods._evidence import Evidence
from stepaudit.methods._evidence_rules import RULES, Rule

FACTS = (bool, int, float, str, torch.dtype, torch.device, torch.layout)


class Excited(Tensor):
    """A tensor with `evidence`. A function of PyTorch that is given one needs a rule; without a rule it is refused."""

    evidence: Evidence
    version: int  # of the value, which PyTorch counts up when it is changed in place

    @classmethod
    def __torch_function__(cls, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        stale = [
            tensor for tensor in _excited_tensors((args, kwargs)) if tensor.evidence.value._version != tensor.version
        ]
        arguments, options = _replace_parts((args, kwargs or {}), Excited, lambda tensor: tensor.evidence)
        values = _replace_parts((arguments, options), Evidence, lambda evidence: evidence.value)
        with torch.no_grad():
            result = function(*values[0], **values[1])
        if _is_fact(result) or (result is None and function.__name__ == "__get__"):
            return result
        if stale:
            raise NotApplicableError("EB-R cannot follow a tensor that is changed in place through a view of it")
        with torch.enable_grad():
            evidence = _call(_rule(function, args, options), function, result, *arguments, **options)
        return _result_with_evidence(evidence, result, args)


def excited(evidence: Evidence) -> Excited:
    """A tensor that looks to the model like `evidence.value`."""
    return _attach_evidence(evidence.value.as_subclass(Excited), evidence)


@contextmanager
def explained(layer: nn.Module) -> Iterator[list[Tensor]]:
    """A list of the layer's rectified outputs, [N·T, C, h, w]; tensors computed from them are `Excited`.

    Raises:
        NotApplicableError: when the layer does not give a map for each frame.
    """
    activations: list[Tensor] = []

    def excite(_module: nn.Module, _inputs: Any, output: Tensor) -> Excited:
        if output.ndim != 4:
            raise NotApplicableError(
                "EB-R explains CNN-RNNs, whose activation_layer gives a map for each frame, [N·T, C, h, w]; "
                f"this one's output has {output.ndim} dimensions"
            )
        if isinstance(output, Excited):
            raise NotApplicableError("EB-R cannot follow an activation_layer that works on its own output")
        activations.append(output.detach().clamp(min=0).requires_grad_())
        return excited(Evidence(output.detach(), activations[-1], torch.zeros_like(output)))

    with hooked(layer, excite):
        yield activations


def _rule(function: Any, args: tuple, options: dict[str, Any]) -> Rule:
    """The rule for a function of PyTorch. Raises NotApplicableError if there is none."""
    name = function.__self__.__name__ if function.__name__ == "__get__" else function.__name__
    in_place = name.endswith("_") and not name.endswith("__")
    if name not in RULES or "out" in options or (in_place and not isinstance(args[0], Excited)):
        place = " into another tensor" if name in RULES else ""
        raise NotApplicableError(f"EB-R explains CNN-RNNs made of layers that it knows, not of {name}{place}")
    return RULES[name]


def _call(rule: Rule, function: Callable, *arguments: Any, **options: Any) -> Evidence | list[Evidence] | None:
    """Evidence by a rule. Raises NotApplicableError for arguments that the rule does not know."""
    try:
        signature(rule).bind(function, *arguments, **options)
    except TypeError as error:
        raise NotApplicableError(f"EB-R does not know {function.__name__} with these arguments ({error})") from error
    return rule(function, *arguments, **options)


def _result_with_evidence(evidence: Evidence | list[Evidence] | None, result: Any, args: tuple) -> Any:
    """The model's own result with the evidence; after a change in place, the very tensor that was changed."""
    if evidence is None:
        return result
    if not isinstance(evidence, Evidence):
        return type(result)([excited(part) for part in evidence])
    changed = args and isinstance(args[0], Excited) and result is args[0].evidence.value
    return _attach_evidence(args[0], evidence) if changed else excited(evidence)


def _attach_evidence(tensor: Excited, evidence: Evidence) -> Excited:
    """The tensor with evidence, and the version of its value, which changes in place would raise."""
    tensor.evidence, tensor.version = evidence, evidence.value._version
    return tensor


def _is_fact(result: Any) -> bool:
    """True for shapes, types and whole numbers, through which no evidence flows."""
    if isinstance(result, Tensor):
        return not result.is_floating_point()
    if isinstance(result, tuple):
        return all(isinstance(part, int) for part in result)
    return isinstance(result, FACTS)


def _excited_tensors(argument: Any) -> list[Excited]:
    tensors: list[Excited] = []
    _replace_parts(argument, Excited, tensors.append)
    return tensors


def _replace_parts(argument: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """The argument with all its parts of a kind replaced, at any depth."""
    if isinstance(argument, kind):
        return function(argument)
    if isinstance(argument, dict):
        return {key: _replace_parts(value, kind, function) for key, value in argument.items()}
    if isinstance(argument, tuple | list):
        return type(argument)([_replace_parts(value, kind, function) for value in argument])
    return argument
