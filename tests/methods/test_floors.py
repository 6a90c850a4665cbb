"""The floors: the centre, and a random pixel."""

import pytest
import torch
from narrow_models import some_clips
from scipy.stats import chisquare
from torch import nn

from stepaudit.audit import registry
from stepaudit.errors import NotApplicableError
from stepaudit.methods import center, random_pixel

MODEL = nn.Identity()  # floors do not ask the model


def pixels(clips, seed=0):
    """The pixel that is pointed at in each frame, as its flat index. [N, T]."""
    maps = random_pixel.attribute(MODEL, clips, torch.zeros(len(clips)), seed=seed).full()
    assert torch.equal(maps.sum(dim=(2, 3)), torch.ones(len(clips), clips.shape[2]))
    return maps.flatten(2).argmax(dim=2)


def test_a_random_pixel_is_one_pixel_of_every_frame_and_another_with_another_seed():
    clips = some_clips(4)
    of_seeds = [pixels(clips, seed) for seed in (0, 1, 2)]
    assert torch.equal(of_seeds[0], pixels(clips, 0))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        # 32 frames of 1024 pixels: two draws agree in 0.03 frames on average.
        assert (of_seeds[one] == of_seeds[other]).sum() <= 3


def test_every_clip_gets_pixels_of_its_own():
    one, other = pixels(some_clips(2))
    assert (one == other).sum() <= 2


def test_random_pixels_fill_the_frame_evenly_within_a_clip():
    counts = pixels(torch.rand(1, 3, 8000, 5, 4)).flatten().bincount(minlength=20)
    assert chisquare(counts).pvalue > 1e-4


def test_random_pixels_fill_the_frame_evenly_from_clip_to_clip():
    counts = pixels(torch.rand(4000, 3, 1, 5, 4)).flatten().bincount(minlength=20)
    assert chisquare(counts).pvalue > 1e-4


def test_random_pixels_of_neighbouring_seeds_are_not_related():
    clip = some_clips(1, frames=1, size=4)
    counts = torch.cat([pixels(clip, seed).flatten() for seed in range(3000)]).bincount(minlength=16)
    assert chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(("height", "width"), [(7, 9), (16, 32)])
def test_center_peaks_in_the_middle_of_every_frame_and_is_symmetric(height, width):
    maps = center.attribute(MODEL, torch.rand(2, 3, 4, height, width), torch.zeros(2)).full()
    assert torch.equal(maps, maps.flip(-1))
    assert torch.equal(maps, maps.flip(-2))
    middle = {((height - 1) // 2, (width - 1) // 2), (height // 2, width // 2)}
    for frame in maps.flatten(0, 1):
        y, x = divmod(frame.argmax().item(), width)
        assert (y, x) in middle
    assert maps[0, 0, 0, 0] < maps[0, 0, height // 2, width // 2]


def test_center_falls_to_the_bell_curves_value():
    """One standard deviation from the middle a Gaussian has e^(−½) of its peak; here σ is a quarter of the frame."""
    frame = center.attribute(MODEL, torch.rand(1, 3, 1, 401, 401), torch.zeros(1)).full()[0, 0]
    assert (frame[200, 300] / frame[200, 200]).item() == pytest.approx(0.6065, abs=2e-3)
    assert (frame[100, 200] / frame[200, 200]).item() == pytest.approx(0.6065, abs=2e-3)


class Mute(nn.Module):
    """A model that cannot be asked."""

    def __init__(self):
        super().__init__()
        self.activation_layer = nn.Conv3d(3, 2, 1)

    def forward(self, clips):
        raise LookupError("asked")


@pytest.mark.parametrize("name", registry.names("methods"))
def test_a_method_ignores_the_model_if_and_only_if_it_needs_no_answer(name):
    component = registry.find("methods", name)
    needs = {"ratios": torch.tensor([0.1]), "box_prior": torch.ones(8, 32, 32)}
    keywords = {key: value for key, value in needs.items() if key in component.requires}
    given = (Mute(), some_clips(1, frames=8), torch.zeros(1, dtype=torch.long))
    if component.declares("ignores_model"):
        assert component.load()(*given, **keywords).full().shape[0] == 1
    else:
        with pytest.raises((LookupError, NotApplicableError)):
            component.load()(*given, **keywords)
