"""Mask survival on models whose evidence we placed, and the masks that are made of a mask."""

import pytest
import torch
from known_answer import Cuboid, model_for, textured_clips
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from stepaudit.errors import AuditError, NoAnnotationError, NonFiniteError, NotApplicableError
from stepaudit.extremal.perturbation import Perturbation, blend, hard_mask
from stepaudit.metrics import mask_survival
from stepaudit.metrics._annotation import annotated
from stepaudit.metrics._mask_variants import moved, rearranged

SHAPE = (8, 32, 32)
CUBOID = Cuboid((2, 6), (8, 24), (8, 24))
BOXES = [[(8.0, 8.0, 24.0, 24.0)] if 2 <= frame < 6 else [] for frame in range(8)]
IN_ACTION = [bool(of_frame) for of_frame in BOXES]
RATIO = 0.125


@pytest.fixture
def clip():
    return textured_clips(1, *SHAPE)[0]


def parts(mask, clip, model=None, *, peers=None, boxes=BOXES, in_action=IN_ACTION, target=1, ratio=RATIO, **options):
    model = model or model_for(CUBOID)
    return mask_survival.score(mask, clip, model, peers or {}, target, ratio, boxes, in_action, **options)


def test_the_planted_evidence_keeps_the_answer_under_every_probe_and_another_place_under_none(clip):
    found, away = parts(CUBOID.mask(SHAPE), clip), parts(CUBOID.mask(SHAPE).roll(4, dims=0), clip)
    for fill in ("blur", "other_blur", "fade"):
        assert found[f"soft.{fill}"] > 0.98
        assert found[f"hard.{fill}"] > 0.98
        assert max(away[f"soft.{fill}"], found[f"empty.{fill}"]) < 0.02
    assert found["soft.noise"] > 0.98
    assert found["empty.noise"] > 0.98  # fine noise is all that the model asks for: this fill asks nothing
    assert found["clip"] > 0.98
    assert found["random"] < 0.1
    assert found["rival"] == pytest.approx(1 - found["soft.blur"], abs=1e-6)
    assert found["rival_clip"] == pytest.approx(1 - found["clip"], abs=1e-6)


def test_probabilities_are_those_of_one_pass_for_each_probe(clip):
    """Batched passes and names in their places: the same by hand, one clip at a time."""
    mask, model = torch.rand(SHAPE), model_for(CUBOID)
    found = parts(mask, clip, model, blur_sigma=4.0, other_blur=0.25, at_once=3)

    def kept(fill, sigma, wanted):
        return model(blend(Perturbation(fill, sigma).levels(clip[None]), wanted[None])).softmax(dim=1)[0, 1].item()

    fills = {"blur": ("blur", 4), "other_blur": ("blur", 1), **{f: (f, None) for f in ("fade", "freeze", "noise")}}
    hard = hard_mask(mask, RATIO)
    for name, (fill, sigma) in fills.items():
        for part, wanted in (("soft", mask), ("hard", hard), ("empty", torch.zeros(SHAPE))):
            assert found[f"{part}.{name}"] == pytest.approx(kept(fill, sigma, wanted), abs=1e-5), (part, name)
    assert found["shift"] == pytest.approx(sum(kept("blur", 4, each) for each in moved(mask, 1)) / 4, abs=1e-5)
    assert found["random"] == pytest.approx(sum(kept("blur", 4, each) for each in rearranged(mask, 4)) / 4, abs=1e-5)
    assert found["outside"] == pytest.approx(kept("blur", 4, mask * (1 - CUBOID.mask(SHAPE))), abs=1e-5)


@pytest.mark.parametrize("perturbation", ["blur", "blur-pyramid", "fade", "freeze", "noise"])
def test_the_fill_of_the_optimiser_is_that_of_the_moved_and_random_masks(perturbation, clip):
    mask = torch.ones(SHAPE)
    found = parts(0 * mask, clip, perturbation=perturbation)
    assert found["shift"] == found["random"] == pytest.approx(found[f"empty.{perturbation}"], abs=1e-6)
    assert {name for name in found if name.startswith("soft.")} == {
        f"soft.{name}" for name in {perturbation, "blur", "other_blur", "fade", "freeze", "noise"}
    }


def test_each_peer_answers_for_itself(clip):
    elsewhere = Cuboid((0, 2), (0, 8), (0, 8))
    found = parts(CUBOID.mask(SHAPE), clip, peers={"same": model_for(CUBOID), "b.c": model_for(elsewhere)})
    assert found["peer.same"] == pytest.approx(found["soft.blur"])
    assert found["peer_empty.same"] == pytest.approx(found["empty.blur"])
    assert found["peer.b.c"] < 0.02
    assert found["peer_clip.b.c"] > 0.9
    assert found["peer_rival.b.c"] == pytest.approx(1 - found["peer_clip.b.c"], abs=1e-6)
    assert isinstance(parts(CUBOID.mask(SHAPE), clip)["peer"], NotApplicableError)


def test_inside_is_the_share_of_the_greatest_voxels_that_the_annotation_marks(clip):
    half = Cuboid((2, 6), (8, 24), (8, 16)).mask(SHAPE)
    assert parts(half + half.roll(8, dims=0), clip, ratio=RATIO)["inside"] == 0.5  # as much in frames without action
    assert parts(half, clip, ratio=0.0625)["inside"] == 1
    assert parts(half, clip)["annotated"] == RATIO
    without = parts(half, clip, boxes=[[]] * 8, in_action=None)
    assert all(isinstance(without[part], NoAnnotationError) for part in ("inside", "annotated", "outside"))


def test_frames_without_annotation_count_neither_in_nor_out():
    box, pixels = [(0.0, 0.0, 2.0, 2.0)], torch.tensor([[1, 1, 0], [1, 1, 0]], dtype=torch.bool)
    nowhere, everywhere = torch.zeros(2, 3, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)
    cases = {
        (True, None): [(pixels, everywhere), (nowhere, nowhere)],
        (True, (True, False)): [(pixels, everywhere), (nowhere, everywhere)],
        (True, (True, True)): [(pixels, everywhere), (nowhere, nowhere)],
        (True, (False, True)): [(nowhere, everywhere), (nowhere, nowhere)],
        (False, (True, False)): [(everywhere, everywhere), (nowhere, everywhere)],
        (False, None): [(nowhere, nowhere), (nowhere, nowhere)],
    }
    for (boxed, in_action), expected in cases.items():
        found = annotated([box if boxed else [], []], list(in_action) if in_action else None, (2, 2, 3))
        for frame, wanted in enumerate(expected):
            assert [each[frame].tolist() for each in found] == [each.tolist() for each in wanted], (boxed, in_action)


def test_a_mask_in_frames_that_nothing_is_said_of_is_nowhere(clip):
    mask = Cuboid((0, 2), (0, 32), (0, 32)).mask(SHAPE)
    assert isinstance(parts(mask, clip, in_action=None, ratio=0.1)["inside"], NoAnnotationError)


def test_a_moved_mask_is_moved_by_whole_pixels_and_its_border_goes_on():
    mask = torch.zeros(1, 4, 4)
    mask[0, 1, 3] = 1
    down, up, right, left = (each[0].nonzero().tolist() for each in moved(mask, 1))
    assert (down, up) == ([[2, 3]], [[0, 3]])
    assert (right, left) == ([], [[1, 2], [1, 3]])


def test_random_masks_hold_the_masks_values_in_smooth_places_and_are_the_same_again():
    mask = torch.rand(SHAPE) ** 4
    torch.manual_seed(1)
    first = rearranged(mask, 2)
    torch.manual_seed(2)
    assert all(torch.equal(one, other) for one, other in zip(first, rearranged(mask, 2), strict=True))
    assert not torch.equal(*first)
    for each in first:
        assert torch.equal(each.flatten().sort().values, mask.flatten().sort().values)
        rough = (mask - gaussian_blur(mask, [7, 7], [2.0])).pow(2).mean()
        assert (each - gaussian_blur(each, [7, 7], [2.0])).pow(2).mean() < rough / 10


def test_a_model_that_answers_nan_is_no_number(clip):
    class Nan(nn.Module):
        def forward(self, clips):
            return clips.new_full((len(clips), 2), float("nan"))

    with pytest.raises(NonFiniteError, match="NaN"):
        parts(CUBOID.mask(SHAPE), clip, Nan())
    with pytest.raises(NonFiniteError, match="NaN"):
        parts(CUBOID.mask(SHAPE), clip, peers={"broken": Nan()})


def test_no_more_clips_pass_at_once_than_allowed_and_no_gradient_is_kept(clip):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.model, self.sizes = model_for(CUBOID), []
            self.bias = nn.Parameter(torch.zeros(()))

        def forward(self, clips):
            self.sizes.append(len(clips))
            assert not torch.is_grad_enabled()
            assert not self.training
            return self.model(clips) + self.bias

    model = Counting().train()
    parts(CUBOID.mask(SHAPE), clip, model, at_once=4)
    assert sum(model.sizes) == 25
    assert max(model.sizes) == 4
    assert model.training
    assert model.bias.requires_grad
    assert model.bias.grad is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_map_from_a_table_meets_a_clip_on_the_gpu(clip):
    found = parts(CUBOID.mask(SHAPE), clip.cuda(), peers={"same": model_for(CUBOID)})
    assert all(isinstance(value, AuditError) or 0 <= value <= 1 for value in found.values())
