"""Need of a clip, as records: verified masks of one clip and class, and the brackets that they give."""

import math
from dataclasses import dataclass, field

from stepaudit.extremal.sweep import Snapshot

LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # over which the geometric mean is taken
FORGIVEN = 0.1  # share that may be lost when more is shown


@dataclass(frozen=True, eq=False)
class Mask:
    """A verified mask of one row.

    Args:
        snapshot: its seed masks, and the ratio at which they are shown.
        volume: mean of the crisp mask.
        crispness: Σm² / Σm of it.
        share: kept, mean over the verifying conditions.
        with_more: kept when a random piece is shown besides; None if it was not asked.
    """

    snapshot: Snapshot
    volume: float
    crispness: float
    share: float
    with_more: float | None = None

    def keeps(self, level: float) -> bool:
        """True if it keeps the level, also when more is shown; False if that was not tried."""
        return self.with_more is not None and not self.fails(level)

    def fails(self, level: float) -> bool:
        """True if it does not keep the level, or loses it when more is shown."""
        return self.share < level or (self.with_more is not None and self.with_more < level - FORGIVEN)


@dataclass(frozen=True)
class Control:
    """Volumes and kept shares of masks that know nothing of the clip."""

    volumes: list[float]
    shares: list[float]

    def upper(self, level: float) -> float:
        """The smallest volume at and above which every mask keeps the level; 1, the whole clip, if there is none."""
        least = 1.0
        for volume, share in sorted(zip(self.volumes, self.shares, strict=True), reverse=True):
            if share < level:
                break
            least = volume
        return least

    @property
    def log2_area(self) -> float:
        """Mean of log₂ of `upper` over `LEVELS`."""
        return sum(math.log2(self.upper(level)) for level in LEVELS) / len(LEVELS)


@dataclass
class Readings:
    """Further readings of what one row needs, each None if it was not asked, or nothing is needed.

    Args:
        frames: from 0, the fewest whole frames found that keep half of what the clip adds.
        frames_lower: the greatest number of frames of which no choice does; one less than those if they are exact.
        tube: share of the picture of the smallest region that does when it is shown in all frames.
        tube_lower: the greatest smaller one that was tried and fails.
        pieces: found that have no voxel in common and keep three quarters, each for itself.
        passes: spent on these readings; a forward pass counts a third.
    """

    frames: list[int] | None = None
    frames_lower: int | None = None
    tube: float | None = None
    tube_lower: float | None = None
    pieces: int | None = None
    passes: float = 0.0


@dataclass
class Answer:
    """Need of one row: the smallest masks that keep its class.

    Args:
        probability: of the target on the clip.
        reference: p₁, of the clip's own class.
        fill_probabilities: the target's probability on each fill alone, by name.
        asks: names of the fills over which the clip adds enough for a share of it to be asked.
        masks: verified ones.
        passes: spent on the search and its verification; a forward pass counts a third.
        random: what random pieces keep; None if they were not asked.
        elsewhere: share that the smallest mask for a level of 0.5 keeps where it does not belong, likewise.
        readings: further ones, those that were asked.
        search: `gradients`, or `tubelets` by forward passes alone.
    """

    probability: float
    reference: float
    fill_probabilities: dict[str, float]
    asks: list[str]
    masks: list[Mask] = field(default_factory=list)
    passes: float = 0.0
    random: Control | None = None
    elsewhere: float | None = None
    readings: Readings = field(default_factory=Readings)
    search: str = "gradients"

    @property
    def vacuous(self) -> bool:
        """True if nothing is needed: every fill alone already has the answer."""
        return not self.asks

    def smallest(self, level: float) -> Mask | None:
        """The smallest mask that keeps a level."""
        return min((mask for mask in self.masks if mask.keeps(level)), key=lambda mask: mask.volume, default=None)

    def upper(self, level: float) -> float | None:
        """a*(level), the smallest volume that keeps the level: 0 if the fills alone do, 1 if only the whole clip does.

        None for a class that not even the whole clip keeps.
        """
        if self.vacuous:
            return 0.0
        smallest = self.smallest(level)
        if smallest is None:
            return 1.0 if self.probability >= self.reference else None
        return smallest.volume

    def lower(self, level: float) -> float | None:
        """The greatest volume below a*(level) that was tried and fails; None if none fails."""
        upper = self.upper(level)
        return self._failing_below(level, math.inf if upper is None else upper)

    def is_open_below(self, level: float) -> bool:
        """True if no mask fails that is smaller than the candidate."""
        candidate = self.candidate(level)
        return self._failing_below(level, math.inf if candidate is None else candidate.volume) is None

    def _failing_below(self, level: float, most: float) -> float | None:
        """Volume of the largest mask smaller than `most` that fails at the level."""
        return max((mask.volume for mask in self.masks if mask.fails(level) and mask.volume < most), default=None)

    def candidate(self, level: float) -> Mask | None:
        """The smallest mask that does not fail at a level: it may still have to be asked with more shown."""
        return min((mask for mask in self.masks if not mask.fails(level)), key=lambda mask: mask.volume, default=None)

    @property
    def log2_area_lower(self) -> float | None:
        """Mean of log₂ of `lower` over `LEVELS`; None if one of them is missing, or the row is vacuous."""
        ends = [self.lower(level) for level in LEVELS]
        return None if self.vacuous or None in ends else sum(math.log2(end) for end in ends if end) / len(LEVELS)

    @property
    def log2_area(self) -> float | None:
        """Mean of log₂ a*(τ) over `LEVELS`, levels that no mask keeps counting as the whole clip; None if vacuous."""
        if self.vacuous:
            return None
        return sum(math.log2(self.upper(level) or 1.0) for level in LEVELS) / len(LEVELS)

    def curve(self) -> list[tuple[float, float]]:
        """Volume and kept share of the verified masks, by volume."""
        return sorted((mask.volume, mask.share) for mask in self.masks)
