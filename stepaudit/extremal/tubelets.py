"""Tubelets: boxes of seeds in time and in the picture, of which a search takes some away."""

import math
from collections.abc import Sequence
from itertools import pairwise, product

import torch
from torch import Tensor

FIRST_PER_AXIS = 4  # along each axis

Tubelet = tuple[slice, slice, slice]  # seeds in time, down and across
Size = tuple[int, ...]  # [T, h, w]


def first_tubelets(size: Size) -> list[Tubelet]:
    """Equal tubelets that fill a grid of seeds, at most `FIRST_PER_AXIS` along each axis."""
    down_time, down, across = ([slice(*ends) for ends in _intervals(length)] for length in size)
    return list(product(down_time, down, across))


def _intervals(length: int) -> list[tuple[int, int]]:
    count = min(length, FIRST_PER_AXIS)
    return list(pairwise(length * place // count for place in range(count + 1)))


def lengths(tubelet: Tubelet) -> list[int]:
    """Seeds along each axis."""
    return [each.stop - each.start for each in tubelet]


def seeds(tubelet: Tubelet) -> int:
    """Number of its seeds."""
    return math.prod(lengths(tubelet))


def halves(tubelet: Tubelet, size: Size) -> list[Tubelet]:
    """Both halves, cut along the axis on which it covers most of the grid; time before the picture.

    Args:
        tubelet: of two seeds or more.
        size: of the grid.
    """
    covered = [length / whole if length > 1 else 0.0 for length, whole in zip(lengths(tubelet), size, strict=True)]
    axis = covered.index(max(covered))
    start, stop = tubelet[axis].start, tubelet[axis].stop
    middle = (start + stop) // 2
    return [_replace_axis(tubelet, axis, slice(start, middle)), _replace_axis(tubelet, axis, slice(middle, stop))]


def _replace_axis(tubelet: Tubelet, axis: int, part: slice) -> Tubelet:
    first, second, third = (part if place == axis else own for place, own in enumerate(tubelet))
    return first, second, third


def cut(tubelets: Sequence[Tubelet], size: Size, most: int) -> list[Tubelet]:
    """The same seeds in more tubelets: the first ones are halved, again and again until there are half of `most`.

    Args:
        tubelets: those to cut first come first.
        most: tubelets that there may be.

    Returns:
        As many as were given if there is no room, or little to halve.
    """
    done = list(tubelets)
    while len(done) <= most / 2 or len(done) == len(tubelets):
        halved = [each for each in done if seeds(each) > 1][: max(0, most - len(done))]
        if len(halved) < max(1, len(done) / 4):
            break
        done = [part for each in done for part in (halves(each, size) if each in halved else [each])]
    return done


def seed_mask(tubelets: Sequence[Tubelet], size: Size) -> Tensor:
    """Seed mask [T, h, w]: 1 inside the tubelets and 0 elsewhere."""
    mask = torch.zeros(*size)
    for tubelet in tubelets:
        mask[tubelet] = 1
    return mask
