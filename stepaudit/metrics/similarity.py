"""Similarity of a map to the maps of another seed, model or class."""

import torch
from torch import Tensor

from stepaudit.errors import AuditError, NoPeakError

ranges = {"threshold": (0, 1)}


def score(
    importance: Tensor, references: dict[str, Tensor], *, threshold: float = 0.7
) -> dict[str, float | AuditError]:
    """Rank correlation and IoU with each reference map: `<reference>.rank`, `<reference>.iou`.

    References are `seed` (the map of the method's first seed), `model` (of a control: the map of the model that it is
    a control of) and `target` (of a method that explains another class: the map for the label), each of the same clip,
    method and ratio.

    Args:
        importance: [T, H, W], not negative.
        references: [T, H, W] each.
        threshold: rank correlation below which the reports call a map changed; the values do not depend on it.

    Returns:
        In [-1, 1] for the ranks, where two maps that have nothing to do with each other are at 0, and in [0, 1] for
        IoU; a NoPeakError where one of the maps is constant.
    """
    values: dict[str, float | AuditError] = {}
    for name, reference in references.items():
        values |= {f"{name}.rank": _rank(importance, reference), f"{name}.iou": _iou(importance, reference)}
    return values


def _rank(one: Tensor, other: Tensor) -> float | AuditError:
    """Spearman's correlation over the voxels; equal values share their mean rank."""
    ranks = torch.stack([_ranks(one), _ranks(other)])
    if (ranks.amax(dim=1) == ranks.amin(dim=1)).any():
        return NoPeakError("one of the maps is constant, so that it ranks nothing")
    centred = ranks - ranks.mean(dim=1, keepdim=True)
    product, squares = (centred[0] * centred[1]).sum(), centred.square().sum(dim=1)
    return (product / squares.prod().sqrt()).clamp(-1, 1).item()


def _ranks(importance: Tensor) -> Tensor:
    """Mean ranks of the voxels, flat, from 1. Values are as exact as stored grids, so that rounding ranks nothing."""
    _, places, counts = importance.flatten().half().unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2).double()[places]


def _iou(one: Tensor, other: Tensor) -> float | AuditError:
    """Sum of the lesser over sum of the greater values, of maps whose sum is 1: of equally large masks, their IoU."""
    masses = one.double(), other.double()
    if min(mass.sum() for mass in masses) <= 0:
        return NoPeakError("one of the maps is 0 everywhere")
    shares = [mass / mass.sum() for mass in masses]
    return (torch.minimum(*shares).sum() / torch.maximum(*shares).sum()).item()
