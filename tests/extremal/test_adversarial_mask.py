"""Masks that are accidents of the optimiser: one seed a pixel and no smoothness. The report must call them so."""

import pytest
import torch
from known_answer import Cuboid, Texture, textured_clips
from mask_classes import by_clip, evidence, measured
from torch import nn

from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax

SHAPE = (8, 32, 32)
EVIDENCE = Cuboid((2, 6), (8, 24), (8, 24))
BOXES = [[(8.0, 8.0, 24.0, 24.0)] if 2 <= frame < 6 else [] for frame in range(SHAPE[0])]
IN_ACTION = [bool(of_frame) for of_frame in BOXES]
SMOOTH = SmoothMax(*SHAPE[1:], sigma=3, step=2, padded=False)
PIXELWISE = SmoothMax(*SHAPE[1:], sigma=0.3, step=1, padded=False)


class Weak(Texture):
    """The known answer with an adversarial weakness: a faint pattern of single pixels also speaks for class 1.

    Over a whole clip, or over any blob of it, the pattern cancels out; who may choose single pixels can add it up.
    """

    def __init__(self):
        super().__init__(EVIDENCE, contrast=1 / 6)
        self.register_buffer("pattern", torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)).sign() / 40)

    def forward(self, clips):
        said = (self.pattern * (clips - 0.5)).sum(dim=(1, 2, 3, 4))
        return super().forward(clips) + torch.stack([-said, said], dim=1) / 2


def optimised(model, clip, target, ratio, geometry, iterations=60):
    """A mask [T, H, W] and the probability that it keeps."""
    chosen = settings("ep3d", "corrected", "short", iterations)
    given = (clip[None], torch.tensor([target]), torch.tensor([ratio]))
    found = optimise(model, *given, chosen, Perturbation("blur"), geometry)
    return geometry.crop(geometry(found.seed_masks))[0], found.kept_probability.item()


@pytest.fixture
def clip():
    return textured_clips(1, *SHAPE)[0]


def test_a_mask_of_single_pixels_that_adds_up_a_weakness_is_adversarial_and_a_smooth_one_focused(clip, tmp_path):
    masks = {
        "pixels": optimised(Weak(), clip, 1, 0.05, PIXELWISE),  # far less than the evidence, which fills an eighth
        "smooth": optimised(Weak(), clip, 1, 0.2, SMOOTH),
    }
    kept = {name: kept for name, (_, kept) in masks.items()}
    assert min(kept.values()) > 0.9
    parts = {
        name: measured(mask, clip, Weak(), 1, boxes=BOXES, in_action=IN_ACTION, ratio=ratio)
        for (name, (mask, _)), ratio in zip(masks.items(), (0.05, 0.2), strict=True)
    }
    rows = by_clip(evidence(tmp_path, parts, kept=kept))
    assert {name: row["class"] for name, row in rows.items()} == {"pixels": "adversarial", "smooth": "focused"}
    assert "a small shift" in rows["pixels"]["because"]
    assert rows["pixels"]["shift_probability"] < rows["pixels"]["held_probability"]


def striped(targets, frames, generator):
    """Noise with a patch of upright stripes (class 0) or level ones (class 1) somewhere. Clips, and boxes by frame."""
    clips = 0.5 + 0.05 * torch.randn(len(targets), 3, frames, *SHAPE[1:], generator=generator)
    stripes = 0.2 * torch.tensor([1.0, 1, -1, -1]).repeat(3)
    corners = torch.randint(2, 18, (len(targets), 2), generator=generator).tolist()
    for clip, target, (y, x) in zip(clips, targets.tolist(), corners, strict=True):
        clip[:, :, y : y + 12, x : x + 12] += stripes[:, None] if target else stripes[None]
    return clips.clamp(0, 1), [[[(x, y, x + 12, y + 12)]] * frames for y, x in corners]


class Small(nn.Sequential):
    """Two convolutions in space, a mean, a linear layer."""

    def __init__(self):
        first, second = nn.Conv3d(3, 8, (1, 5, 5), stride=(1, 2, 2)), nn.Conv3d(8, 16, (1, 3, 3), stride=(1, 2, 2))
        super().__init__(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, 2))

    def forward(self, clips):
        return super().forward(clips - 0.5)


def trained(seed):
    """A network that has learned to tell the stripes apart, on clips of a single frame."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Small()
    generator, adam = torch.Generator().manual_seed(seed), torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        targets = torch.randint(2, (16,), generator=generator)
        loss = nn.functional.cross_entropy(net(striped(targets, 1, generator)[0]), targets)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return net.eval()


@pytest.fixture(scope="module")
def networks():
    """Two networks that know both clips, and the clips with their boxes."""
    model, peer = trained(0), trained(1)
    clips, boxes = striped(torch.tensor([0, 1]), SHAPE[0], torch.Generator().manual_seed(9))
    with torch.no_grad():
        assert all(net(clips).softmax(dim=1).diagonal().min() > 0.9 for net in (model, peer))
    return model, peer, clips, boxes


def test_on_a_trained_network_a_mask_of_single_pixels_for_an_answer_that_the_clip_lacks_is_adversarial(tmp_path):
    """And a smooth mask for the answer that it has is focused."""
    model, peer = trained(0), trained(1)
    (level, upright), boxes = striped(torch.tensor([1, 0]), SHAPE[0], torch.Generator().manual_seed(9))
    with torch.no_grad():
        for net in (model, peer):
            assert net(torch.stack([upright, level])).softmax(dim=1).diagonal().min() > 0.9
    right, kept_right = optimised(model, level, 1, 0.1, SMOOTH)
    wrong, kept_wrong = optimised(model, upright, 1, 0.1, PIXELWISE)
    parts = {
        "right": measured(right, level, model, 1, boxes=boxes[0], peers={"peer": peer}, ratio=0.1),
        "wrong": measured(wrong, upright, model, 1, boxes=boxes[1], peers={"peer": peer}, ratio=0.1),
        "wrong, no peer": measured(wrong, upright, model, 1, boxes=boxes[1], ratio=0.1),
    }
    rows = by_clip(evidence(tmp_path, parts, kept=dict(zip(parts, (kept_right, kept_wrong, kept_wrong), strict=True))))
    assert min(row["kept_probability"] for row in rows.values()) > 0.8
    assert rows["wrong"]["clip_probability"] < 0.1
    assert rows["wrong"]["fill_alone_probability"] < 0.3
    assert [row["class"] for row in rows.values()].count("adversarial") == 2
    assert (rows["right"]["class"], rows["right"]["peers_kept"]) == ("focused", 1)
    assert all("a small shift" in row["because"] for name, row in rows.items() if name != "right")
    assert "nor a peer" in rows["wrong"]["because"]
