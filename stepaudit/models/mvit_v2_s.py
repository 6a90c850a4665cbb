"""MViTv2-S, a transformer that pools its tokens from stage to stage. Li et al. 2022."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchvision.models.video.mvit import MSBlockConfig, MViT

from stepaudit.errors import UsageError
from stepaudit.layers import arranged, patches
from stepaudit.models._normalise import Normalised
from stepaudit.models._tokens import pulled, spread

ranges = {
    "embed_dim": (1, 4_096),
    "depths": (1, 1_000),
    "frames": (1, 1_024),
    "size": (16, 4_096),
    "dropout": (0, 1),
    "stochastic_depth": (0, 1),
}

MEAN, STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
KERNEL, WHOLE, HALF = [3, 3, 3], [1, 1, 1], [1, 2, 2]
PATCH = (2, 4, 4)  # steps from one to the next in frames, rows, columns
MIN_FRAMES, MIN_PIXELS = 2, 32  # that leave a token in the last stage


class MViTv2(Normalised):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K].

    Positions are relative, in tables made for clips of one size; other clips, of any size, get them interpolated.
    """

    input_size: ClassVar[tuple[int, int, int]] = (16, 224, 224)
    head: ClassVar[str] = "head."
    backbone: "_Backbone"

    @property
    def activation_layer(self) -> nn.Module:
        """The normalisation before the last attention: behind it only the class token counts."""
        return self.backbone.blocks[-1].norm1

    def activation_grid(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """Tokens [N, L, C] of any block, for clips of `size`, as [N, C, t, h, w] without the class token."""
        grid = patches(size, PATCH)
        while prod(grid) + 1 > tokens.shape[1] and max(grid[1:]) > 1:
            grid = patches(grid, HALF)
        return arranged(tokens, grid)

    def rollout(self, weights: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Relevance [N, t, h, w] of the patches to the class token, from weights [N, queries, keys] of all blocks."""
        grids = [patches(size, PATCH)]
        for block in self.backbone.blocks:
            grids.append(patches(grids[-1], block.attn.pool_q.pool.stride))
        own, rest = weights[-1].new_ones(1, 1), weights[-1].new_zeros(1, *grids[-1])
        for block, grid, attention in reversed(list(zip(self.backbone.blocks, grids, weights, strict=False))):
            keys = patches(grid, block.attn.pool_k.pool.stride)
            moved = pulled(torch.cat([own, rest.flatten(1)], dim=1), attention)
            own, rest = own + moved[:, :1], spread(rest, grid) + spread(moved[:, 1:].unflatten(1, keys), grid)
        return rest


class _Backbone(MViT):
    """torchvision's network for clips of any size; its own takes only those that its tables were made for."""

    def forward(self, clips: Tensor) -> Tensor:
        patches = self.conv_proj(clips)
        tokens, size = self.pos_encoding(patches.flatten(2).transpose(1, 2)), tuple(patches.shape[2:])
        for block in self.blocks:
            tokens, size = block(tokens, size)
        return self.head(self.norm(tokens)[:, 0])


def _blocks(embed_dim: int, depths: tuple[int, ...]) -> list[MSBlockConfig]:
    """Each stage doubles channels and heads and, but for the first, halves rows and columns in its first block."""
    blocks, channels = [], embed_dim
    for stage, depth in enumerate(depths):
        pooled = 2 ** (3 - stage)  # less as the grid of the tokens itself gets coarser
        for number in range(depth):
            blocks.append(
                MSBlockConfig(
                    num_heads=2**stage,
                    input_channels=channels,
                    output_channels=embed_dim * 2**stage,
                    kernel_q=KERNEL,
                    kernel_kv=KERNEL,
                    stride_q=HALF if stage > 0 and number == 0 else WHOLE,
                    stride_kv=[1, pooled, pooled],
                )
            )
            channels = blocks[-1].output_channels
    return blocks


def build(
    classes: int,
    *,
    embed_dim: int = 96,
    depths: tuple[int, ...] = (1, 2, 11, 2),
    frames: int = 16,
    size: int = 224,
    dropout: float = 0.5,
    stochastic_depth: float = 0.2,
) -> nn.Module:
    """MViTv2-S for a number of classes.

    Args:
        embed_dim: channels of the first stage; 96 is the full network, which takes torchvision's weights.
        depths: blocks in each stage, of which there are up to four.
        frames: of the clips that the tables of positions are made for; torchvision's weights need 16.
        size: height and width of these clips, in pixels; torchvision's weights need 224.
        dropout: share of features dropped before the classifier while training.
        stochastic_depth: probability that the last block is skipped while training, less for earlier ones.

    Raises:
        UsageError: the stages, or the size, leave nothing to compute.
    """
    if not 1 <= len(depths) <= 4 or min(depths) < 1 or sum(depths) < 2:
        raise UsageError(f"mvit_v2_s: depths {list(depths)}; give up to four numbers from 1 on, such as [1, 2, 11, 2]")
    if frames < MIN_FRAMES or size < MIN_PIXELS:
        raise UsageError(
            f"mvit_v2_s: {frames} frames of {size} pixels leave no token; set `frames` to at least {MIN_FRAMES} and "
            f"`size` to at least {MIN_PIXELS}"
        )
    backbone = _Backbone(
        num_classes=classes,
        spatial_size=(size, size),
        temporal_size=frames,
        block_setting=_blocks(embed_dim, depths),
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
        dropout=dropout,
        stochastic_depth_prob=stochastic_depth,
    )
    return MViTv2(backbone, MEAN, STD)
