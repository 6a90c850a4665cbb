"""What a plugin may leave behind, one thing after the other: each is named and undone, and nothing else is."""

import os
import random

import numpy as np
import pytest
import torch
from narrow_models import narrow

from stepaudit.running.side_effects import ModelState, ProcessState

LEFT_IN_PROCESS = {
    "the default dtype": lambda: torch.set_default_dtype(torch.float64),
    "the default device": lambda: torch.set_default_device("meta"),
    "the gradient mode": lambda: torch.set_grad_enabled(False),
    "the number of threads": lambda: torch.set_num_threads(2),
    "the precision of products": lambda: torch.set_float32_matmul_precision("medium"),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "anomaly detection": lambda: torch.set_anomaly_enabled(True),
    "autocasting": lambda: torch.set_autocast_enabled("cpu", True),
    "the working folder": lambda: os.chdir("/"),
    "PyTorch's random state": lambda: torch.rand(1),
    "NumPy's random state": lambda: np.random.rand(),
    "Python's random state": lambda: random.random(),
    "hooks on all modules": lambda: torch.nn.modules.module.register_module_forward_hook(lambda *_: None),
}  # fmt: skip
NOTHING = ([], False)


def first(model):
    return next(model.parameters())


def convolution(model):
    return next(module for module in model.modules() if isinstance(module, torch.nn.Conv3d))


def add_to_weights(model):
    with torch.no_grad():
        first(model).add_(1)


def update_statistics(model):
    model.train()(torch.rand(2, 3, 4, 32, 32))


def replace_part(model):
    model.fc = torch.nn.Linear(4, 2)


def replace_weights(model):
    convolution(model).weight = torch.nn.Parameter(convolution(model).weight.detach().clone())


def replace_forward(model):
    model.forward = lambda clips: clips


def hook(kind):
    return lambda model: getattr(convolution(model), f"register_{kind}")(lambda *_: None)


UNDONE = {
    "the model's training mode": lambda model: model.train(),
    "the model's frozen weights": lambda model: first(model).requires_grad_(False),
    "the model's gradients": lambda model: model(torch.rand(2, 3, 4, 32, 32)).sum().backward(),
}
HOOKED = ("forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook")
SPOILED = [
    *((change, "the model's weights") for change in (add_to_weights, update_statistics, torch.nn.Module.double)),
    *((change, "the model's parts") for change in (replace_part, replace_weights, replace_forward)),
]


@pytest.fixture
def model():
    return narrow("r2plus1d_18").eval()


@pytest.mark.parametrize("name", LEFT_IN_PROCESS)
def test_what_is_left_in_the_process_is_named_and_undone(name):
    outer = ProcessState()
    try:
        state = ProcessState()
        assert state.restore() == []
        LEFT_IN_PROCESS[name]()
        assert state.restore() == [name]
        assert state.restore() == []
    finally:
        assert outer.restore() == []


def test_random_numbers_go_on_as_if_none_had_been_drawn():
    def draw():
        return [*torch.rand(3).tolist(), torch.randn(1).item(), np.random.randn(), random.gauss(0, 1), np.random.rand()]

    state = ProcessState()
    first_time = draw()
    state.restore()
    assert draw() == first_time


@pytest.mark.parametrize("name", UNDONE)
def test_what_is_left_in_a_model_is_named_and_undone(model, name):
    state = ModelState(model)
    assert state.restore() == NOTHING
    UNDONE[name](model)
    assert state.restore() == ([name], False)
    assert state.restore() == NOTHING


@pytest.mark.parametrize("kind", HOOKED)
def test_hooks_that_are_left_are_gone_and_those_that_were_there_stay(model, kind):
    hook(kind)(model)
    state = ModelState(model)
    hook(kind)(model)
    assert state.restore() == (["the model's hooks"], False)
    assert len(getattr(convolution(model), f"_{kind.removeprefix('full_')}s")) == 1
    assert state.restore() == NOTHING


@pytest.mark.parametrize(("change", "name"), SPOILED)
def test_a_model_whose_weights_or_parts_changed_must_be_loaded_anew(model, change, name):
    state = ModelState(model)
    change(model)
    found, spoiled = state.restore()
    assert name in found
    assert spoiled


def test_explaining_leaves_nothing(model):
    """As the methods do: forward and backward, frozen, without anything that stays."""
    clips = torch.rand(2, 3, 4, 32, 32, requires_grad=True)
    process, state = ProcessState(), ModelState(model)
    model.requires_grad_(False)
    model(clips).sum().backward()
    model.requires_grad_(True)
    assert state.restore() == NOTHING
    assert process.restore() == []
