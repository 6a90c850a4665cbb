"""Area and core terms against their literal forms."""

import literal
import pytest
import torch

from stepaudit.extremal.area import area_loss, area_loss_per_frame
from stepaudit.extremal.core import Core, template_loss
from stepaudit.extremal.strided import convolved, strided_sums


def _values_and_gradients(function, masks):
    masks = masks.clone().requires_grad_()
    value = function(masks)
    return value.detach(), torch.autograd.grad(value.sum(), masks)[0]


@pytest.mark.parametrize("ratios", [(0.1, 0.5), (0.02, 0.97)])
def test_area_loss_equals_the_sorted_form(ratios):
    masks = torch.rand(2, 3, 9, 11, dtype=torch.float64)
    fast = _values_and_gradients(lambda m: area_loss(m, ratios), masks)
    slow = _values_and_gradients(
        lambda m: torch.stack([literal.area(r, v) for r, v in zip(m, ratios, strict=True)]), masks
    )
    for mine, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_area_loss_of_ties_has_the_sorted_value_and_the_mean_of_its_gradients():
    """Sorting gives tied voxels 2(m − 1) or 2m by chance of order; sharing gives each the expectation."""
    mask = torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.0]], dtype=torch.float64)
    value, gradient = _values_and_gradients(lambda m: area_loss(m, [0.4]), mask)
    assert value.item() == pytest.approx(literal.area(mask[0], 0.4).item())
    tied = 2 * 0.5 - 2 * (1 / 3)  # one of the three stands on a 1 of the template
    torch.testing.assert_close(gradient * 5, torch.tensor([[0.0, tied, tied, tied, 0.0]], dtype=torch.float64))


def test_the_area_per_frame_is_the_mean_of_the_frames_own_areas():
    masks, ratios = torch.rand(2, 3, 9, 11, dtype=torch.float64), (0.1, 0.5)
    fast = _values_and_gradients(lambda m: area_loss_per_frame(m, ratios), masks)
    slow = _values_and_gradients(
        lambda m: torch.stack(
            [torch.stack([literal.area(f, v) for f in r]).mean() for r, v in zip(m, ratios, strict=True)]
        ),
        masks,
    )
    for mine, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("tie", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("term", [area_loss, area_loss_per_frame, Core(24, 20), Core(24, 20, released=False)])
def test_rows_of_mixed_ratios_are_worth_what_each_is_worth_alone(term, tie):
    masks = (torch.rand(5, 8, 24, 20, dtype=torch.float64) * 8).round() / 8
    ratios = [0.1, 0.4, 0.1, 0.2, 0.4]
    together = _values_and_gradients(lambda m: term(m, ratios, tie), masks)
    for row, ratio in enumerate(ratios):
        alone = _values_and_gradients(lambda m, a=ratio: term(m, [a], tie), masks[row : row + 1])
        for mine, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(mine[row : row + 1], theirs)


@pytest.mark.parametrize(
    ("shape", "size", "pitch"), [((2, 9, 23, 15), 7, 7), ((1, 7, 20, 31), 6, 4), ((3, 5, 9, 9), 3, 2)]
)
def test_the_convolution_of_a_gpu_gives_what_the_matrix_products_of_a_cpu_give(shape, size, pitch):
    masks, kernel = torch.rand(shape, dtype=torch.float64), torch.rand(3, size, size, dtype=torch.float64)
    found, expected = (
        _values_and_gradients(lambda m, f=form: f(m, kernel, pitch) ** 2, masks) for form in (convolved, strided_sums)
    )
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_area_loss_is_zero_for_a_binary_mask_of_the_right_volume_and_the_difference_otherwise():
    mask = torch.zeros(1, 4, 5, 5)
    mask[0, 1, :2] = 1  # 10 of 100 voxels
    assert area_loss(mask, [0.1]).item() == 0
    assert area_loss(mask, [0.3]).item() == pytest.approx(0.2)


@pytest.mark.parametrize("ratio", [0.05, 0.3])
def test_core_as_released_equals_the_literal_form(ratio):
    masks = torch.rand(2, 9, 23, 15, dtype=torch.float64)
    core = Core(23, 15, frames=5, size=7)
    ratios = [ratio, ratio]
    fast = _values_and_gradients(lambda m: core(m, ratios), masks)
    slow = _values_and_gradients(lambda m: torch.stack([literal.core_released(r, ratio, 5, 7) for r in m]), masks)
    for mine, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_papers_kernel_has_311_voxels():
    assert Core(112, 112).kernel().sum() == literal.ellipsoid(7, 11).sum() == 311


def test_core_as_released_hardly_sees_the_first_frame_and_the_corrected_one_treats_all_alike():
    def share_of_first_frame(core):
        masks = torch.rand(8, 16, 44, 44)
        gradient = _values_and_gradients(lambda m: core(m, [0.1] * 8), masks)[1]
        of_frame = gradient.abs().sum(dim=(0, 2, 3))
        return (of_frame[0] / of_frame.mean()).item()

    assert share_of_first_frame(Core(112, 112, released=True)) < 0.01
    assert share_of_first_frame(Core(112, 112, released=False)) > 0.5


def test_core_prefers_a_compact_blob_to_the_same_volume_scattered():
    blob, scattered = torch.zeros(1, 16, 44, 44), torch.zeros(1, 16, 44, 44)
    blob[0, :7, 11:22, 11:22] = 1
    scattered.view(-1)[torch.randperm(scattered.numel())[: int(blob.sum())]] = 1
    ratios = [blob.mean().item()]
    for released in (True, False):
        core = Core(112, 112, released=released)
        assert core(blob, ratios) < 0.7 * core(scattered, ratios)


def test_template_loss_is_the_two_means_written_out():
    values = torch.tensor([0.2, 0.9, 0.6, 0.0])
    expected = ((0.9 - 1) ** 2 + (0.6 - 1) ** 2) / 2 + (0.2**2 + 0) / 2
    assert template_loss(values[None], [2], torch.ones(4)).item() == pytest.approx(expected)


def test_a_placement_counts_by_its_part():
    values, parts = torch.tensor([0.9, 0.6, 0.2]), torch.tensor([0.5, 1.0, 1.0])
    top = (0.5 * 0.1**2 + 0.5 * 0.4**2) / 1.0  # half of the second placement fills up the one
    rest = (0.5 * 0.6**2 + 1.0 * 0.2**2) / 1.5
    assert template_loss(values[None], [1], parts).item() == pytest.approx(top + rest)
