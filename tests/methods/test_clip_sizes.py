"""Clips of other lengths and shapes: lengths in the picture go with its shorter side, lengths in time with the frames.

The evidence is a cuboid at the same place of each clip, in shares of its frames, height and width.
"""

import math

import pytest
import torch
from known_answer import Cuboid, model_for, textured_clips
from torch import nn
from torch.nn import functional

from benchmarks.white_boxes import WhiteBox
from stepaudit.audit.registry import find
from stepaudit.extremal.answers import LEVELS
from stepaudit.extremal.core import Core
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import PRESETS
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.methods import ep3d, ep3d_evenly, ep3d_gaussian, occlusion, step

SHAPES = [(8, 112, 112), (16, 172, 172), (32, 64, 96), (64, 48, 48), (16, 224, 160)]
HALVES = [(frames, height // 2, width // 2) for frames, height, width in SHAPES]
TARGET = torch.tensor([1])
sizes = {"ids": lambda size: "x".join(map(str, size)) if isinstance(size, tuple) else None}


def cuboid_of(shape: tuple[int, int, int]) -> Cuboid:
    """A third of the frames, and in them two fifths of the height and of the width."""
    frames, height, width = shape
    return Cuboid(
        (frames // 3, 2 * frames // 3), (height // 2, 9 * height // 10), (width // 10, width // 10 + 2 * width // 5)
    )


class There(nn.Module):
    """Activations [N, C, T, H, W] at the cuboid's place, 0 elsewhere."""

    def forward(self, activations):
        size = tuple(activations.shape[2:])
        return activations * cuboid_of(size).mask(size).to(activations)


class Spot(nn.Module):
    """A convolution for horizontal contrast, a ReLU, the mean over the cuboid's place, and a linear layer."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.detector = nn.Sequential(nn.Conv3d(3, 1, (1, 1, 3), padding=(0, 0, 1)), nn.ReLU(), There())
        self.detector[0].weight.data = torch.tensor([-0.5, 1.0, -0.5]).expand(1, 3, 1, 1, 3) / 3
        self.detector[0].bias.data.zero_()
        self.classifier, share = nn.Linear(1, 2), cuboid_of(shape).mask(shape).mean()
        self.classifier.weight.data = torch.tensor([[-60.0], [60.0]]) / share
        self.classifier.bias.data = torch.tensor([3.6, -3.6])

    @property
    def activation_layer(self) -> nn.Module:
        return self.detector

    def forward(self, clips):
        return self.classifier(self.detector(clips).mean(dim=(2, 3, 4)))


def on_evidence(mask, shape):
    return ((mask * cuboid_of(shape).mask(shape)).sum() / mask.sum()).item()


@pytest.mark.parametrize("shape", SHAPES, **sizes)
def test_step_finds_the_evidence_in_every_size_and_its_mask_has_the_volume_that_was_asked(shape):
    ratio = cuboid_of(shape).mask(shape).mean()[None]
    maps = step.attribute(
        model_for(cuboid_of(shape)), textured_clips(1, *shape), TARGET, ratios=ratio, schedule="short", iterations=40
    )
    mask = maps.full()[0]
    assert on_evidence(mask, shape) > 0.5  # by chance 0.05
    assert mask.mean().item() == pytest.approx(ratio.item(), abs=0.03)
    assert maps.details["kept_probability"].item() > 0.7


@pytest.mark.parametrize(
    ("shape", "method", "preset"),
    [
        (HALVES[0], ep3d, "corrected"),
        (HALVES[1], ep3d_gaussian, "matched"),
        (HALVES[2], ep3d_gaussian, "corrected"),
        (HALVES[3], ep3d, "matched"),
        (HALVES[3], step, "corrected"),
        (HALVES[4], ep3d, "corrected"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_others_of_the_family_find_it_too(shape, method, preset):
    ratio, options = cuboid_of(shape).mask(shape).mean()[None], {"preset": preset, "schedule": "short"}
    clips = textured_clips(1, *shape)
    maps = method.attribute(model_for(cuboid_of(shape)), clips, TARGET, ratios=ratio, iterations=60, **options)
    assert on_evidence(maps.full()[0], shape) > 0.5
    assert maps.full().mean().item() == pytest.approx(ratio.item(), abs=0.03)


@pytest.mark.parametrize("shape", [HALVES[0], HALVES[3]], **sizes)
def test_evenly_keeps_its_share_of_each_frame_in_every_size(shape):
    clips, ratio = textured_clips(1, *shape), torch.tensor([0.16])  # two fifths of both sides
    maps = ep3d_evenly.attribute(
        model_for(cuboid_of(shape)), clips, TARGET, ratios=ratio, schedule="short", preset="corrected"
    )
    mask, inside = maps.full()[0], slice(*cuboid_of(shape).frames)
    assert mask.mean(dim=(1, 2)).sub(ratio).abs().max() < 0.08
    truth = cuboid_of(shape).mask(shape)
    assert (mask * truth)[inside].sum() / mask[inside].sum() > 0.5


MAPS = {
    **{name: {} for name in ("gradient", "gradient_x_input", "guided_backprop", "grad_cam", "saliency_tubes")},
    "integrated_gradients": {"steps": 4},
    "smooth_grad": {"samples": 2},
    "occlusion": {"fill": "blur"},
    "rise": {"masks": 200, "fill": "blur"},
}


@pytest.mark.parametrize("shape", HALVES, **sizes)
def test_every_other_method_puts_its_mass_on_the_evidence_in_every_size(shape):
    model, clips = Spot(shape).eval(), textured_clips(1, *shape)
    assert model(clips).softmax(1)[0, 1] > 0.9
    chance = cuboid_of(shape).mask(shape).mean().item()
    for name, options in MAPS.items():
        full = find("methods", name).load()(model, clips, TARGET, **options).full()[0]
        assert full.shape == shape
        least = {"rise": 2 * chance, "occlusion": 4 * chance}.get(name, 0.9)
        assert on_evidence(full, shape) > least, name


@pytest.mark.parametrize("shape", [*HALVES[:2], (32, 48, 72), SHAPES[3], HALVES[4]], **sizes)
def test_the_minimum_ratio_is_that_of_the_white_box_in_every_size(shape):
    """Within the bounds that hold for 16 frames of 48 px, over all levels (tests/extremal/test_sufficiency.py)."""
    frames, height, width = shape
    blocks = torch.rand(frames, 3, height // 4 + 1, width // 4 + 1, generator=torch.Generator().manual_seed(3))
    clip = (functional.interpolate((blocks > 0.5).float(), size=(height, width)) * 0.6 + 0.2).transpose(0, 1)
    model = WhiteBox(clip, cuboid_of(shape).mask(shape)[None]).eval()
    answer = ep3d.sufficiency(model, clip[None], TARGET)[0][0]
    truth = sum(math.log2(model.needed(level, answer)) for level in LEVELS) / len(LEVELS)
    assert answer.log2_area == pytest.approx(truth, abs=0.25)  # octaves
    assert answer.upper(0.9) < 1.2 * model.needed(0.9, answer)
    assert 0.7 * answer.upper(0.9) < answer.lower(0.9) < answer.upper(0.9)


@pytest.mark.parametrize("shape", [(3, 32, 32), (4, 40, 48), *SHAPES, (32, 224, 224)], **sizes)
@pytest.mark.parametrize("preset", PRESETS["step"])
def test_lengths_are_the_same_shares_of_every_clip(shape, preset):
    """At 16 frames of 112 px they are those of the paper; `paper` and `follow-up` keep the release's 11 px above."""
    frames, side = shape[0], min(shape[1:])
    chosen, geometry = PRESETS["step"][preset], SmoothMax.of(*shape[1:])
    core = Energy(chosen, geometry, frames).core
    pinned = preset in ("paper", "follow-up") and side > 112
    assert core.diameter == (11 if pinned else max(3, round(side * 11 / 112)))
    assert abs(core.frames - max(3, (8 if preset == "follow-up" else 7) * frames / 16)) <= 1
    assert core.frames % 2 == (preset != "follow-up" or frames < 8)
    assert core.kernel().sum() > 1
    assert geometry.sigma == pytest.approx(side * 11 / 112)
    assert Perturbation().sigma_of(*shape[1:]) == pytest.approx(side * 20 / 112)


def test_at_the_papers_size_nothing_has_changed():
    for preset, frames in (("paper", 7), ("follow-up", 8), ("matched", 7), ("corrected", 7)):
        chosen = PRESETS["step"][preset]
        expected = Core(112, 112, frames, 11, released=preset != "corrected")
        core = Energy(chosen, SmoothMax.of(112, 112), 16).core
        assert (core.frames, core.diameter, core.released) == (expected.frames, expected.diameter, expected.released)
        assert torch.equal(core.kernel(), expected.kernel())


def test_smoothing_in_time_reaches_the_same_share_of_longer_clips():
    """A step after half of the frames, smoothed: the same curve in time, up to how finely frames sample it."""
    curves = [temporal_gaussian((torch.arange(n) >= n // 2).float().view(1, n, 1, 1), 3).flatten() for n in (16, 64)]
    middles = curves[1].view(16, 4).mean(dim=1)
    assert (curves[0] - middles).abs().max() < 0.15
    assert curves[1][24:40].std() > 0.2  # it is smoothed at all, over a quarter of the clip
    assert torch.equal(curves[1][:16], torch.zeros(16))


def test_a_tubelet_is_a_quarter_of_the_clip_unless_it_is_said_otherwise():
    assert [occlusion.passes((frames, 48, 48)) for frames in (8, 16, 32, 64)] == [1 + 7**3] * 4
    assert occlusion.passes((64, 48, 48), frames=4) == 1 + 31 * 49
