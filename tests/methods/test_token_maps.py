"""Maps of transformers: against literal computations, and of a transformer whose answer is one known token."""

import pytest
import torch
from huggingface_folders import OPTIONS, saved
from narrow_models import narrow
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.errors import NotApplicableError
from stepaudit.layers import arranged
from stepaudit.methods import attention_rollout, grad_cam, step
from stepaudit.models import huggingface, swin3d_t
from stepaudit.models._tokens import joint, spread, unwindowed, windowed

CLIP = torch.rand(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
TARGET = torch.tensor([1])
every_family = pytest.mark.parametrize("family", OPTIONS)


def of_transformers(family):
    return huggingface.build(3, path=str(saved(family)))


# A transformer set by hand.

GRID, PATCH, PLACE = (2, 4, 4), (2, 8, 8), (1, 2, 0)


class OneToken(nn.Module):
    """Class 1 is as probable as the patch at `place` has contrast; its class token attends to it alone.

    Tokens are [is the place, contrast there]; the class token's query meets the key of the place and gets its contrast.
    """

    def __init__(self, place=PLACE):
        super().__init__()
        self.marks = torch.zeros(GRID)
        self.marks[place] = 1
        self.activation_layer = nn.Identity()

    def tokens(self, clips: Tensor) -> Tensor:
        parts = clips.mean(dim=1).unfold(1, PATCH[0], PATCH[0]).unfold(2, PATCH[1], PATCH[1]).unfold(3, *PATCH[1:])
        contrast = parts.flatten(4).std(dim=-1)
        values = torch.stack([self.marks.expand_as(contrast), self.marks * contrast], dim=-1).flatten(1, 3)
        return torch.cat([values.new_zeros(len(values), 1, 2), values], dim=1)

    def forward(self, clips: Tensor) -> Tensor:
        tokens = self.activation_layer(self.tokens(clips))
        query, key = torch.ones_like(tokens[:, :, :1]), 20 * tokens[:, :, :1]
        seen = functional.scaled_dot_product_attention(query[:, None], key[:, None], tokens[:, None, :, 1:], scale=1.0)
        logit = 20 * (seen[:, 0, 0, 0] - 0.1)
        return torch.stack([-logit, logit], dim=1)

    def activation_grid(self, tokens, size):
        return arranged(tokens, GRID)

    def rollout(self, weights, size):
        return arranged(joint(weights, 32)[..., None], GRID)[:, 0]


def noise() -> Tensor:
    return torch.rand(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(3))


def test_the_white_box_sees_one_patch_alone():
    model, clip = OneToken(), noise()
    without, only = clip.clone(), torch.full_like(clip, 0.5)
    without[:, :, 2:4, 16:24, :8] = 0.5
    only[:, :, 2:4, 16:24, :8] = clip[:, :, 2:4, 16:24, :8]
    high, low, kept = (model(each).softmax(1)[0, 1].item() for each in (clip, without, only))
    assert high > 0.6 > 0.1 > low
    assert kept == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize("method", [grad_cam, attention_rollout])
def test_maps_of_tokens_show_the_one_token_that_the_answer_comes_from(method):
    grid = method.attribute(OneToken(), noise(), TARGET).grid
    expected = torch.zeros(1, *GRID)
    expected[0][PLACE] = 1
    torch.testing.assert_close(grid, expected, atol=1e-3, rtol=0)


def test_an_extremal_mask_keeps_the_one_patch_that_the_answer_comes_from():
    maps = step.attribute(
        OneToken(), noise(), TARGET, ratios=torch.tensor([1 / 32]), preset="corrected", iterations=60, schedule="short"
    )
    full = maps.full()[0]
    inside = full[2:4, 16:24, :8].mean()
    assert inside > 5 * full.mean()
    assert maps.detail("kept_probability", 0) > 0.5


# Grad-CAM.


def literal_cam(model, layer, places):
    """Σ_c mean gradient × activation of the tokens at `places`, which the test puts in order."""
    seen = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    own = model(CLIP.clone().requires_grad_())[0, 1]
    handle.remove()
    values, slopes = places(seen[0]), places(torch.autograd.grad(own, seen[0])[0])
    cam = (values * slopes.mean(dim=(0, 1, 2))).sum(dim=-1).relu().detach()
    return cam / cam.max()


def in_time_first(tokens):
    return tokens[0, -32:].reshape(2, 4, 4, -1)


PLACES = {
    "VideoMAE": in_time_first,
    "Vivit": in_time_first,
    "VJEPA2": in_time_first,
    "Timesformer": lambda tokens: tokens[:, 1:].reshape(4, 4, 4, -1),  # a frame a row
}


@every_family
def test_grad_cam_of_a_classifier_of_transformers_puts_its_tokens_back(family):
    model = of_transformers(family)
    found = grad_cam.attribute(model, CLIP, TARGET).grid[0]
    expected = literal_cam(model, model.activation_layer, PLACES[family])
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_tokens_of_a_place_that_follow_each_other_in_time_are_put_back():
    """TimeSformer's layers give a class token, then all frames of the first place, …: here 4 frames of 4 × 4."""
    tokens = torch.arange(65.0).view(1, 65, 1)
    grid = of_transformers("Timesformer").activation_grid(tokens, (4, 32, 32))
    assert grid[0, 0, :, 0, 0].tolist() == [1, 2, 3, 4]
    assert grid[0, 0, 0, 0].tolist() == [1, 5, 9, 13]


def test_grad_cam_of_mvit_leaves_the_class_token_out():
    model = narrow("mvit_v2_s")
    found = grad_cam.attribute(model, CLIP, TARGET).grid[0]
    expected = literal_cam(model, model.backbone.blocks[-1].norm1, lambda tokens: tokens[0, 1:].reshape(2, 4, 4, -1))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_grad_cam_of_swin_reads_its_channels_where_they_are():
    model = narrow("swin3d_t")
    found = grad_cam.attribute(model, CLIP, TARGET).grid[0]
    expected = literal_cam(model, model.backbone.features[-1][-1].norm1, lambda tokens: tokens[0])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_other_tokens_than_those_of_the_grid_are_refused():
    with pytest.raises(NotApplicableError, match=r"gives \[1, 34, 2\], not the 2 × 4 × 4 tokens"):
        arranged(torch.zeros(1, 34, 2), (2, 4, 4))


# Rollout.


def eager(family):
    """Attention [heads, queries, keys] of all layers, as the library itself returns it, and its gradients."""
    model = of_transformers(family)
    model.backbone.set_attn_implementation("eager")
    inputs = {model.backbone.main_input_name: model.normalise(CLIP).transpose(1, 2)}
    output = model.backbone(**inputs, output_attentions=True)
    slopes = torch.autograd.grad(output.logits[0, 1], output.attentions)
    return [(weights[0].detach(), slope[0]) for weights, slope in zip(output.attentions, slopes, strict=True)]


@pytest.mark.parametrize("family", ["VideoMAE", "Vivit"])
def test_rollout_is_the_papers_recursion_over_the_librarys_own_attention(family):
    """R = I; R += mean over heads of (∇A ⊙ A)⁺ · R, layer by layer; then the class token's row, or the mean of all."""
    length = 33 if family == "Vivit" else 32
    relevance = torch.eye(length)
    for weights, slope in eager(family):
        relevance = relevance + (slope * weights).clamp(min=0).mean(dim=0) @ relevance
    row = relevance[0, 1:] if family == "Vivit" else (relevance - torch.eye(length)).mean(dim=0)
    found = attention_rollout.attribute(of_transformers(family), CLIP, TARGET).grid[0]
    torch.testing.assert_close(found, (row / row.max()).view(2, 4, 4), atol=2e-3, rtol=0)


def expanded(places, weights, length):
    """Attention among some of all tokens as a matrix over all of them. places [windows, tokens]; −1 is padding."""
    matrix = torch.zeros(length, length).to(weights)
    for row, own in zip(places, weights, strict=True):
        for query, target in enumerate(row):
            for key, source in enumerate(row):
                if target >= 0 and source >= 0:
                    matrix[target, source] += own[query, key]
    return matrix


def test_rollout_of_divided_attention_is_that_of_matrices_over_all_tokens():
    """Token 0 is the class token, 1 + 4 · place + frame the others; it gets the mean of its answers in each frame."""
    model = of_transformers("Timesformer")
    weights = attention_rollout.weighted_attention(model, CLIP, TARGET)
    relevance = torch.eye(65)
    for in_time, in_space in zip(weights[::2], weights[1::2], strict=True):
        time = expanded([[1 + 4 * place + frame for frame in range(4)] for place in range(16)], in_time, 65)
        rows = [[0, *(1 + 4 * place + frame for place in range(16))] for frame in range(4)]
        space = expanded(rows, in_space, 65)
        space[0] /= 4
        relevance = (torch.eye(65) + space) @ (torch.eye(65) + time) @ relevance
    expected = relevance[0, 1:].view(4, 4, 4).permute(2, 0, 1)
    found = attention_rollout.attribute(model, CLIP, TARGET).grid[0]
    torch.testing.assert_close(found, expected / expected.max(), atol=2e-3, rtol=0)


def test_rollout_of_windows_is_that_of_matrices_over_all_tokens():
    """Two stages of windows of 2 × 4 × 4 tokens, shifted by half in every second block, over 3 × 6 × 6 tokens."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = swin3d_t.build(3, embed_dim=6, depths=(2, 1), window=(2, 4, 4)).eval()
    clip = torch.rand(1, 3, 6, 24, 24, generator=torch.Generator().manual_seed(2))
    weights = [each.double() for each in attention_rollout.weighted_attention(model, clip, TARGET)]
    fine, coarse = torch.arange(108).view(1, 3, 6, 6), torch.arange(27).view(1, 3, 3, 3)
    steps = []
    for number, (tokens, window, shift) in enumerate(
        [(fine, (2, 4, 4), (0, 0, 0)), (fine, (2, 4, 4), (1, 2, 2)), (coarse, (2, 3, 3), (0, 0, 0))]
    ):
        places = windowed(tokens + 1, window, shift) - 1
        steps.append(torch.eye(tokens.numel()).double() + expanded(places.tolist(), weights[number], tokens.numel()))
    merged = torch.zeros(27, 108).double()
    for token in range(108):
        t, y, x = token // 36, token // 6 % 6, token % 6
        merged[9 * t + 3 * (y // 2) + x // 2, token] = 1 / 4
    start = torch.full((27,), 1 / 27).double()
    expected = (start @ steps[2] @ merged @ steps[1] @ steps[0] - start @ merged).view(3, 6, 6).float()
    found = attention_rollout.attribute(model, clip, TARGET).grid[0]
    torch.testing.assert_close(found, expected / expected.max(), atol=2e-3, rtol=0)


def pooling(grid, strides):
    """Matrix of the mean over blocks: [tokens of the coarser grid, tokens of the grid]."""
    coarse = [-(-count // stride) for count, stride in zip(grid, strides, strict=True)]
    matrix = torch.zeros(torch.Size(coarse).numel(), torch.Size(grid).numel())
    for token, (t, y, x) in enumerate(torch.cartesian_prod(*map(torch.arange, grid)).tolist()):
        block = (t // strides[0] * coarse[1] + y // strides[1]) * coarse[2] + x // strides[2]
        matrix[block, token] = 1
    return matrix / matrix.sum(dim=1, keepdim=True)


def with_class_token(matrix):
    return torch.block_diag(torch.ones(1, 1), matrix)


def test_rollout_of_pooled_attention_is_that_of_matrices_over_all_tokens():
    model = narrow("mvit_v2_s")
    weights = attention_rollout.weighted_attention(model, CLIP, TARGET)
    grid, relevance = (2, 8, 8), torch.eye(129)
    strides = [((1, 1, 1), (1, 8, 8)), ((1, 2, 2), (1, 4, 4)), ((1, 2, 2), (1, 2, 2))]
    for attention, (queries, keys) in zip(weights, strides, strict=True):
        skip = with_class_token(pooling(grid, queries))
        relevance = (skip + attention[0] @ with_class_token(pooling(grid, keys))) @ relevance
        grid = tuple(-(-count // stride) for count, stride in zip(grid, queries, strict=True))
    expected = relevance[0, 1:].view(2, 8, 8)
    found = attention_rollout.attribute(model, CLIP, TARGET).grid[0]
    torch.testing.assert_close(found, expected / expected.max(), atol=2e-3, rtol=0)


def test_attention_that_pools_all_tokens_is_where_the_rollout_of_v_jepa_begins():
    model = of_transformers("VJEPA2")
    weights = attention_rollout.weighted_attention(model, CLIP, TARGET)
    assert weights[-1].shape == (1, 1, 32)
    row = weights[-1][0, 0]
    for attention in reversed(weights[:-1]):
        row = row + row @ attention[0]
    found = attention_rollout.attribute(model, CLIP, TARGET).grid[0]
    torch.testing.assert_close(found, (row / row.max()).view(2, 4, 4), atol=2e-3, rtol=0)


def test_windows_go_back_to_where_they_came_from():
    values = torch.rand(2, 3, 6, 5)
    there = windowed(values, (2, 4, 4), (1, 2, 2))
    assert torch.equal(unwindowed(there, (3, 6, 5), (2, 4, 4), (1, 2, 2)), values)


def test_relevance_that_is_spread_keeps_its_sum():
    values = torch.rand(1, 2, 4, 3)
    fine = spread(values, (2, 7, 6))
    torch.testing.assert_close(fine.sum(), values.sum())
    torch.testing.assert_close(fine[0, 0, :2, :2], values[0, 0, :1, :1].expand(2, 2) / 4)


def test_a_network_without_attention_cannot_be_rolled_out():
    with pytest.raises(NotApplicableError, match="VideoResNet18 has no `rollout`"):
        attention_rollout.attribute(narrow("r2plus1d_18"), CLIP, TARGET)


class Cut(OneToken):
    def forward(self, clips):
        return super().forward(clips).detach()


def test_a_network_without_gradients_cannot_be_rolled_out():
    with pytest.raises(NotApplicableError, match="no gradient of Cut reaches any attention"):
        attention_rollout.attribute(Cut(), CLIP, TARGET)


class Masked(OneToken):
    def forward(self, clips):
        tokens = self.tokens(clips)[:, None]
        return functional.scaled_dot_product_attention(tokens, tokens, tokens, is_causal=True)[:, 0, 0]


def test_attention_with_a_mask_is_not_rolled_out():
    with pytest.raises(NotApplicableError, match=r"may not look everywhere \(a mask\)"):
        attention_rollout.attribute(Masked(), CLIP, TARGET)


def test_frames_that_are_classified_one_by_one_are_not_rolled_out():
    model = of_transformers("Timesformer")
    model.backbone.config.attention_type = "space_only"
    with pytest.raises(NotApplicableError, match="within frames alone"):
        model.rollout([], (4, 32, 32))
