"""Multi-label and regression networks as classifiers, so that methods and metrics see one kind of model.

A network with a logit for each label becomes a classifier of two classes: class 1 if the label is there, class 0 if it
is not. A regression becomes one of whether its value stays what it was (class 1, `adapters.Close`); methods that
differentiate the output get the output itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.adapters import Adapter, Close
from stepaudit.audit.registry import Component
from stepaudit.audit.requests import SINGLE, Request
from stepaudit.audit.sections import Model
from stepaudit.errors import NotApplicableError


@dataclass(frozen=True)
class Asked:
    """A network, and what it is asked about each clip.

    Args:
        net: clips to logits [N, K], or to values [N, 1].
        entry: of the configuration.
        output: of a regression, ask for its output, not for whether it stays what it was; None: not to be asked.
    """

    net: nn.Module
    entry: Model
    output: bool | None = False
    _models: dict = field(default_factory=dict)

    def model(self, target: int | None, answer: float | None = None) -> nn.Module:
        """The network for one question, clips to logits [N, K] or [N, 2]; the same question gives the same module.

        Args:
            target: the class or label; None if there is no such class.
            answer: of a regression, its own on the untouched clip.
        """
        if self.entry.gives not in SINGLE or target is None:
            return self.net
        question = (target, None if self.output else answer)
        if question not in self._models:
            self._models[question] = self._model_for(target, answer)
        return self._models[question]

    def _model_for(self, target: int, answer: float | None) -> nn.Module:
        if self.entry.gives == "sigmoid":
            return Adapter(self.net, column=target, gives="logit").eval()
        if self.output is None:
            raise NotApplicableError(
                "the method does not say what it explains of a regression; set beside it `explains_output = True` if "
                "it reads or differentiates the output, `explains_change = True` if it compares changed clips"
            )
        if self.output:
            return Adapter(self.net, gives="logit").eval()
        if answer is None or self.entry.tolerance is None:
            raise NotApplicableError("the model has no answer to this clip that could stay the same")
        return Close(self.net, answer, self.entry.tolerance).eval()

    @property
    def of_value(self) -> bool:
        """True if the output of a regression is explained, which is no probability."""
        return self.entry.gives == "regression" and bool(self.output)

    def targets(self, targets: Tensor) -> Tensor:
        """The classes that stand for targets [N] in the models of `model`."""
        return torch.ones_like(targets) if self.entry.gives in SINGLE else targets

    def by_question(
        self, requests: Sequence[Request], work: Callable[[nn.Module, Sequence[Request]], Sequence[Any]]
    ) -> list[Any]:
        """Results of `work` for requests, which it gets one question at a time, in the order of the requests."""
        places: dict[nn.Module, list[int]] = {}
        for place, request in enumerate(requests):
            model = self.model(request.target, request.prediction.get("output"))
            places.setdefault(model, []).append(place)
        results: list[Any] = [None] * len(requests)
        for model, some in places.items():
            for place, result in zip(some, work(model, [requests[each] for each in some]), strict=True):
                results[place] = result
        return results


def asked_class(gives: str, target: int) -> int:
    """The class for which `Asked.model` of a target is asked."""
    return 1 if gives in SINGLE else target


def for_method(net: nn.Module, entry: Model, component: Component) -> Asked:
    """The questions to a network that a method explains."""
    compares = any(map(component.declares, ("ignores_model", "optimises_masks", "explains_change")))
    return Asked(net, entry, output=False if compares else component.declares("explains_output") or None)
