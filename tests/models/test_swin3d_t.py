"""Video Swin-T beyond torchvision's: narrow forms, clips of any size, what cannot be built."""

import pytest
import torch

from stepaudit.errors import UsageError
from stepaudit.models import swin3d_t


def narrow(**options):
    return swin3d_t.build(3, **{"embed_dim": 6, "depths": (2, 2), "window": (2, 4, 4), **options}).eval()


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 4, 4), (3, 17, 30), (8, 32, 32), (9, 112, 20)])
def test_a_narrow_network_takes_clips_of_any_size(frames, height, width):
    result = narrow()(torch.rand(2, 3, frames, height, width))
    assert result.shape == (2, 3)
    assert result.isfinite().all()


def test_windows_are_shifted_in_every_second_block_so_that_neighbours_meet():
    """A token hears of another window only through the shifted block: with one block a stage it does not."""
    clips = torch.rand(1, 3, 4, 32, 32, requires_grad=True)
    for depth, meets in ((1, False), (2, True)):
        model, seen = narrow(depths=(depth, 1)), []
        model.backbone.features[0].register_forward_hook(
            lambda _module, _inputs, output, seen=seen: seen.append(output)
        )
        model(clips)
        (gradient,) = torch.autograd.grad(seen[0][0, 0, 3, 3].square().sum(), clips)  # the first window's last token
        assert gradient[..., :16, :16].abs().sum() > 0  # the window: 4 × 4 tokens of 4 × 4 pixels
        assert bool(gradient[..., 16:, :].abs().sum() > 0) is meets


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"embed_dim": 8}, "its 3 heads need a multiple of 3"),
        ({"embed_dim": 0}, "its 3 heads need a multiple of 3"),
        ({"depths": (1,)}, "give numbers from 1 on"),
        ({"depths": ()}, "give numbers from 1 on"),
        ({"depths": (2, 0)}, "give numbers from 1 on"),
        ({"window": (2, 4)}, "give three numbers from 1 on"),
        ({"window": (2, 4, 0)}, "give three numbers from 1 on"),
    ],
)
def test_what_cannot_be_built_says_what_to_set(options, text):
    with pytest.raises(UsageError, match=text):
        narrow(**options)


def test_rows_do_not_depend_on_each_other():
    model, clips = narrow(), torch.rand(3, 3, 8, 32, 32)
    torch.testing.assert_close(model(clips)[1:2], model(clips[1:2]), atol=1e-5, rtol=1e-5)
