"""The small frame network: what its two poolings need of a clip."""

import pytest
import torch
from torch import nn

from stepaudit.models import pooled_frames

T, SHOWN = 8, 3


class Bright(nn.Module):
    """Features that are 1 in frames with a bright pixel, 0 in others. [N, 3, T, H, W] to [N, 1, T, H, W]."""

    def forward(self, clips):
        return (clips.amax(dim=1, keepdim=True) > 0.5).float()


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_the_maximum_needs_one_frame_and_the_mean_counts_them(pooling):
    """A frame with a bright pixel is sure of the first class, another one of nothing."""
    net = pooled_frames.build(2, width=1, pooling=pooling).eval()
    net.features = Bright()
    net.classifier = nn.Linear(1, 2, bias=False)
    net.classifier.weight.copy_(torch.tensor([[20.0], [-20.0]]))
    clips = torch.zeros(1, 3, T, 6, 6)
    clips[0, :, 2 : 2 + SHOWN, 4, 1] = 1
    for shown in range(SHOWN, -1, -1):
        clips[0, :, 2 + shown :] = 0
        sure = min(shown, 1) if pooling == "max" else shown / T
        assert net(clips).softmax(dim=1)[0, 0].item() == pytest.approx((1 + sure) / 2, abs=1e-4)
