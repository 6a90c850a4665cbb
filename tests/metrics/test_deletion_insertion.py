"""Deletion and insertion on models whose evidence we placed, against closed forms, and written out unit by unit."""

import gc

import pytest
import torch
from known_answer import Cuboid, model_for, textured_clips
from torch import Tensor, nn

from stepaudit.errors import NonFiniteError, NoPeakError, UsageError
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.metrics import _masked_clip, _units, deletion_insertion
from stepaudit.metrics.deletion_insertion import score

SHAPE = (8, 16, 16)
CUBOID = Cuboid((2, 6), (4, 12), (4, 12))  # an eighth of the clip, and whole blocks and tubelets of it
WHOLE = {"side": 0.25, "frames": 2}  # blocks of 4 × 4 pixels, tubelets of 2 frames
UNITS = ("pixels", "blocks", "tubelets")


@pytest.fixture
def clip():
    return textured_clips(1, *SHAPE)[0]


class Linear(nn.Module):
    """The target's probability is the mean of the red channel over the evidence."""

    def __init__(self, evidence: Tensor):
        super().__init__()
        self.register_buffer("evidence", evidence)

    def forward(self, clips: Tensor) -> Tensor:
        red = (clips[:, 0] * self.evidence).sum(dim=(1, 2, 3)) / self.evidence.sum()
        return torch.stack([(1 - red).clamp(min=1e-12).log(), red.clamp(min=1e-12).log()], dim=1)


class Weighted(nn.Module):
    """A smooth answer to which every voxel adds something of its own; it counts how often it is asked."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, 3, *shape))
        self.asked, self.largest = 0, 0

    def forward(self, clips: Tensor) -> Tensor:
        self.asked, self.largest = self.asked + len(clips), max(self.largest, len(clips))
        return torch.einsum("ncthw,kcthw->nk", clips, self.weights) / 50


def curve(found, direction, fill="blur", unit="pixels"):
    """Points of a curve by share."""
    name = f"{direction}.{fill}.{unit}."
    return {
        float(key.removeprefix(name)): value
        for key, value in found.items()
        if key.startswith(name) and "auc" not in key
    }


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("fill", ["blur", "blur-pyramid", "fade", "freeze"])
def test_the_perfect_map_loses_and_brings_the_class_at_the_evidences_share_and_the_anti_map_last(fill, unit, clip):
    options = {"fills": (fill,), "units": (unit,), "shares": (0.05, 0.125, 0.5), **WHOLE}
    evidence, model = CUBOID.mask(SHAPE), model_for(CUBOID)
    perfect = score(evidence, clip, model, 1, **options)
    deleted, inserted = (curve(perfect, direction, fill, unit) for direction in ("deletion", "insertion"))
    assert list(deleted) == [0, 0.05, 0.125, 0.5, 0.875, 0.95, 1]
    assert deleted[0] > 0.98
    assert max(value for share, value in deleted.items() if share >= 0.125) < 0.15
    assert inserted[0] < 0.15
    assert min(value for share, value in inserted.items() if share >= 0.125) > 0.98
    anti = score(1 - evidence, clip, model, 1, **options)
    deleted, inserted = (curve(anti, direction, fill, unit) for direction in ("deletion", "insertion"))
    assert min(value for share, value in deleted.items() if share <= 0.875) > 0.98
    assert max(value for share, value in inserted.items() if share <= 0.875) < 0.15
    for name, better in (("deletion", -1), ("insertion", 1)):
        areas = [
            found[f"{kind}.{fill}.{unit}.auc"] for found, kind in ((perfect, name), (perfect, "random"), (anti, name))
        ]
        assert areas == sorted(areas, reverse=better > 0)


@pytest.mark.parametrize("unit", UNITS)
def test_areas_of_a_linear_model_equal_the_closed_form(unit):
    """Red is 1 on the evidence, a quarter of the clip, and 0 elsewhere, so that the fill `fade` is red 0.25."""
    share = 0.25
    evidence = Cuboid((0, 8), (0, 8), (0, 8)).mask(SHAPE)
    clip, options = evidence.expand(3, *SHAPE), {"fills": ("fade",), "units": (unit,), "random_orders": 20, **WHOLE}
    options["shares"] = (0.1, 0.25, 0.5)
    areas = {
        name: score(importance, clip, Linear(evidence), 1, **options)
        for name, importance in (("perfect", evidence), ("anti", 1 - evidence))
    }

    def area(name, direction):
        return areas[name][f"{direction}.fade.{unit}.auc"]

    # a line from 1 to 0.25 over a quarter of the way, then flat, and its mirror images
    assert area("perfect", "deletion") == pytest.approx(share + (1 - share) * share / 2, abs=1e-6)
    assert area("perfect", "insertion") == pytest.approx(1 - (1 - share) * share / 2, abs=1e-6)
    assert area("anti", "deletion") == pytest.approx(area("perfect", "insertion"), abs=1e-6)
    assert area("anti", "insertion") == pytest.approx(area("perfect", "deletion"), abs=1e-6)
    assert area("anti", "random") == area("perfect", "random") == pytest.approx((1 + share) / 2, abs=0.03)


def test_a_random_map_is_near_the_random_order(clip):
    model = model_for(CUBOID)
    areas = {"deletion": [], "insertion": [], "random": []}
    for _ in range(20):
        found = score(torch.rand(SHAPE), clip, model, 1, fills=("blur",), units=("blocks",), random_orders=40, **WHOLE)
        for direction, values in areas.items():
            values.append(found[f"{direction}.blur.blocks.auc"])
    means = {direction: sum(values) / len(values) for direction, values in areas.items()}
    assert means["deletion"] == pytest.approx(means["random"], abs=0.03)
    assert means["insertion"] == pytest.approx(means["random"], abs=0.03)


def literal(importance, clip, model, fill, extent, shares):
    """Deletion and insertion with loops: unit by unit, voxel by voxel, one clip in a call. Units divide the clip."""
    frames, height, width = extent
    units = {}
    for t in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            for x in range(SHAPE[2]):
                units.setdefault((t // frames, y // height, x // width), []).append((t, y, x))
    means = {unit: sum(importance[place].item() for place in places) / len(places) for unit, places in units.items()}
    order = sorted(units, key=lambda unit: -means[unit])
    filling, found = Perturbation(fill).levels(clip[None])[0, 0], {}
    for direction, base, other in (("deletion", clip, filling), ("insertion", filling, clip)):
        values = []
        for share in shares:
            changed = base.clone()
            for unit in order[: round(share * len(order))]:
                for t, y, x in units[unit]:
                    changed[:, t, y, x] = other[:, t, y, x]
            values.append(model(changed[None]).softmax(dim=1)[0, 1].item())
        found[direction] = values
    return found


@pytest.mark.parametrize("fill", ["blur", "fade", "freeze", "noise"])
@pytest.mark.parametrize(("unit", "extent"), [("pixels", (1, 1, 1)), ("blocks", (1, 4, 4)), ("tubelets", (2, 4, 4))])
def test_curves_are_those_of_the_literal_loops(unit, extent, fill, clip):
    importance, model, shares = torch.rand(SHAPE), Weighted(SHAPE), [0, 0.1, 0.3, 0.7, 0.9, 1]
    found = score(importance, clip, model, 1, fills=(fill,), units=(unit,), shares=(0.1, 0.3), at_once=3, **WHOLE)
    with torch.no_grad():
        expected = literal(importance, clip, model, fill, extent, shares)
    for direction, values in expected.items():
        points = curve(found, direction, fill, unit)
        assert list(points) == shares
        assert list(points.values()) == pytest.approx(values, abs=1e-5)
        count = 2048 // (extent[0] * extent[1] * extent[2])
        reached = [round(share * count) / count for share in shares]
        area = sum((reached[i + 1] - reached[i]) * (values[i] + values[i + 1]) / 2 for i in range(len(shares) - 1))
        assert found[f"{direction}.{fill}.{unit}.auc"] == pytest.approx(area, abs=1e-5)


def test_batch_size_does_not_matter_and_is_kept(clip):
    importance, original = torch.rand(SHAPE), Weighted(SHAPE)
    results = []
    for at_once in (1, 5, 64):
        model = copy_of(original)
        results.append(score(importance, clip, model, 1, at_once=at_once))
        assert model.largest == min(at_once, 14)
    for other in results[1:]:
        assert other == pytest.approx(results[0], abs=1e-5)  # sums in another order


def test_it_costs_the_passes_that_it_says_and_the_random_order_only_once_for_a_clip(clip):
    model = Weighted(SHAPE)
    asked = []
    for importance in (torch.rand(SHAPE), torch.rand(SHAPE)):
        model.asked = 0
        score(importance, clip, model, 1)
        asked.append(model.asked)
    assert asked == [132 + 126, 132]


def copy_of(model):
    fresh = Weighted(SHAPE)
    fresh.load_state_dict(model.state_dict())
    return fresh


def test_a_cached_curve_is_of_this_model_with_these_weights_and_these_options(clip):
    importance, model = torch.rand(SHAPE), Weighted(SHAPE)
    cases = [
        {},
        {"side": 0.5},
        {"frames": 2},
        {"shares": (0.2,)},
        {"random_orders": 1},
        {"at_once": 3},
        {"fills": ("freeze",)},
    ]
    cases += [{"blur_sigma": 1.0}, {"target": 0}]
    for _ in range(2):
        for case in cases:
            options = {"fills": ("blur",), "units": ("blocks", "tubelets"), "target": 1, **case}
            assert score(importance, clip, model, **options) == score(importance, clip, copy_of(model), **options)
        with torch.no_grad():
            model.weights += 0.1 * torch.randn_like(model.weights)


def test_a_clip_that_the_model_answers_alike_is_another_clip():
    """Two clips of 0 and 1, one the other's mirror image, whose means are the same to the last bit."""
    clip, everywhere = torch.rand(1, *SHAPE).round().expand(3, *SHAPE), Linear(torch.ones(SHAPE))
    one, other = (score(torch.rand(SHAPE), each, everywhere, 1, fills=("fade",)) for each in (clip, clip.flip(-1)))
    assert one["random.fade.blocks.1"] == other["random.fade.blocks.1"]
    assert one["random.fade.blocks.0.5"] != other["random.fade.blocks.0.5"]


class Dropping(Weighted):
    """Drops voxels, and so changes its answer from call to call, unless it is in evaluation mode."""

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(clips, 0.5, self.training))


def test_a_model_is_asked_in_evaluation_mode_and_left_in_its_own(clip):
    importance, model = torch.rand(SHAPE), Dropping(SHAPE)
    expected = score(importance, clip, copy_of(model), 1)
    assert score(importance, clip, model.train(), 1) == expected
    assert model.training


def test_cached_curves_go_with_the_model(clip):
    gc.collect()
    before, model = len(_masked_clip._CACHE), Weighted(SHAPE)
    score(torch.rand(SHAPE), clip, model, 1)
    assert len(_masked_clip._CACHE) == before + 1
    del model
    gc.collect()
    assert len(_masked_clip._CACHE) == before


def test_it_is_deterministic_and_leaves_model_clip_map_and_random_state_as_they_were(clip):
    importance, model = torch.rand(SHAPE).round(), Weighted(SHAPE).train()
    again, kept = copy_of(model), [importance.clone(), clip.clone(), model.weights.clone()]
    state = torch.get_rng_state()
    assert score(importance, clip, model, 1) == score(importance, clip, again, 1)
    assert model.training
    assert model.weights.requires_grad
    assert model.weights.grad is None
    assert all(torch.equal(*pair) for pair in zip(kept, [importance, clip, model.weights], strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def ranks(importance, seed=0):
    units = _units.cells(tuple(importance.shape), (1, 1, 1))
    return _units.ranks_by_importance(importance, units, torch.Generator().manual_seed(seed))


def test_equal_units_come_in_no_order_of_their_place():
    importance = torch.zeros(8, 16, 16)
    importance[:4] = 1
    found = ranks(importance)
    assert found[:4].max() == 1023  # what is greater comes first
    early = found[:4] < 512
    by_frame, by_row = early.float().mean(dim=(1, 2)), early.float().mean(dim=(0, 2))
    assert by_frame.sub(0.5).abs().max() < 0.1  # in raster order 1, 1, 0, 0
    assert by_row.sub(0.5).abs().max() < 0.2


def test_the_place_of_a_unit_among_equals_is_even_over_clips():
    places = torch.stack([ranks(torch.ones(2, 3, 3), seed).flatten() for seed in range(2000)])
    assert places.double().mean(dim=0).sub(8.5).abs().max() < 0.5  # sd of a mean 5.2 / √2000 = 0.12


def test_rounding_orders_nothing_and_the_least_difference_that_maps_store_does():
    importance = torch.full((4, 8, 8), 0.3)
    assert torch.equal(ranks(importance * (1 + 1e-7 * torch.randn(4, 8, 8))), ranks(importance))
    importance[2, 3, 4] = torch.tensor(0.3).half().nextafter(torch.tensor(1.0).half()).float()
    assert ranks(importance)[2, 3, 4] == 0


def test_units_fill_the_clip_where_they_do_not_divide_it():
    units = _units.cells((5, 7, 10), (2, 3, 3))
    assert units.shape == (5, 7, 10)
    sizes = units.flatten().bincount()
    assert len(sizes) == 2 * 2 * 3
    assert sizes.min() >= 2 * 3 * 3
    assert sizes.max() <= 3 * 4 * 4
    # each is a cuboid
    for unit in units.unique():
        inside = (units == unit).nonzero()
        assert (inside.amax(dim=0) - inside.amin(dim=0) + 1).prod() == len(inside)


def test_a_blocks_importance_is_its_mean():
    importance = torch.zeros(2, 4, 4)
    importance[0, 0, 0], importance[1, 2:, 2:] = 1, 0.3  # a peak of mean 0.25, and a flat block
    found = _units.ranks_by_importance(importance, _units.cells((2, 4, 4), (1, 2, 2)), torch.Generator())
    assert (found[1, 3, 3], found[0, 1, 1]) == (0, 1)
    units = _units.cells((5, 7, 10), (2, 3, 3))
    least = units == units.flatten().bincount().argmin()
    assert (_units.ranks_by_importance(1 + 0.01 * least, units, torch.Generator())[least] == 0).all()


def test_a_map_that_puts_nothing_first_has_no_curves(clip):
    with pytest.raises(NoPeakError, match="same value"):
        score(torch.full(SHAPE, 0.3), clip, Weighted(SHAPE), 1)


def test_a_model_that_answers_nan_is_no_number(clip):
    model = Weighted(SHAPE)
    with torch.no_grad():
        model.weights[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match="NaN"):
        score(torch.rand(SHAPE), clip, model, 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shares": (0.0,)}, "shares"),
        ({"shares": (0.5, 1.0)}, "shares"),
        ({"fills": ()}, "fills"),
        ({"side": 0.0}, "side"),
        ({"frames": 0}, "frames"),
        ({"random_orders": 0}, "random_orders"),
    ],
)
def test_options_out_of_range_say_what_to_set(options, text, clip):
    with pytest.raises(UsageError, match=text):
        score(torch.rand(SHAPE), clip, Weighted(SHAPE), 1, **options)


@pytest.mark.parametrize("at", [0.05, 0.1])
def test_parts_are_named_by_direction_fill_unit_and_share(at, clip):
    found = deletion_insertion.score(torch.rand(SHAPE), clip, Weighted(SHAPE), 1, fills=("blur-pyramid",), shares=(at,))
    assert {name.split(".", 3)[0] for name in found} == {"deletion", "insertion", "random"}
    assert {name.split(".", 3)[1] for name in found} == {"blur-pyramid"}
    assert {name.split(".", 3)[2] for name in found} == set(UNITS)
    assert {name.split(".", 3)[3] for name in found} == {"0", f"{at:g}", f"{1 - at:g}", "1", "auc"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_map_from_a_table_meets_a_clip_on_the_gpu(clip):
    importance, model = torch.rand(SHAPE), Weighted(SHAPE)
    on_cpu = score(importance, clip, model, 1)
    assert score(importance, clip.cuda(), model.cuda(), 1) == pytest.approx(on_cpu, abs=1e-4)
