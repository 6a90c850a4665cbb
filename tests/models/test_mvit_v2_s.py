"""MViTv2 beyond torchvision's: other depths and widths, and clips of another size than its tables were made for."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.video import mvit_v2_s as torchvisions

from stepaudit.errors import UsageError
from stepaudit.models import mvit_v2_s


def narrow(**options):
    return mvit_v2_s.build(3, **{"embed_dim": 4, "depths": (1, 1, 2, 1), "frames": 8, "size": 32, **options}).eval()


def resampled(table, length):
    """Rows of a table at `length` places, linearly between the middles of its rows and constant beyond the outer."""
    rows = table.double().numpy()
    places = (np.arange(length) + 0.5) * len(rows) / length - 0.5
    columns = [np.interp(places, np.arange(len(rows)), column) for column in rows.T]
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)


def test_clips_of_another_size_get_the_positions_interpolated():
    """4 × 64 × 64 pixels are 2 × 16 × 16 tokens, n of which in a row are at 2n − 1 relative places.

    Blocks 1, 3 and 14 halve the rows, block 14 those of its queries only.
    """
    ours, theirs = mvit_v2_s.build(400).eval(), torchvisions().eval()
    theirs.load_state_dict(ours.backbone.state_dict())
    theirs.pos_encoding.temporal_size, theirs.pos_encoding.spatial_size = 2, (16, 16)
    for block, places in zip(theirs.blocks, [31, 15, 15, *[7] * 12, 3], strict=True):
        for axis, length in (("h", places), ("w", places), ("t", 3)):
            table = getattr(block.attn, f"rel_pos_{axis}")
            assert len(table) > length
            setattr(block.attn, f"rel_pos_{axis}", nn.Parameter(resampled(table.detach(), length)))
    clips = torch.rand(1, 3, 4, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(clips), theirs(ours.normalise(clips)), atol=1e-5, rtol=1e-4)


def test_the_full_network_has_torchvisions_blocks():
    with torch.device("meta"):
        ours, theirs = mvit_v2_s.build(400).backbone, torchvisions()
    for mine, other in zip(ours.blocks, theirs.blocks, strict=True):
        for pool in ("pool_q", "pool_k"):
            own, reference = getattr(mine.attn, pool).pool, getattr(other.attn, pool).pool
            assert (own.kernel_size, own.stride) == (reference.kernel_size, reference.stride)
        assert mine.attn.num_heads == other.attn.num_heads
        assert mine.stochastic_depth.p == other.stochastic_depth.p
    assert ours.head[0].p == theirs.head[0].p


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 4, 4), (2, 16, 32), (9, 33, 47), (8, 112, 20)])
def test_a_narrow_network_takes_clips_of_any_size(frames, height, width):
    result = narrow()(torch.rand(2, 3, frames, height, width))
    assert result.shape == (2, 3)
    assert result.isfinite().all()


@pytest.mark.parametrize("depths", [(1, 1), (2,), (1, 2, 3), (1, 1, 1, 1)])
def test_depths_count_the_blocks_of_each_stage_whose_channels_double(depths):
    model = narrow(depths=depths)
    assert len(model.backbone.blocks) == sum(depths)
    assert model.backbone.head[1].in_features == 4 * 2 ** (len(depths) - 1)
    assert model(torch.rand(1, 3, 8, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"depths": (1,)}, "give up to four numbers"),
        ({"depths": (1, 1, 1, 1, 1)}, "give up to four numbers"),
        ({"depths": (2, 0)}, "give up to four numbers"),
        ({"depths": ()}, "give up to four numbers"),
        ({"frames": 1}, "set `frames` to at least 2"),
        ({"size": 31}, "`size` to at least 32"),
    ],
)
def test_what_cannot_be_built_says_what_to_set(options, text):
    with pytest.raises(UsageError, match=text):
        narrow(**options)


def test_rows_do_not_depend_on_each_other():
    model, clips = narrow(), torch.rand(3, 3, 8, 32, 32)
    torch.testing.assert_close(model(clips)[1:2], model(clips[1:2]), atol=1e-5, rtol=1e-5)
