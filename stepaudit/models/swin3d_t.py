"""Video Swin-T, a transformer whose attention stays within shifted windows of space and time. Liu et al. 2022."""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models.video.swin_transformer import SwinTransformer3d

from stepaudit.errors import NotApplicableError, UsageError
from stepaudit.layers import patches
from stepaudit.models._normalise import IMAGENET, Normalised
from stepaudit.models._tokens import pulled, spread, unwindowed, windowed

ranges = {"embed_dim": (1, 4_096), "depths": (1, 1_000), "window": (1, 1_024), "stochastic_depth": (0, 1)}
PATCH = [2, 4, 4]  # frames, rows, columns
HEADS = 3  # of the first stage


class Swin3D(Normalised):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K], of any size; partial patches and windows are padded.

    The weights were trained on 32 frames. In a clip of less than 16 frames or 224 pixels the last windows are larger
    than their stage, and torchvision's bias of relative positions is then off: fine-tune at the size of the audit.
    """

    input_size: ClassVar[tuple[int, int, int]] = (32, 224, 224)
    head: ClassVar[str] = "head."
    backbone: SwinTransformer3d

    @property
    def activation_layer(self) -> nn.Module:
        """The normalisation before the last attention."""
        return self.backbone.features[-1][-1].norm1

    def activation_grid(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """Tokens [N, t, h, w, C] as [N, C, t, h, w]."""
        if tokens.ndim != 5:
            raise NotApplicableError(f"the layer that is read gives {list(tokens.shape)}, not [N, t, h, w, C]")
        return tokens.movedim(-1, 1)

    def rollout(self, weights: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Relevance [N, t, h, w] of the patches to the mean of all tokens, from weights of all windows and blocks."""
        stages = list(self.backbone.features[::2])
        grids = [patches(size, PATCH)]
        grids += [patches(grids[0], (1, 2**stage, 2**stage)) for stage in range(1, len(stages))]
        relevance, left = weights[-1].new_ones(1, *grids[-1]) / prod(grids[-1]), list(weights)
        for stage, grid in reversed(list(zip(stages, grids, strict=True))):
            relevance = spread(relevance, grid)
            for block in reversed(list(stage)):
                window, shift = _windows(block.attn, grid)
                moved = pulled(windowed(relevance, window, shift), left.pop())
                relevance = relevance + unwindowed(moved, grid, window, shift)
        return relevance


def _windows(attention: Any, grid: Sequence[int]) -> tuple[list[int], list[int]]:
    """Size and shift of the windows of a block: a window that is no smaller than the grid is the grid, unshifted."""
    sides = list(zip(attention.window_size, attention.shift_size, grid, strict=True))
    return (
        [min(window, count) for window, _, count in sides],
        [0 if count <= window else shift for window, shift, count in sides],
    )


def build(
    classes: int,
    *,
    embed_dim: int = 96,
    depths: tuple[int, ...] = (2, 2, 6, 2),
    window: tuple[int, ...] = (8, 7, 7),
    stochastic_depth: float = 0.1,
) -> nn.Module:
    """Video Swin-T for a number of classes.

    Args:
        embed_dim: channels of the first stage; 96 is the full network, which takes torchvision's weights.
        depths: blocks in each stage; every second one shifts its windows.
        window: tokens of a window over time, rows and columns; a token is 2 frames of 4 × 4 pixels.
        stochastic_depth: probability that the last block is skipped while training, less for earlier ones.

    Raises:
        UsageError: the heads do not divide the channels, or there are too few blocks.
    """
    if embed_dim < HEADS or embed_dim % HEADS:
        raise UsageError(f"swin3d_t: embed_dim {embed_dim}; its {HEADS} heads need a multiple of {HEADS}")
    if min(depths, default=0) < 1 or sum(depths) < 2:
        raise UsageError(f"swin3d_t: depths {list(depths)}; give numbers from 1 on, such as [2, 2, 6, 2]")
    if len(window) != 3 or min(window) < 1:
        raise UsageError(f"swin3d_t: window {list(window)}; give three numbers from 1 on, such as [8, 7, 7]")
    backbone = SwinTransformer3d(
        num_classes=classes,
        patch_size=PATCH,
        embed_dim=embed_dim,
        depths=list(depths),
        num_heads=[HEADS * 2**stage for stage in range(len(depths))],
        window_size=list(window),
        stochastic_depth_prob=stochastic_depth,
    )
    return Swin3D(backbone, *IMAGENET)
