"""The networks set by hand look at what they say, to the voxel, and at nothing else."""

from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional

from stepaudit.clips.geometry import middle_frames
from stepaudit.datasets._render import boxes, render
from stepaudit.datasets._scene import PARTS, draw_scene
from stepaudit.layers import gaussian_blur
from stepaudit.metrics.support import support
from stepaudit.models.planted_white_box import build

FRAMES, SIDE = 16, 48
BLUR = 20 / 112 * SIDE


@cache
def planted(count=6):
    """Clips, targets, directions of stripes, and where object and decoy are, a pixel around them included."""
    drawn = []
    for index in range(count):
        target, stripes = index % 2, index // 2 % 2
        look = {"object_size": 0.3, "speed": 0.4, "scenes": 8, "hue": target / 2, "stripes": (stripes, 2)}
        scene = draw_scene(0, f"v-{index}", ("cross-vertical", "disc-horizontal")[target], PARTS[index % 3], **look)
        chosen = middle_frames(0, scene.frames, FRAMES)
        video = torch.from_numpy(render(scene, 0, f"v-{index}", noise=0.015)[chosen]).permute(0, 3, 1, 2) / 255
        clip = functional.interpolate(video, (SIDE, SIDE), mode="bilinear", antialias=True).transpose(0, 1)
        drawn.append((clip, target, stripes, *(_where(scene, role, chosen) for role in ("object", "decoy"))))
    clips, targets, stripes, objects, decoys = zip(*drawn, strict=True)
    return torch.stack(clips), torch.tensor(targets), torch.tensor(stripes), torch.stack(objects), torch.stack(decoys)


def _where(scene, role, chosen):
    found, scale = torch.zeros(FRAMES, SIDE, SIDE, dtype=torch.bool), (SIDE / scene.width, SIDE / scene.height)
    for frame, *edges in boxes(getattr(scene, role), scene.height, scene.width):
        if frame in chosen:
            x0, y0, x1, y1 = (edge * scale[axis % 2] for axis, edge in enumerate(edges))
            left, top = max(0, int(x0) - 1), max(0, int(y0) - 1)
            found[chosen.index(frame), top : int(np.ceil(y1)) + 1, left : int(np.ceil(x1)) + 1] = True
    return found


def border():
    found = torch.ones(FRAMES, SIDE, SIDE, dtype=torch.bool)
    found[:, 4 + 1 : -4 - 1, 4 + 1 : -4 - 1] = False  # a twelfth of 48 px, and a pixel that the filter reaches further
    return found


def places(looks_at):
    """Where the network of this name may look, [N, T, H, W]."""
    clips, _, _, objects, decoys = planted()
    return {"object": objects, "decoy": decoys, "background": border().expand(len(clips), -1, -1, -1)}[looks_at]


every_look = pytest.mark.parametrize("looks_at", ["object", "decoy", "background"])


def test_the_one_that_looks_at_the_object_is_always_right():
    clips, targets, *_ = planted()
    assert (build(2)(clips).softmax(dim=1)[range(len(clips)), targets] > 0.95).all()


def test_the_one_that_looks_at_the_background_tells_the_direction_of_stripes_and_nothing_of_the_class():
    clips, targets, stripes, *_ = planted()
    answers = build(2, looks_at="background")(clips)
    assert (answers.softmax(dim=1)[range(len(clips)), stripes] > 0.95).all()
    assert 0 < (answers.argmax(dim=1) == targets).sum() < len(clips)


def test_the_one_that_looks_at_the_decoy_tells_the_side_on_which_it_is():
    clips, _, _, _, decoys = planted()
    columns = torch.arange(SIDE) + 0.5
    centres = (decoys.float().sum(dim=(1, 2)) * columns).sum(dim=1) / decoys.float().sum(dim=(1, 2, 3))
    apart = (centres - SIDE / 2).abs() > 4
    assert apart.sum() >= 3
    answers = build(2, looks_at="decoy")(clips).argmax(dim=1)
    assert torch.equal(answers[apart], (centres > SIDE / 2).long()[apart])


@every_look
def test_whatever_becomes_of_all_other_pixels_the_answer_is_the_same(looks_at):
    clips = planted()[0]
    model, place = build(2, looks_at=looks_at), places(looks_at)[:, None]
    grey, noise = torch.full_like(clips, 0.3), 0.2 + 0.2 * torch.rand_like(clips)
    for other in (gaussian_blur(clips, BLUR), grey, noise):
        changed = torch.where(place, clips, other)
        assert not torch.equal(changed, clips)
        assert torch.allclose(model(changed), model(clips), atol=1e-5)  # sums in float32 over 36864 voxels


@every_look
def test_the_gradient_is_zero_elsewhere(looks_at):
    clips = planted()[0]
    for clip, place in zip(clips, places(looks_at), strict=True):
        found = support(build(2, looks_at=looks_at), clip)
        assert found.any()
        assert not (found & ~place).any()


@every_look
def test_without_its_evidence_it_knows_nothing_and_with_nothing_else_it_knows_all(looks_at):
    clips = planted()[0]
    model, place, blurred = build(2, looks_at=looks_at), places(looks_at)[:, None], gaussian_blur(clips, BLUR)
    sure = model(clips).softmax(dim=1).amax(dim=1)
    assert torch.allclose(model(torch.where(place, blurred, clips)).softmax(dim=1), torch.tensor(0.5), atol=0.05)
    assert torch.allclose(model(torch.where(place, clips, blurred)).softmax(dim=1).amax(dim=1), sure, atol=1e-4)


def test_probability_falls_step_by_step_as_its_evidence_fades():
    clips, targets, _, objects, _ = planted()
    model, blurred = build(2), gaussian_blur(clips, BLUR)
    kept = [clips + share * objects[:, None] * (blurred - clips) for share in (0, 0.25, 0.5, 0.75, 1)]
    found = torch.stack([model(part).softmax(dim=1)[range(len(clips)), targets] for part in kept])
    assert (found.diff(dim=0) <= 0).all()
    assert (found[0] - found[-1] > 0.4).all()


@pytest.mark.parametrize(("part", "frames"), [("head", (0, 5)), ("middle", (5, 10)), ("tail", (10, 16))])
def test_it_may_look_at_a_third_of_the_frames(part, frames):
    clips, targets, *_ = planted()
    model, whole = build(2, part=part), build(2)
    for index, clip in enumerate(clips):
        inside = torch.zeros(FRAMES, dtype=torch.bool)
        inside[slice(*frames)] = True
        assert torch.equal(support(model, clip), support(whole, clip) & inside[:, None, None])
        if PARTS[index % 3] == part:
            assert model(clip[None]).softmax(dim=1)[0, targets[index]] > 0.9


def test_more_classes_have_hues_and_directions_of_their_own():
    scene = draw_scene(0, "v", "disc-horizontal", "middle", object_size=0.3, speed=0.4)
    for target in range(3):
        look = {"object_size": 0.3, "speed": 0.4, "scenes": 9, "hue": target / 3, "stripes": (target, 3)}
        scene = draw_scene(0, "v", "disc-horizontal", "middle", **look)
        chosen = middle_frames(0, scene.frames, FRAMES)
        video = torch.from_numpy(render(scene, 0, "v", noise=0.015)[chosen]).permute(0, 3, 1, 2) / 255
        clip = functional.interpolate(video, (SIDE, SIDE), mode="bilinear", antialias=True).transpose(0, 1)[None]
        assert build(3)(clip).argmax() == target
        assert build(3, looks_at="background")(clip).argmax() == target
