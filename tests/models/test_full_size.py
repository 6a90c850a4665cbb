"""The paper's two networks at full size with random weights: one clip through every method, as cheaply as it goes.

Nothing is known of the maps but that they are maps; what narrow networks could hide is memory, shapes and numbers that
overflow or vanish in 31 and 134 million parameters.
"""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from stepaudit.audit import registry
from stepaudit.errors import NotApplicableError, TooShortError
from stepaudit.maps import Maps
from stepaudit.models import r2plus1d_18, vgg16_lstm

METHODS = registry.components("methods")
FAMILIES = {"r2plus1d_18": r2plus1d_18, "vgg16_lstm": vgg16_lstm}
# One step of what a method repeats, where it does; one tubelet that hides the whole clip.
CHEAP = {"iterations": 1, "steps": 1, "samples": 1, "masks": 1, "summed": (0.1,), "frames": 16, "side": 1.0}
CLASSES, TARGET = 24, torch.tensor([5])
# A network gets its whole clip from one method that optimises, and from one that looks into it: a frame costs a third
# of a second, and both networks treat all frames alike, but for VGG16LSTM's recurrence.
WHOLE_CLIPS = {
    ("step", "r2plus1d_18"),
    ("grad_cam", "r2plus1d_18"),
    ("excitation_backprop", "vgg16_lstm"),
}
WHOLE = 16
# Of the methods that optimise masks, which share one engine, VGG16LSTM gets one: a step of it takes several seconds.
OPTIMISING = {name for name, each in METHODS.items() if each.declares("optimises_masks")} | {"step_summed"}
PAIRS = [
    (method, family)
    for family in FAMILIES
    for method in METHODS
    if family != "vgg16_lstm" or method not in OPTIMISING or method == "ep3d"
]
FEW, ENOUGH = 2, 8  # the latter where a method's kernel is longer than the former


@pytest.fixture(scope="module", autouse=True)
def _freed():
    """Half a gigabyte of weights is not kept for the tests of other files."""
    yield
    full.cache_clear()


@cache
def full(family: str) -> tuple[nn.Module, Tensor]:
    """The network, and a clip of the size that its weights are for."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = FAMILIES[family].build(CLASSES).eval()
        return model, torch.rand(1, 3, *model.input_size)


def explained(method: str, family: str, frames: int) -> Maps:
    """Maps of the clip's first frames; what a method needs of a data set is given to it."""
    component, (model, clips) = METHODS[method], full(family)
    clips = clips[:, :, :frames]
    options = {name: value for name, value in CHEAP.items() if name in component.options}
    required = {"ratios": torch.tensor([0.1]), "box_prior": torch.rand(clips.shape[2:])}
    needed = {name: required[name] for name in component.requires}
    return component.load()(model, clips, TARGET, seed=0, **needed, **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_network_has_the_size_of_the_original(family):
    """Parameters of torchvision's network, with another last layer, or up to fc7 and with the LSTM: by hand."""
    model, clips = full(family)
    lstm = 4 * 256 * (4096 + 256 + 2)  # four gates, each with a weight to its input and state, and two biases
    expected = {
        "r2plus1d_18": 31_505_325 - 512 * 400 - 400 + 512 * CLASSES + CLASSES,
        "vgg16_lstm": 138_357_544 - 4096 * 1000 - 1000 + lstm + 256 * CLASSES + CLASSES,
    }[family]
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    assert clips.shape[1:] == (3, 16, *{"r2plus1d_18": (112, 112), "vgg16_lstm": (224, 224)}[family])


def check(maps: Maps, family: str, frames: int) -> None:
    values = maps.full()
    assert values.shape == (1, frames, *full(family)[0].input_size[1:])
    assert values.isfinite().all()
    assert values.min() >= 0
    assert values.max() <= 1
    assert not values.requires_grad


@pytest.mark.parametrize(("method", "family"), PAIRS)
def test_a_clip_passes_through(method, family):
    frames = WHOLE if (method, family) in WHOLE_CLIPS else FEW
    try:
        maps = explained(method, family, frames)
    except NotApplicableError as reason:
        pytest.skip(f"not applicable: {reason}")
    except TooShortError:
        frames = ENOUGH
        maps = explained(method, family, frames)
    check(maps, family, frames)
