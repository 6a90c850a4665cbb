"""Search of small sufficient masks by forward passes alone: tubelets are hidden as long as the answer stays.

It starts from the whole clip. In each round every tubelet that is still shown is hidden alone, once; then those that
are missed least are hidden together, as many as the level allows. When few can go, they are cut in two. The level falls
in the second part of the search, as in `stepaudit.extremal.sweep`, so that one path leaves a mask for every level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

from stepaudit.extremal.crisp import LARGEST, SMALLEST, crisp, shifted
from stepaudit.extremal.fills import Fills, parts, target_probability
from stepaudit.extremal.perturbation import blend
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sweep import FIRST_LEVEL, LAST_LEVEL, Snapshot, shift_px, tilt
from stepaudit.extremal.tubelets import Tubelet, cut, first_tubelets, seed_mask, seeds

PASSES = 155  # of a path; a forward pass counts a third
FALLING = 0.6  # share of these after which the level falls
LEVEL_STEP = 0.1  # by so much it falls before, where nothing can go and nothing be cut
MAX_TUBELETS = 40
TOGETHER = (0.03, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)  # shares of the tubelets that are hidden together
FEW = 0.12  # of the tubelets: if no more can go, they are cut
LOST = 0.03  # of the share kept: hiding all of the tubelets may lose so much below the level, a part of them a part
MIN_LOST = 0.005
SLACK = 0.05  # the most by which the share kept may so fall below the level
Condition = tuple[int, tuple[int, int]]  # place of a fill, and a shift in pixels


@dataclass
class Path:
    """The search of one row.

    Args:
        row: of the batch.
        fills: places of the fills that it is asked with.
        tubelets: those that are shown.
        level: share to keep.
        step: passes done.
        rounds: done.
        ended: nothing can be hidden any more at the last level.
        snapshots: of masks on the path.
        early: none; see `sweep.Run`.
    """

    row: int
    fills: list[int]
    tubelets: list[Tubelet]
    level: float = FIRST_LEVEL
    step: float = 0.0
    rounds: int = 0
    ended: bool = False
    snapshots: list[Snapshot] = field(default_factory=list)
    early: list[Snapshot] = field(default_factory=list)


class Greedy:
    """The paths of N rows. It needs no gradient.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K].
        clips, targets: [N, 3, T, H, W] in [0, 1] and [N].
        fills: of these clips.
        geometry: of the smooth maximum, without padding.
        size: of the grid of seeds, [T, h, w].
        seed: decides which of two equal places is left.
        free: [N, T, H, W], 1 where a mask may show the clip and 0 elsewhere; by default everywhere.
        at_once: clips in a forward pass.
    """

    name = "tubelets"
    passes = PASSES

    def __init__(
        self,
        model: nn.Module,
        clips: Tensor,
        targets: Tensor,
        fills: Fills,
        geometry: SmoothMax,
        size: tuple[int, ...],
        seed: int,
        free: Tensor | None = None,
        at_once: int = 16,
    ):
        self.model, self.clips, self.targets, self.fills = model, clips, targets, fills
        self.geometry, self.size, self.at_once = geometry, size, at_once
        self.free = clips.new_ones(len(clips), 1, 1, 1) if free is None else free
        self.tilt = tilt(size, seed)

    def begin(self, fills: Mapping[int, list[int]]) -> list[Path]:
        """A path of each row with some fills, by their places; not yet advanced."""
        return [Path(row, places, first_tubelets(self.size)) for row, places in fills.items()]

    def advance(self, paths: Sequence[Path], passes: float) -> None:
        """Let each path go on for so many passes, or until it ends."""
        for path in paths:
            goal = path.step + passes
            while path.step < goal and not path.ended:
                self._hide_least_missed(path)
            if not path.snapshots:
                self._add_snapshot(path, path.tubelets)

    def _hide_least_missed(self, path: Path) -> None:
        """One round: hide the tubelets that are missed least; cut them if few can go."""
        path.rounds += 1
        path.level = min(path.level, level_at(path.step))
        order = self._ordered_by_loss(path)
        count = self._removable(path, order)
        path.tubelets = order[count:]
        if count:
            self._add_snapshot(path, path.tubelets)
        if count < FEW * len(order):
            self._cut_tubelets(path)

    def _cut_tubelets(self, path: Path) -> None:
        """Cut the tubelets; where that cannot be done, lower the level, or end at the last one."""
        smaller = cut(path.tubelets, self.size, MAX_TUBELETS)
        if len(smaller) == len(path.tubelets):
            path.ended = path.level <= LAST_LEVEL
            path.level = max(LAST_LEVEL, path.level - LEVEL_STEP)
        path.tubelets = smaller

    def _ordered_by_loss(self, path: Path) -> list[Tubelet]:
        """The tubelets by the probability lost when each is hidden alone, per seed, least first; in one condition."""
        shown = path.tubelets
        if len(shown) == 1:
            return shown
        condition = self._conditions(path)[path.rounds % 4]
        kept = self._probabilities(path, [shown[:place] + shown[place + 1 :] for place in range(len(shown))], condition)
        weights = torch.tensor([self.tilt[each].mean().item() / seeds(each) for each in shown])
        loss = (kept.max() - kept) * weights
        return [shown[place] for place in loss.argsort(stable=True).tolist()]

    def _removable(self, path: Path, order: list[Tubelet]) -> int:
        """Number of the first tubelets that can be hidden together, by bisection."""
        count = len(order)
        counts = [0, *sorted({min(count - 1, max(1, round(share * count))) for share in TOGETHER} - {0})]
        own = self._kept_share(path, order) if len(counts) > 1 else 0.0
        low, high = 0, len(counts)
        while high - low > 1:
            middle = (low + high) // 2
            share = self._kept_share(path, order[counts[middle] :])
            allowed = max(own - LOST * counts[middle] / count, min(own - MIN_LOST, path.level - SLACK))
            low, high = (middle, high) if share >= min(path.level, allowed) else (low, middle)
            if path.level < FIRST_LEVEL:
                self._add_snapshot(path, order[counts[middle] :])
        return counts[low]

    def _kept_share(self, path: Path, tubelets: list[Tubelet]) -> float:
        """Share that is kept if only these are shown, mean over four conditions."""
        shares = [
            self.fills.share(condition[0], path.row, self._probabilities(path, [tubelets], condition).item())
            for condition in self._conditions(path)
        ]
        return sum(shares) / len(shares)

    def _conditions(self, path: Path) -> list[Condition]:
        """Four conditions: the row's fills in turn, each with another shift; none is used in the verification."""
        far = shift_px(self.geometry)
        shifts = [(far, far // 2), (far // 2, -far), (-far, -(far // 2)), (-(far // 2), far)]
        fills = [path.fills[(path.rounds + place) % len(path.fills)] for place in range(len(shifts))]
        return list(zip(fills, shifts, strict=True))

    @torch.no_grad()
    def _probabilities(self, path: Path, sets: Sequence[Sequence[Tubelet]], condition: Condition) -> Tensor:
        """The target's probability when only these tubelets of a row are shown, for each set of them."""
        (fill, shift), row, answers = condition, path.row, []
        levels = torch.stack([self.fills.clips[fill][row], self.clips[row]])[:, None]
        for part in parts(len(sets), self.at_once):
            masks = shifted(self._crisp_masks(sets[part], row), *shift) * self.free[row]
            shown = blend(levels.expand(-1, len(masks), -1, -1, -1, -1), masks)
            answers.append(target_probability(self.model, shown, self.targets[row].expand(len(masks))))
        path.step += len(sets) / 3
        return torch.cat(answers).cpu()

    def _crisp_masks(self, sets: Sequence[Sequence[Tubelet]], row: int) -> Tensor:
        """Crisp masks of sets of tubelets, [n, T, H, W]."""
        grids = torch.stack([seed_mask(tubelets, self.size) for tubelets in sets]).to(self.clips)
        return crisp(self.geometry(grids) * self.free[row], [self._ratio(tubelets) for tubelets in sets])

    def _ratio(self, tubelets: Sequence[Tubelet]) -> float:
        return min(LARGEST, max(SMALLEST, sum(map(seeds, tubelets)) / prod(self.size)))

    def _add_snapshot(self, path: Path, tubelets: Sequence[Tubelet]) -> None:
        grid = seed_mask(tubelets, self.size).half().to(self.clips.device)
        path.snapshots.append(Snapshot(grid, self._ratio(tubelets)))


def level_at(step: float) -> float:
    """The greatest level after so many passes: the first one, and from `FALLING` on down to the last."""
    late = min(1.0, max(0.0, (step / PASSES - FALLING) / (1 - FALLING)))
    return FIRST_LEVEL - (FIRST_LEVEL - LAST_LEVEL) * late
