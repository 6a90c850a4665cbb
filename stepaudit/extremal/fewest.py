"""The fewest elements that suffice: a search that asks about sets, exact unless it is stopped.

A set suffices if it keeps the level, and no larger set around it keeps less than that, but for what is forgiven. So a
set that keeps too little rules out all sets within it, and the least size that is not ruled out is a lower bound (the
hitting sets of Ignatiev et al. 2015). The search asks about the smallest set that is left: if it keeps the level, it is
the answer; if not, it is enlarged as long as it fails, to rule out as many as possible.
"""

from collections.abc import Generator, Iterator, Sequence

import numpy as np

MAX_ELEMENTS = 16  # elements; all their sets are listed

Asked = tuple[int, bool]  # a set, bit i for element i, and whether something else is to be shown besides


class Fewest:
    """Search of the smallest set of n elements that keeps a level; a set is an int whose bit i stands for element i.

    Args:
        weights: n numbers, at most `MAX_ELEMENTS`; heavy elements are tried first, which decides the order alone.
        level: share to keep; the set of all elements keeps 1.
        forgiven: share that may be lost when more is shown.
    """

    def __init__(self, weights: Sequence[float], level: float, forgiven: float):
        if len(weights) > MAX_ELEMENTS:
            raise ValueError(f"{len(weights)} elements; at most {MAX_ELEMENTS} can be searched")
        self.level, self.forgiven = level, forgiven
        self.by_weight = sorted(range(len(weights)), key=lambda element: -weights[element])
        sets = np.arange(2 ** len(weights))
        members = (sets[:, None] >> np.arange(len(weights))) & 1
        self.sets = sets[np.lexsort((-(members @ np.array(weights, float)), members.sum(axis=1)))]  # smallest first
        self.place = np.argsort(self.sets)  # of each set among these
        self.open = self.sets != 0  # those that are not ruled out
        self.shares = {len(sets) - 1: 1.0}
        self.sufficient = {len(sets) - 1}

    @property
    def fewest(self) -> int:
        """The smallest sufficient set so far, as a bit set."""
        left = [some for some in self.sufficient if self.open[self.place[some]]]
        return min(left, key=lambda some: (some.bit_count(), some))

    @property
    def lower(self) -> int:
        """The greatest size at which every set is ruled out; the smallest sufficient set is larger."""
        return self._candidate().bit_count() - 1

    def questions(self) -> Generator[Asked, float, None]:
        """Sets to ask about, each to be answered by the share that it keeps; it may be stopped after any answer."""
        yield from self._bisect_heaviest()
        yield from self._drop_elements()
        while (candidate := self._candidate()).bit_count() < self.fewest.bit_count():
            yield from self._ask(candidate)
            yield from self._enlarge(candidate)

    def _candidate(self) -> int:
        """The smallest set that is not ruled out."""
        return int(self.sets[self.open.argmax()])

    def _ask(self, some: int) -> Generator[Asked, float, None]:
        """Ask about a set, and if it keeps the level, with more shown."""
        if some in self.shares:
            return
        share = self.shares[some] = yield some, False
        if share < self.level - self.forgiven:
            self.open &= (self.sets & ~some) != 0
        elif share >= self.level and (yield some, True) >= self.level - self.forgiven:
            self.sufficient.add(some)
        else:
            self.open[self.place[some]] = False

    def _fails(self, some: int) -> bool:
        return self.shares[some] < self.level - self.forgiven

    def _bisect_heaviest(self) -> Generator[Asked, float, None]:
        """Bisect for how many of the heaviest elements suffice."""
        least, most = 0, len(self.by_weight)
        while most - least > 1:
            middle = (least + most) // 2
            heaviest = _bit_set(self.by_weight[:middle])
            yield from self._ask(heaviest)
            least, most = (least, middle) if heaviest in self.sufficient else (middle, most)

    def _drop_elements(self) -> Generator[Asked, float, None]:
        """Leave elements of the smallest set out, one after the other, where the rest suffices."""
        for element in reversed(list(self._members(self.fewest))):
            yield from self._ask(self.fewest & ~(1 << element))

    def _enlarge(self, some: int) -> Generator[Asked, float, None]:
        """Add to a set that fails the lightest elements, many at once first, as long as it fails."""
        left = [element for element in reversed(self.by_weight) if not some >> element & 1]
        step = len(left) // 2
        while step and self._fails(some):
            larger = some | _bit_set(left[:step])
            yield from self._ask(larger)
            if self._fails(larger):
                some, left = larger, left[step:]
                step = min(step, len(left))
            else:
                step //= 2

    def _members(self, some: int) -> Iterator[int]:
        """Elements of a set, heaviest first."""
        return (element for element in self.by_weight if some >> element & 1)


def _bit_set(elements: Sequence[int]) -> int:
    return sum(1 << element for element in elements)
