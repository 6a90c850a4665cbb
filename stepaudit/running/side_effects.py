"""Side effects of plugins on the process and on models, found and undone before the next row.

Comparing costs less than a millisecond, and waits for no GPU.
"""

import logging
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as of_all_modules

log = logging.getLogger(__name__)

HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip
GLOBAL_HOOKS = (
    "_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks",
)  # fmt: skip

# Settings of the process, by name: getter and setter.
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "the default device": (torch.get_default_device, lambda _: torch.set_default_device(None)),
    "the gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "the precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "anomaly detection": (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    "autocasting": (lambda: torch.is_autocast_enabled("cpu"), lambda mode: torch.set_autocast_enabled("cpu", mode)),
    "the working folder": (os.getcwd, os.chdir),
    "PyTorch's random state": (lambda: torch.get_rng_state().numpy().tobytes(), lambda state: _set_random(state)),
    "NumPy's random state": (lambda: _numpy_state(np.random.get_state(legacy=False)), lambda state: _set_numpy(state)),
    "Python's random state": (random.getstate, random.setstate),
    "hooks on all modules": (lambda: _global_hooks(), lambda hooks: _set_global_hooks(hooks)),
}


@contextmanager
def settings_kept(plugin: str) -> Iterator[None]:
    """The settings of the process, but for random states, as they were, after a module was imported and called."""
    before = {name: SETTINGS[name][0]() for name in SETTINGS if "random state" not in name}
    try:
        yield
    finally:
        for name, value in before.items():
            read, put = SETTINGS[name]
            if not _equal(read(), value):
                put(value)
                log.warning("%s changed %s when it was loaded; undone", plugin, name)


class ProcessState:
    """The settings of the process as they are now."""

    def __init__(self):
        self._settings = dict(SETTINGS)
        if torch.cuda.is_initialized():
            self._settings["the GPU's random state"] = (torch.cuda.get_rng_state, torch.cuda.set_rng_state)
        self._before = {name: read() for name, (read, _) in self._settings.items()}

    def restore(self) -> list[str]:
        """Restore changed settings. Returns their names."""
        changed = []
        for name, (read, put) in self._settings.items():
            if not _equal(read(), self._before[name]):
                put(self._before[name])
                changed.append(name)
        return changed


class ModelState:
    """State of a model now: modes, hooks, gradients, modules and weights."""

    def __init__(self, model: nn.Module):
        self.model = model
        self._modules = list(model.modules())
        self._parameters = list(model.parameters())
        self._tensors = [*self._parameters, *model.buffers()]
        self._modes, self._trainable, self._gradients = self._mode(), self._training(), self._grads()
        self._hooks = [[dict(hooks) for hooks in of_module] for of_module in self._hooked()]
        self._made_of, self._written = self._parts(), self._versions()

    def restore(self) -> tuple[list[str], bool]:
        """Undo changes. Returns their names, and True if the model must be loaded again all the same."""
        modes = _changed_indices(self._mode(), self._modes)
        for place in modes:
            self._modules[place].training = self._modes[place]
        frozen = _changed_indices(self._training(), self._trainable)
        for place in frozen:
            self._parameters[place].requires_grad_(self._trainable[place])
        gradients = [place for place, grad in enumerate(self._grads()) if grad is not self._gradients[place]]
        for place in gradients:
            self._parameters[place].grad = self._gradients[place]
        hooked = _changed_indices(hooks := self._hooked(), self._hooks)
        for place in hooked:
            for own, before in zip(hooks[place], self._hooks[place], strict=True):
                own.clear()
                own.update(before)
        changed = {"parts": self._parts() != self._made_of, "weights": self._versions() != self._written}
        undone = {"training mode": modes, "frozen weights": frozen, "gradients": gradients, "hooks": hooked}
        return [f"the model's {name}" for name, places in (undone | changed).items() if places], any(changed.values())

    def _mode(self) -> list[bool]:
        return [module.training for module in self._modules]

    def _training(self) -> list[bool]:
        return [weights.requires_grad for weights in self._parameters]

    def _grads(self) -> list[torch.Tensor | None]:
        return [weights.grad for weights in self._parameters]

    def _hooked(self) -> list[list[dict]]:
        return [[attributes[name] for name in HOOKS] for attributes in map(vars, self._modules)]

    def _parts(self) -> list[tuple]:
        return [
            (list(own["_modules"].values()), *map(id, own["_parameters"].values()), *map(id, own["_buffers"].values()),
             own.get("forward"))
            for own in map(vars, self._modules)
        ]  # fmt: skip

    def _versions(self) -> list[tuple[int, int]]:
        """Address and version of each tensor; writes that go around PyTorch are not counted."""
        return [(each.data_ptr(), 0 if each.is_inference() else each._version) for each in self._tensors]


def _changed_indices(now: list, before: list) -> list[int]:
    """Places of a list whose values have changed."""
    return [] if now == before else [place for place, value in enumerate(now) if value != before[place]]


def _equal(one: Any, other: Any) -> bool:
    """Equality of values; tensors must have equal values on the CPU, or be the same object."""
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        if one is other:
            return True
        alike = type(one) is type(other) and not one.is_cuda and one.shape == other.shape
        return alike and torch.equal(one, other)
    return one == other


def _set_random(state: bytes) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _numpy_state(state: dict) -> tuple:
    inner = state["state"]
    return (state["bit_generator"], inner["key"].tobytes(), inner["pos"], state["has_gauss"], state["gauss"])


def _set_numpy(state: tuple) -> None:
    name, key, place, has_gauss, gauss = state
    np.random.set_state((name, np.frombuffer(key, np.uint32), place, has_gauss, gauss))


def _global_hooks() -> list[dict]:
    return [dict(getattr(of_all_modules, name)) for name in GLOBAL_HOOKS]


def _set_global_hooks(before: list[dict]) -> None:
    for name, hooks in zip(GLOBAL_HOOKS, before, strict=True):
        own = getattr(of_all_modules, name)
        own.clear()
        own.update(hooks)
