"""Fine-tuning: the same seed, the same weights; the best epoch; augmentation that does what it says."""

import random

import numpy as np
import pytest
import torch
from narrow_models import narrow
from torch import nn

from stepaudit.audit.sections import Training
from stepaudit.errors import UsageError
from stepaudit.networks import training

CPU = torch.device("cpu")


def bright_and_dark(count, frames=4, size=16):
    """Clips of class 1 are bright, those of class 0 dark. uint8 [N, 3, T, H, W], and targets."""
    targets = torch.arange(count) % 2
    noise = torch.randint(0, 100, (count, 3, frames, size, size))
    return (noise + 120 * targets.view(-1, 1, 1, 1, 1)).to(torch.uint8), targets


def fit(model, train, validation, *, seed=0, advance=lambda *_: None, **settings):
    chosen = Training(**{"epochs": 3, "batch_size": 4, "learning_rate": 0.01, **settings})
    return training.fit(model, train, validation, chosen, seed=seed, device=CPU, advance=advance)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


class Mean(nn.Module):
    """Logistic regression on the clip's mean; the smallest model that can learn `bright_and_dark`."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 2)

    def forward(self, clips):
        return self.fc(clips.mean(dim=(1, 2, 3, 4))[:, None])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_learns_what_can_be_learned(optimizer):
    train, validation = bright_and_dark(24), bright_and_dark(8)
    log = fit(
        Mean(), train, validation, epochs=15, optimizer=optimizer, learning_rate={"sgd": 1.0, "adamw": 0.3}[optimizer]
    )
    assert log[-1]["validation_accuracy"] == 1
    assert log[-1]["train_loss"] < log[0]["train_loss"]


@pytest.mark.parametrize("family", ["r2plus1d_18", "vgg16_lstm"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(family):
    train, validation = bright_and_dark(8, size=32), bright_and_dark(4, size=32)
    found, logs = [], []
    for seed in (0, 0, 1):
        model = narrow(family)
        logs.append(fit(model, train, validation, seed=seed, epochs=2, flips=["horizontal", "time"], shift_px=2))
        found.append(weights(model))
        torch.rand(3)  # the process's own random state does not matter
    assert same(found[0], found[1])
    assert not same(found[0], found[2])
    assert [{**row, "seconds": 0} for row in logs[0]] == [{**row, "seconds": 0} for row in logs[1]]


def test_the_processs_random_state_is_left_as_it_was():
    model, train, validation = Mean(), bright_and_dark(4), bright_and_dark(2)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    fit(model, train, validation, flips=["vertical"])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])
    with pytest.raises(UsageError), training.seeded(3):
        raise UsageError
    assert torch.equal(torch.get_rng_state(), before[0])


def test_the_best_epochs_weights_are_restored():
    """Labels that are half wrong, so that accuracy goes up and down; the model ends with the weights of the best."""
    (clips, targets), validation, seen = bright_and_dark(16), bright_and_dark(40), []
    model = Mean()
    log = fit(
        model, (clips, targets ^ (torch.rand(16) < 0.4)), validation, epochs=8, learning_rate=10.0, batch_size=2,
        advance=lambda *_: seen.append(weights(model)),
    )  # fmt: skip
    accuracies = [row["validation_accuracy"] for row in log]
    assert len(set(accuracies)) > 1  # the premise
    (best,) = [index for index, row in enumerate(log) if row["best"]]
    ranked = [(row["validation_accuracy"], -row["validation_loss"]) for row in log]
    assert ranked[best] == max(ranked)
    assert best < 7  # the premise: it is not the last one
    assert same(weights(model), seen[best])
    assert training.evaluate(model, *validation, 4, CPU) == (log[best]["validation_loss"], accuracies[best])


def test_of_equal_epochs_the_first_is_the_best():
    log = fit(Mean(), bright_and_dark(4), bright_and_dark(2), learning_rate=1e-30, epochs=3)
    assert [row["best"] for row in log] == [True, False, False]


def test_without_validation_clips_the_last_epoch_is_taken():
    model, seen = Mean(), []
    none = (torch.empty(0, 3, 4, 16, 16, dtype=torch.uint8), torch.empty(0, dtype=torch.long))
    log = fit(model, bright_and_dark(4), none, advance=lambda *_: seen.append(weights(model)))
    assert [row["best"] for row in log] == [False, False, True]
    assert [row["validation_accuracy"] for row in log] == [None] * 3
    assert same(weights(model), seen[-1])


def test_no_epochs_leave_the_model_as_it_is():
    model = Mean()
    before = weights(model)
    assert fit(model, bright_and_dark(4), bright_and_dark(2), epochs=0) == []
    assert same(weights(model), before)


def test_the_learning_rate_drops_after_every_so_many_epochs():
    log = fit(Mean(), bright_and_dark(4), bright_and_dark(2), epochs=7, step_epochs=3, step_factor=0.1)
    assert [row["learning_rate"] for row in log] == pytest.approx([1e-2] * 3 + [1e-3] * 3 + [1e-4])
    assert [row["epoch"] for row in log] == list(range(1, 8))


def test_a_loss_that_is_not_finite_is_the_users_to_mend():
    with pytest.raises(UsageError, match=r"training diverged: .* lower `training.learning_rate`"):
        fit(narrow("r2plus1d_18"), bright_and_dark(8, size=32), bright_and_dark(2, size=32), learning_rate=1e30)


def test_progress_is_told_after_every_epoch():
    told = []
    fit(Mean(), bright_and_dark(4), bright_and_dark(2), advance=lambda *told_now: told.append(told_now))
    assert [pieces for pieces, _ in told] == [1, 1, 1]
    assert all("validation" in note for _, note in told)


def test_evaluation_equals_the_definitions_and_leaves_the_weights():
    model, (clips, targets) = narrow("vgg16_lstm").train(), bright_and_dark(5, size=32)
    before = weights(model)
    loss, accuracy = training.evaluate(model, clips, targets, 2, CPU)
    with torch.no_grad():
        probabilities = model.eval()(clips.float() / 255).softmax(1)
    expected = -probabilities[torch.arange(5), targets].log().mean()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert accuracy == pytest.approx((probabilities.argmax(1) == targets).double().mean().item())
    assert same(weights(model), before)
    assert training.evaluate(model, clips[:0], targets[:0], 2, CPU) is None


AXES = {"horizontal": 4, "vertical": 3, "time": 2}


@pytest.mark.parametrize("name", AXES)
def test_a_flip_mirrors_half_of_the_clips_along_its_axis(name):
    clips = torch.rand(400, 3, 2, 3, 4)
    result = training.augmented(clips, Training(flips=[name]))
    mirrored = clips.flip(AXES[name])
    flipped = torch.tensor([torch.equal(mine, other) for mine, other in zip(result, mirrored, strict=True)])
    kept = torch.tensor([torch.equal(mine, other) for mine, other in zip(result, clips, strict=True)])
    assert torch.equal(flipped, ~kept)
    assert 150 < flipped.sum() < 250  # 200 ± 5 standard deviations


def test_flips_are_drawn_apart():
    clips = torch.rand(400, 1, 2, 2, 2)
    result = training.augmented(clips, Training(flips=["horizontal", "vertical"]))
    forms = [clips, clips.flip(4), clips.flip(3), clips.flip(3, 4)]
    counts = [sum(torch.equal(a, b) for a, b in zip(result, form, strict=True)) for form in forms]
    assert sum(counts) == 400
    assert min(counts) > 60  # 100 ± 4.6 standard deviations


def test_a_shift_moves_all_frames_alike_and_repeats_the_border():
    """A clip whose pixels tell their place; the shift is read from it."""
    ys, xs = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    clips = torch.stack([ys, xs, ys * 10 + xs])[None, :, None].expand(300, 3, 2, 8, 10)
    result = training.augmented(clips, Training(shift_px=2))
    assert result.shape == clips.shape
    seen = set()
    for clip in result:
        down, across = (int(clip[0, 0, 4, 5]) - 4, int(clip[1, 0, 4, 5]) - 5)
        seen.add((down, across))
        rows, columns = (torch.arange(8) + down).clamp(0, 7), (torch.arange(10) + across).clamp(0, 9)
        assert torch.equal(clip, clips[0][:, :, rows][..., columns])
    assert seen == {(down, across) for down in range(-2, 3) for across in range(-2, 3)}


def test_hues_are_turned_round_the_grey_axis():
    """A third of a turn makes green of red; greys, and the mean of the channels, stay."""
    red = torch.tensor([1.0, 0.0, 0.0])
    turned = training.hue_turned(torch.tensor([0.0, 1 / 3, 2 / 3, 1.0])) @ red
    assert torch.allclose(turned, torch.eye(3)[[0, 1, 2, 0]], atol=1e-6)
    some = training.hue_turned(torch.linspace(-0.5, 0.5, 7))
    assert torch.allclose(some @ torch.ones(3), torch.ones(7, 3), atol=1e-6)
    assert torch.allclose((some @ torch.tensor([0.5, 0.4, 0.3])).mean(dim=1), torch.full((7,), 0.4), atol=1e-6)


def test_half_a_turn_either_way_leaves_nothing_of_a_clips_hue_and_all_frames_turn_alike():
    colour = torch.tensor([0.6, 0.4, 0.5])
    clips = colour.view(1, 3, 1, 1, 1).expand(400, 3, 2, 1, 1)
    result = training.augmented(clips, Training(hue=0.5))
    assert torch.equal(result[:, :, 0], result[:, :, 1])
    away = result[:, :, 0, 0, 0] - 0.5
    assert torch.allclose(away.square().sum(dim=1), torch.full((400,), 0.02), atol=1e-6)
    assert away.mean(dim=0).abs().max() < 0.02  # 0 ± 5 standard deviations
    least = training.augmented(clips, Training(hue=0.1))[:, :, 0, 0, 0] - 0.5
    assert (least @ (colour - 0.5) > 0.02 * 0.8).all()  # cos(0.1 turns) is 0.809


def test_without_augmentation_the_clips_are_the_clips():
    clips = torch.rand(2, 3, 2, 4, 4)
    assert training.augmented(clips, Training()) is clips


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [(9, 8, [9]), (17, 8, [8, 9]), (16, 8, [8, 8]), (10, 8, [8, 2]), (1, 8, [1]), (3, 2, [3]), (3, 1, [1, 1, 1])],
)
def test_no_clip_is_alone_in_a_batch_unless_that_was_asked_for(rows, size, sizes):
    parts = training.batches(torch.arange(rows), size)
    assert [len(part) for part in parts] == sizes
    assert torch.cat(parts).tolist() == list(range(rows))
