"""Controls that ignore the model: motion, edges, and where the training boxes lie."""

import numpy as np
import pytest
import torch
from narrow_models import some_clips
from PIL import Image
from scipy.ndimage import gaussian_filter, sobel
from torch import Tensor, nn

from stepaudit.errors import NotApplicableError, TooShortError
from stepaudit.methods import annotation_prior, edges, motion_energy

MODEL = nn.Identity()  # controls do not ask the model
ROUNDING = {"atol": 1e-3, "rtol": 0}  # float16 rounds by 5e-4


def controlled(method, clips: Tensor, **options: object) -> Tensor:
    """The control's full maps. [N, T, H, W]."""
    return method.attribute(MODEL, clips, torch.zeros(len(clips), dtype=torch.long), **options).full()


def grey_clip(frames: list) -> Tensor:
    """One clip whose three colours are alike. [T, H, W] to [1, 3, T, H, W]."""
    return torch.tensor(frames).expand(1, 3, -1, -1, -1).contiguous()


def luma(clips: Tensor) -> np.ndarray:
    """Pillow's grey, of 8-bit frames, in [0, 1]. [N, T, H, W]."""
    frames = (clips * 255).round().byte().permute(0, 2, 3, 4, 1).numpy()
    return np.stack([[np.asarray(Image.fromarray(frame).convert("L")) for frame in clip] for clip in frames]) / 255


def relative(importance: np.ndarray) -> Tensor:
    return torch.from_numpy(importance / importance.max(axis=(1, 2, 3), keepdims=True)).float()


def test_motion_by_hand():
    """One row of three pixels over four frames; the changes are 0 0 ¼, 0 ½ 0 and 1 0 0."""
    clip = grey_clip([[[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.25]], [[0.0, 0.5, 0.25]], [[1.0, 0.5, 0.25]]])
    expected = [[0, 0, 0.25], [0, 0.25, 0.125], [0.5, 0.25, 0], [1, 0, 0]]
    found = controlled(motion_energy, clip, smoothing=0.0)[0, :, 0]
    torch.testing.assert_close(found, torch.tensor(expected), **ROUNDING)


def test_motion_backwards_is_the_map_backwards():
    clips = some_clips(2)
    assert torch.equal(controlled(motion_energy, clips.flip(2)), controlled(motion_energy, clips).flip(1))


@pytest.mark.parametrize("smoothing", [0.02, 0.1])
def test_motion_equals_pillows_grey_and_scipys_gaussian(smoothing):
    clips = (some_clips(2) * 255).round() / 255
    frames, sigma = luma(clips), smoothing * 32
    change = np.abs(np.diff(frames, axis=1))
    energy = [change[:, 0], *((change[:, t - 1] + change[:, t]) / 2 for t in range(1, 7)), change[:, 6]]
    radius = max(1, round(3 * sigma))
    blurred = gaussian_filter(np.stack(energy, axis=1), sigma, axes=(2, 3), mode="nearest", radius=radius)
    found = controlled(motion_energy, clips, smoothing=smoothing)
    # Pillow rounds grey by 1/510; the greatest change is about half of the range.
    torch.testing.assert_close(found, relative(blurred), atol=8e-3, rtol=0)


@pytest.mark.parametrize("size", [(7, 9), (33, 31)])
def test_what_stands_still_has_no_motion_and_what_is_flat_has_no_edges(size):
    """Exactly none: an error of rounding would be scaled up to a map."""
    still = torch.rand(2, 3, 1, *size).expand(-1, -1, 5, -1, -1)
    flat = torch.rand(2, 3, 5, 1, 1).expand(-1, -1, -1, *size)
    assert torch.equal(controlled(motion_energy, still), torch.zeros(2, 5, *size))
    assert torch.equal(controlled(edges, flat), torch.zeros(2, 5, *size))


def test_a_clip_without_motion_does_not_touch_its_neighbour():
    clips = some_clips(2)
    clips[0] = 0.5
    for method in (motion_energy, edges):
        maps = controlled(method, clips)
        assert maps[0].max() == 0
        assert maps[1].max() == 1


def test_motion_needs_two_frames():
    with pytest.raises(TooShortError, match="clip of 1 frame: motion needs 2"):
        controlled(motion_energy, some_clips(1, frames=1))


def test_edges_by_hand():
    """A step of 1 between two columns, and of ½: both columns beside a step see it."""
    clip = grey_clip([[[0.0, 0.0, 1.0, 1.0, 1.0]] * 3, [[0.5, 0.5, 0.5, 0.5, 0.0]] * 3])
    expected = [[[0, 1, 1, 0, 0]] * 3, [[0, 0, 0, 0.5, 0.5]] * 3]
    torch.testing.assert_close(controlled(edges, clip)[0], torch.tensor(expected, dtype=torch.float32), **ROUNDING)


def test_edges_equal_pillows_grey_and_scipys_sobel():
    clips = (some_clips(2, size=24)[..., :17] * 255).round() / 255
    frames = luma(clips)
    planes = [np.hypot(*(sobel(plane, axis, mode="nearest") for axis in (0, 1))) for plane in np.concatenate(frames)]
    magnitude = np.stack(planes).reshape(frames.shape)
    # Pillow rounds grey by 1/510, of which Sobel adds up eight.
    assert magnitude.max(axis=(1, 2, 3)).min() > 2
    torch.testing.assert_close(controlled(edges, clips), relative(magnitude), atol=8 / 510 / 2, rtol=0)


def test_the_prior_is_the_same_for_every_clip_and_is_not_scaled():
    prior = torch.zeros(8, 32, 32)
    prior[2:4, 5:9, 10:12] = 0.75
    prior[3, 6, 10] = 0.3
    maps = controlled(annotation_prior, some_clips(3), box_prior=prior)
    assert torch.equal(maps, prior.half().float().expand(3, -1, -1, -1))


def test_without_boxes_there_is_no_prior():
    with pytest.raises(NotApplicableError, match="no training clip of the data set has a box"):
        controlled(annotation_prior, some_clips(1), box_prior=torch.zeros(8, 32, 32))
