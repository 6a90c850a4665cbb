"""Rows in batches of any size: none depends on its neighbours, and none is lost when memory runs out."""

from dataclasses import replace

import pytest
import torch
from known_answer import Cuboid, Texture, model_for, textured_clips
from torch import nn

from stepaudit.extremal import memory
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax

FRAMES, SIDE = 8, 32
CUBOID = Cuboid((2, 6), (8, 24), (8, 24))
GEOMETRY = SmoothMax.of(SIDE, SIDE)
RATIOS = [0.1, 0.3, 0.1, 0.2, 0.2]
SHORT = settings("step", "corrected", "short", 12)


def clips(count):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return textured_clips(count, FRAMES, SIDE, SIDE)


def run(model, chosen=SHORT, **options):
    targets = torch.ones(5, dtype=torch.long)
    return optimise(model, clips(5), targets, torch.tensor(RATIOS), chosen, Perturbation(), GEOMETRY, **options)


class Noting(nn.Module):
    """A model that notes the size of each batch, and of those among them whose gradient is asked for."""

    def __init__(self, most: int = 100):
        super().__init__()
        self.inner, self.most, self.sizes, self.passes = model_for(CUBOID), most, [], []

    def forward(self, batch):
        if len(batch) > self.most:
            raise torch.OutOfMemoryError("raised on purpose")
        self.sizes.append(len(batch))
        if batch.requires_grad:
            self.passes.append(len(batch))
        return self.inner(batch)


def same(first, second):
    # Sums over a batch of another size are rounded in another order.
    torch.testing.assert_close(first.seed_masks, second.seed_masks, atol=2e-3, rtol=0)
    torch.testing.assert_close(first.kept_probability, second.kept_probability, atol=2e-3, rtol=0)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 9])
def test_rows_do_not_depend_on_how_many_are_optimised_at_once(at_once):
    same(run(model_for(CUBOID), at_once=at_once), run(model_for(CUBOID), at_once=5))


def test_no_batch_is_larger_than_it_may_be():
    model = Noting()
    run(model, at_once=2)
    assert max(model.sizes) == 2


def test_out_of_memory_halves_the_batch_and_loses_no_row():
    model = Noting(most=2)
    same(run(model, at_once=5), run(model_for(CUBOID), at_once=5))
    assert set(model.sizes) <= {1, 2}


def test_without_a_size_as_many_rows_are_optimised_at_once_as_fit_into_memory(monkeypatch):
    monkeypatch.setattr(memory, "CPU_BYTES", 1)
    model = Noting()
    run(model)
    assert set(model.passes) == {1}
    monkeypatch.setattr(memory, "CPU_BYTES", 2**30)
    model = Noting()
    run(model)
    assert model.passes.count(5) == 12


def test_memory_that_runs_out_where_clips_are_perturbed_loses_no_row_either(monkeypatch):
    levels = Perturbation.levels

    def scarce(self, clips):
        if len(clips) > 2:
            raise torch.OutOfMemoryError("raised on purpose")
        return levels(self, clips)

    expected = run(model_for(CUBOID), at_once=5)
    monkeypatch.setattr(Perturbation, "levels", scarce)
    same(run(model_for(CUBOID), at_once=5), expected)


def test_one_row_that_does_not_fit_is_an_error_that_says_so():
    with pytest.raises(torch.OutOfMemoryError, match="one row alone does not fit into memory; choose smaller clips"):
        run(Noting(most=0), at_once=5)


def test_memory_that_runs_out_at_the_end_of_a_batch_leaves_its_rows_as_they_were():
    class Once(Noting):
        """Has no memory for the first pass without gradients that follows one with gradients."""

        failed = False

        def forward(self, batch):
            if self.passes and not torch.is_grad_enabled() and not self.failed:
                self.failed = True
                raise torch.OutOfMemoryError("raised on purpose")
            return super().forward(batch)

    model = Once()
    result = run(model, at_once=4)
    assert model.failed
    same(result, run(model_for(CUBOID), at_once=4))


def test_a_data_term_that_is_linear_in_the_mask_loses_nothing_when_its_gradient_is_held():
    class Linear(nn.Module):
        """log Φ of class 1 is linear in the clip, by construction and after the softmax."""

        def forward(self, batch):
            weights = torch.linspace(0, 1, batch[0].numel()).view_as(batch[0])
            log_probability = -3 + (batch * weights).mean(dim=(1, 2, 3, 4))
            return torch.stack([torch.log1p(-log_probability.exp()), log_probability], dim=1)

    each, held = (replace(SHORT, data_weight=1000.0, held_from=0.0, iterations_per_call=count) for count in (1, 4))
    same(run(Linear(), each), run(Linear(), held))
    unheard = run(Linear(), replace(each, data_weight=0.0))
    assert (unheard.seed_masks - run(Linear(), each).seed_masks).abs().max() > 0.1  # the premise: the term is heard


def test_a_gradient_that_is_held_spares_passes_through_the_model():
    model = Noting()
    chosen = replace(SHORT, held_from=0.25, iterations_per_call=4)
    run(model, chosen, at_once=5)
    assert model.sizes.count(5) == chosen.calls == 3 + 3 + 3  # 3 iterations, 9 by fours, one pass before and two after
    assert len(model.sizes) == chosen.calls + 2  # the first row alone, to see that the prepared model answers alike


def test_fast_takes_at_most_a_tenth_of_the_faithful_passes():
    fast, paper = (settings("step", "corrected", schedule, None) for schedule in ("fast", "paper"))
    assert paper.calls == 2003
    assert fast.calls <= paper.calls / 10


def test_a_start_of_ones_is_the_usual_start_and_another_one_is_used():
    ones, half = (torch.full((5, FRAMES, *GEOMETRY.grid), value) for value in (1.0, 0.5))
    assert torch.equal(run(model_for(CUBOID)).seed_masks, run(model_for(CUBOID), start=ones).seed_masks)
    still = run(model_for(CUBOID), replace(SHORT, learning_rate=0.0), start=half)
    assert torch.equal(still.seed_masks, half)


def test_rows_of_one_clip_share_its_blur(monkeypatch):
    perturbed = []
    levels = Perturbation.levels
    monkeypatch.setattr(Perturbation, "levels", lambda self, clips: perturbed.append(len(clips)) or levels(self, clips))
    batch = clips(2).repeat_interleave(3, dim=0)
    ratios = torch.tensor([0.1, 0.2, 0.3] * 2)
    model = Texture(CUBOID, 1 / 6)
    optimise(model, batch, torch.ones(6, dtype=torch.long), ratios, SHORT, Perturbation(), GEOMETRY, at_once=6)
    assert max(perturbed) == 2
