"""The sweep: how it steers the ratio, and runs that share passes and nothing else."""

import math
from dataclasses import replace

import pytest
import torch

from benchmarks.white_boxes import texture, white_box
from stepaudit.extremal.fills import fills_of, measure_fills
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sweep import FIRST_RATIO, LARGEST, SMALLEST, Steering, Sweep, shift_px, sweep_settings

FRAMES, SIDE = 4, 24
GEOMETRY = replace(SmoothMax.of(SIDE, SIDE), padded=False)


def sweep(clips, model, seed=0, iterations=40):
    targets = torch.ones(len(clips), dtype=torch.long)
    with torch.no_grad():
        own = model(clips).softmax(dim=1)[:, 1]
    fills = measure_fills(model, fills_of(clips, None), targets, own, 16)
    chosen = sweep_settings(settings("ep3d", "corrected", "paper", None), iterations)
    start = torch.ones(1, FRAMES, *GEOMETRY.grid)
    return Sweep(model, clips, targets, fills, chosen, GEOMETRY, start, seed)


def swept(seed=0, stops=(40,), rows=(0,)):
    """Runs of the clip of a white box (row 0) and of other textures, in one batch."""
    model = white_box("5 % in 8", FRAMES, SIDE)
    clips = torch.stack([model.clip, texture(FRAMES, SIDE, 7), model.clip.flip(1)])[list(rows)]
    work = sweep(clips, model, seed)
    runs = work.begin({row: [0, 1, 2] for row in range(len(rows))})
    for iterations in stops:
        work.advance(runs, iterations)
    return runs


def test_the_level_is_09_in_the_first_half_and_falls_to_01_in_the_second():
    steering = Steering(100)
    levels = [steering.level(step) for step in (0, 50, 75, 100, 130)]
    assert levels == pytest.approx([0.9, 0.9, 0.5, 0.1, 0.1])


def test_the_data_term_is_held_back_in_the_second_half_for_small_masks_alone():
    """A ratio of 0.025 is a quarter of 0.1; the exponent is 0 at half of the run, ½ at 5/8, 1 at 3/4 and later."""
    small, large = Steering(80, ratio=0.025), Steering(80, ratio=0.3)
    assert [small.data_scale(step) for step in (0, 40, 50, 60, 80)] == pytest.approx([1, 1, 0.5, 0.25, 0.25])
    assert [large.data_scale(step) for step in (0, 40, 60, 80)] == [1, 1, 1, 1]


def test_the_ratio_falls_while_the_mask_keeps_the_level_and_rises_while_it_does_not():
    """Step 20 of 100: gain 0.12 · (1 − 0.8 · 0.2) = 0.1008. Kept 1: distance 1. Kept 0.85: −0.5 of 0.1."""
    keeps, fails = Steering(100), Steering(100, kept=0.85)
    keeps.update(20, 1.0)
    fails.update(20, 0.85)
    assert keeps.ratio == pytest.approx(FIRST_RATIO * math.exp(-0.1008))
    assert fails.ratio == pytest.approx(FIRST_RATIO * math.exp(0.1008 / 2))


def test_the_kept_share_is_a_running_mean():
    steering = Steering(100)
    steering.update(20, 0.0)
    assert steering.kept == pytest.approx(0.7)


def test_the_first_iterations_do_not_steer():
    steering = Steering(100)
    for step in range(10):
        steering.update(step, 1.0)
    assert steering.ratio == FIRST_RATIO


def test_the_ratio_stays_between_its_limits():
    lowest, highest = Steering(1000), Steering(1000)
    for step in range(400):
        lowest.update(step, 1.0)
        highest.update(step, 0.0)
    assert (lowest.ratio, highest.ratio) == (SMALLEST, LARGEST)


def test_masks_are_moved_by_at_most_four_percent_of_the_shorter_side():
    assert shift_px(SmoothMax.of(100, 200)) == 4
    assert shift_px(SmoothMax.of(8, 8)) == 1


def test_a_seed_gives_the_same_snapshots_again_and_another_seed_others():
    first, again, other = (swept(seed)[0].snapshots for seed in (0, 0, 1))
    assert [one.ratio for one in first] == [two.ratio for two in again]
    assert all(torch.equal(one.seed_masks, two.seed_masks) for one, two in zip(first, again, strict=True))
    assert [one.ratio for one in first] != [two.ratio for two in other]


def test_a_run_in_two_parts_is_the_run_in_one():
    whole, parts = swept()[0], swept(stops=(15, 25))[0]
    assert torch.equal(whole.seeds, parts.seeds)
    assert [one.ratio for one in whole.snapshots] == [two.ratio for two in parts.snapshots]


def test_a_row_does_not_depend_on_its_neighbours():
    """float16 seed masks of a model that adds up in another order in a batch: 0.01 is ten of its steps near 1."""
    alone, neighbours = swept()[0].snapshots, swept(rows=(0, 1, 2))[0].snapshots
    for one, two in zip(alone, neighbours, strict=True):
        assert one.ratio == pytest.approx(two.ratio, rel=1e-3)
        assert (one.seed_masks - two.seed_masks).abs().max() < 0.01


def test_snapshots_begin_after_a_quarter_and_end_with_the_run():
    """Of 40 iterations, 0 … 39: from 9 on, every third, 9, 12 … 39; early ones are 0, 3 and 6, none of them steered."""
    run = swept()[0]
    assert len(run.snapshots) == len(range(9, 40, 3))
    assert [snapshot.ratio for snapshot in run.early] == [FIRST_RATIO] * 3
