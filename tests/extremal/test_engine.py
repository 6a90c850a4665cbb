"""The optimiser as a whole: its schedule, rows with ratios of their own, and what happens when something fails."""

import math
from dataclasses import replace

import pytest
import torch
from known_answer import Cuboid, Texture, model_for, textured_clips
from torch import nn

from stepaudit.errors import NotApplicableError, TooShortError, UsageError
from stepaudit.extremal.area import area_loss
from stepaudit.extremal.core import Core
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.settings import PRESETS, SCHEDULES, Settings, settings
from stepaudit.extremal.smooth_max import SmoothMax

FRAMES, SIDE = 8, 32
CUBOID = Cuboid((2, 6), (8, 24), (8, 24))
GEOMETRY = SmoothMax.of(SIDE, SIDE)


def clips(count=1, frames=FRAMES):
    return textured_clips(count, frames, SIDE, SIDE)


def run(model, batch, ratios, chosen):
    targets = torch.ones(len(batch), dtype=torch.long)
    return optimise(model, batch, targets, torch.tensor(ratios), chosen, Perturbation(), GEOMETRY)


def energy_of(chosen, ratio=0.25):
    """The energy of one row as a function of data term [1], masks and iteration."""
    energy = Energy(chosen, GEOMETRY, FRAMES)
    return lambda data, masks, step: energy(data, masks, [ratio], step)


def every_preset():
    return [(method, preset, schedule) for method in PRESETS for preset in PRESETS[method] for schedule in SCHEDULES]


@pytest.mark.parametrize(("method", "preset", "schedule"), every_preset())
def test_a_model_that_answers_nan_gives_rows_that_are_not_finite(method, preset, schedule):
    class Nan(Texture):
        def forward(self, batch):
            return super().forward(batch) * float("nan")

    result = run(Nan(CUBOID, 1 / 6), clips(2), [0.1, 0.3], settings(method, preset, schedule, 3))
    assert result.seed_masks.isnan().flatten(1).any(dim=1).all()
    assert result.kept_probability.isnan().all()
    assert result.target_probability.isnan().all()


@pytest.mark.parametrize("method", PRESETS)
def test_a_row_that_is_not_finite_leaves_its_neighbours_alone(method):
    class NanInTheDark(Texture):
        def forward(self, batch):
            return super().forward(batch) + torch.where(batch.amax(dim=(1, 2, 3, 4)) == 0, float("nan"), 0.0)[:, None]

    batch, chosen = clips(3), settings(method, "corrected", "short", 5)
    batch[1] = 0
    mixed = run(NanInTheDark(CUBOID, 1 / 6), batch, [0.1, 0.2, 0.3], chosen)
    batch[1] = 0.5
    sound = run(NanInTheDark(CUBOID, 1 / 6), batch, [0.1, 0.2, 0.3], chosen)
    assert mixed.seed_masks[1].isnan().any()
    for row in (0, 2):
        assert torch.equal(mixed.seed_masks[row], sound.seed_masks[row])
        assert mixed.kept_probability[row] == sound.kept_probability[row]


def test_a_model_that_answers_nan_to_one_clip_leaves_a_pyramids_other_rows_alone():
    class NanInTheDark(Texture):
        def forward(self, batch):
            return super().forward(batch) + torch.where(batch.amax(dim=(1, 2, 3, 4)) == 0, float("nan"), 0.0)[:, None]

    batch, chosen = clips(3), settings("ep3d", "paper", "short", 3)
    batch[1] = 0
    targets, ratios = torch.ones(3, dtype=torch.long), torch.tensor([0.1, 0.2, 0.3])
    work = (NanInTheDark(CUBOID, 1 / 6), batch, targets, ratios, chosen, Perturbation(chosen.perturbation), GEOMETRY)
    assert optimise(*work).kept_probability.isnan().tolist() == [False, True, False]


def test_seeds_smoothed_in_time_are_what_the_model_is_asked_with():
    smooth = settings("ep3d", "corrected", "short", 6)
    plain, reached = (run(model_for(CUBOID), clips(1), [0.2], replace(smooth, reach=reach)) for reach in (0, 3))

    def change(result):
        return result.seed_masks.diff(dim=1).abs().mean()

    assert change(reached) < 0.7 * change(plain)


def test_frames_with_no_room_for_two_kernels_as_released_are_not_applicable():
    tiny = SmoothMax.of(4, 4)
    work = (model_for(Cuboid((0, 2), (1, 3), (1, 3))), torch.rand(1, 3, 3, 4, 4), torch.ones(1, dtype=torch.long))
    chosen = settings("step", "paper", "short", 2)
    with pytest.raises(NotApplicableError, match=r"fewer than two places .* use preset 'corrected'"):
        optimise(*work, torch.tensor([0.1]), chosen, Perturbation(), tiny)


def test_a_clip_with_fewer_frames_than_the_released_kernel_is_too_short():
    released = settings("step", "paper", "short", 1)
    with pytest.raises(TooShortError, match="clip of 2 frames: L_K as released needs 3; use preset 'corrected'"):
        run(model_for(CUBOID), clips(frames=2), [0.1], released)
    assert run(model_for(CUBOID), clips(frames=3), [0.1], released).seed_masks.isfinite().all()


@pytest.mark.parametrize(("method", "preset"), [("step", "corrected"), ("ep3d", "paper"), ("ep3d", "matched")])
def test_without_the_released_kernel_short_clips_are_explained(method, preset):
    result = run(
        model_for(Cuboid((0, 2), (8, 24), (8, 24))), clips(frames=3), [0.1], settings(method, preset, "short", 2)
    )
    assert result.seed_masks.isfinite().all()


@pytest.mark.parametrize("method", PRESETS)
def test_every_row_reaches_its_own_ratio(method):
    ratios = [0.05, 0.2, 0.5]
    batch, small = clips().expand(3, -1, -1, -1, -1), Cuboid((2, 5), (10, 20), (10, 20))
    assert small.mask((FRAMES, SIDE, SIDE)).mean() < 0.04  # so that no row needs more than its ratio
    result = run(model_for(small), batch, ratios, settings(method, "corrected", "short", None))
    volumes = GEOMETRY.crop(GEOMETRY(result.seed_masks)).mean(dim=(1, 2, 3))
    # A smooth mask cannot be 0 or 1 at its border, and L_K pulls too: a third of the ratio, or 0.04.
    assert volumes.tolist() == pytest.approx(ratios, rel=0.33, abs=0.04)
    assert volumes.tolist() == sorted(volumes.tolist())


def test_what_is_kept_is_measured_under_the_masks_that_are_returned():
    model, batch = model_for(CUBOID), clips(2)
    result = run(model, batch, [0.1, 0.3], settings("ep3d", "corrected", "short", 20))
    assert torch.equal(result.seed_masks, result.seed_masks.half().float())
    masked = blend(Perturbation().levels(batch), GEOMETRY.crop(GEOMETRY(result.seed_masks)))
    torch.testing.assert_close(result.kept_probability, model(masked).softmax(1)[:, 1])
    torch.testing.assert_close(result.target_probability, model(batch).softmax(1)[:, 1])
    assert result.kept_rank.tolist() == [1 + int(p < 0.5) for p in result.kept_probability.tolist()]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("ep3d", "matchd", "paper"), r"no preset or schedule 'matchd'; did you mean 'matched'\? \(known: corrected,"),
        (
            ("step", "paper", "shrt"),
            r"no preset or schedule 'shrt'; did you mean 'short'\? \(known: fast, paper",
        ),
    ],
)
def test_an_unknown_preset_or_schedule_is_named_with_the_nearest(names, text):
    with pytest.raises(UsageError, match=text):
        settings(*names, None)


def test_iterations_may_be_chosen_apart_from_the_schedule():
    assert settings("ep3d", "paper", "paper", None).iterations == 2000
    assert settings("ep3d", "paper", "paper", 7) == replace(settings("ep3d", "paper", "paper", None), iterations=7)
    assert settings("ep3d", "paper", "short", None).iterations == 100


RELEASED = {  # the facts of METHODS.md, section 1, column W
    "step": {"data_weight": 1, "area_weight": 300, "core_weight": 300, "core": "released", "area_on": "padded"},
    "ep3d": {"data_weight": 100, "area_weight": 300, "area_growth": 1, "core": "none", "area_on": "padded"},
    "ep3d_evenly": {"data_weight": 100, "area_weight": 300, "area_growth": 1, "core": "none", "area_per": "frame"},
}
FOLLOW_UP = {  # the same, column T
    "step": {"data_weight": 1, "area_weight": 300, "core": "released", "core_weight": 300, "core_frames": 8},
    "ep3d": {"data_weight": 1, "area_weight": 300, "core": "none"},
}
OPTIMISER = {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "dampening": 0.9, "iterations": 2000, "tie": 0}


@pytest.mark.parametrize("method", RELEASED)
def test_the_preset_paper_holds_the_released_numbers(method):
    chosen = vars(settings(method, "paper", "paper", None))
    for name, value in {**RELEASED[method], **OPTIMISER}.items():
        assert chosen[name] == value


@pytest.mark.parametrize("method", FOLLOW_UP)
def test_the_preset_follow_up_holds_the_numbers_of_the_journal_papers_release(method):
    chosen = settings(method, "follow-up", "paper", None)
    for name, value in {**FOLLOW_UP[method], **OPTIMISER, "iterations": 1200}.items():
        assert vars(chosen)[name] == value
    assert chosen.area_weight_at(700) == pytest.approx(300 * 1.0008668**700, rel=1e-6)


@pytest.mark.parametrize("preset", ["paper", "follow-up", "matched"])
def test_the_core_term_counts_from_iteration_100_on(preset):
    chosen = settings("step", preset, "paper", None)
    assert [chosen.core_weight_at(step) for step in (0, 99, 100)] == [0, 0, 300]


def test_the_preset_paper_has_the_released_placements_and_template_at_112_pixels():
    """A padded mask of 16 × 134 × 134: 10 × 12 × 12 placements, of which ⌈v · T · S² / 443⌉ shall be 1."""
    chosen, geometry = settings("step", "paper", "paper", None), SmoothMax.of(112, 112)
    core = Core(112, 112, chosen.core_frames, chosen.core_size)
    masks = geometry(torch.ones(1, 16, *geometry.grid))
    assert masks.shape == (1, 16, 134, 134)
    placements, _, ones = core.placed(masks)
    assert placements.shape == (1, 1440)
    assert math.ceil(0.1 * ones) == math.ceil(0.1 * 16 * 134**2 / 443) == 65


@pytest.mark.parametrize(("height", "width"), [(112, 112), (48, 48), (50, 71), (30, 57), (91, 95), (224, 180)])
def test_the_preset_corrected_gives_every_frame_and_pixel_a_core_gradient(height, width):
    chosen = settings("step", "corrected", "paper", None)
    masks = torch.rand(1, 16, height, width).requires_grad_()
    core = Core(height, width, chosen.core_frames, chosen.core_size, released=False)
    (gradient,) = torch.autograd.grad(core(masks, [0.1], chosen.tie).sum(), masks)
    assert (gradient != 0).all()


def test_the_released_core_leaves_a_third_of_the_pixels_without_a_gradient():
    masks = torch.rand(1, 16, 134, 134).requires_grad_()
    (gradient,) = torch.autograd.grad(Core(112, 112)(masks, [0.1]).sum(), masks)
    reached = (gradient[0] != 0).any(dim=0)
    assert reached.float().mean().item() == pytest.approx(0.65, abs=0.1)


def test_matched_methods_differ_by_one_thing_alone():
    ep3d, evenly, step = (settings(method, "matched", "paper", None) for method in ("ep3d", "ep3d_evenly", "step"))
    assert replace(step, core="none") == ep3d
    assert replace(evenly, area_per="clip") == ep3d


def test_the_area_weight_grows_by_the_released_factor_in_every_one_of_2000_iterations():
    """1.0008668 to the power of the iteration, from 1 to 5.66; the other terms keep their weight."""
    chosen = settings("ep3d", "matched", "paper", None)
    energy = energy_of(chosen)
    masks = torch.full((1, FRAMES, SIDE, SIDE), 0.5)
    start = energy(torch.zeros(1), masks, 0).item()
    assert start == pytest.approx(300 * 0.25)  # every voxel is 0.5 away from its place in the template
    for step in range(0, 2000, 37):
        area = energy(torch.zeros(1), masks, step).item()
        assert area / start == pytest.approx(1.0008668**step, rel=1e-6)
        assert energy(torch.tensor([2.0]), masks, step).item() - area == pytest.approx(2 * chosen.data_weight, abs=1e-3)


def test_another_number_of_iterations_ends_with_the_same_weight():
    """A schedule of 100 iterations is the one of 2000 seen at every twentieth."""
    masks = torch.full((1, FRAMES, SIDE, SIDE), 0.5)
    long, short = (energy_of(settings("ep3d", "matched", "paper", count)) for count in (2000, 100))
    for step in (0, 1, 50, 99):
        assert short(torch.zeros(1), masks, step).item() == pytest.approx(long(torch.zeros(1), masks, 20 * step).item())


def test_the_core_term_sets_in_at_iteration_100_of_2000():
    weights = Settings(core="released", area_weight=0.0)
    energy = energy_of(weights)
    masks = torch.full((1, FRAMES, SIDE, SIDE), 0.5)
    core = [energy(torch.zeros(1), masks, step).item() for step in (0, 99, 100, 1999)]
    assert core[:2] == [0, 0]
    # Every placement is 0.5: the mean of (x − 1)² over the ones plus the mean of x² over the others.
    assert core[2:] == pytest.approx([300 * 0.5] * 2)


def test_sgd_follows_the_recurrence_written_out():
    """v ← 0.9 v + 0.1 g (at first v = g), m ← clamp(m − 0.05 v, 0, 1), from ones."""
    batch = clips()
    weights = torch.linspace(-1, 1, batch[0].numel()).view_as(batch[0]) / 150

    class Slope(nn.Module):
        """Two classes whose logits differ by a weighted sum of the clip."""

        def forward(self, batch):
            logit = (batch * weights).sum(dim=(1, 2, 3, 4))
            return torch.stack([torch.zeros_like(logit), logit], dim=1)

    chosen = replace(settings("ep3d", "paper", "paper", 4), data_weight=5.0, area_growth=2.0)
    result = run(Slope(), batch, [0.2], chosen)

    levels, seeds, velocity = Perturbation().levels(batch), torch.ones(1, FRAMES, *GEOMETRY.grid), None
    for step in range(4):
        seeds.requires_grad_()
        masks = GEOMETRY(seeds)
        data = -Slope()(blend(levels, GEOMETRY.crop(masks))).log_softmax(1)[0, 1]
        energy = 5 * data + 300 * 2 ** (step / 4) * area_loss(masks, [0.2])[0]
        (gradient,) = torch.autograd.grad(energy, seeds)
        velocity = gradient if velocity is None else 0.9 * velocity + 0.1 * gradient
        seeds = (seeds.detach() - 0.05 * velocity).clamp(0, 1)
    torch.testing.assert_close(result.seed_masks, seeds, atol=1e-3, rtol=0)  # rounded to float16
    assert result.seed_masks.min() < 0.9  # the premise: it has moved
