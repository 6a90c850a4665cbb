"""Search of the smallest crisp masks that keep the model's answer, with brackets on both sides.

For clip x, class c and a fill, a mask m keeps the share s = (p_c(m ⊗ x) − p_c(fill)) / (p₁ − p_c(fill)), where p₁ is
the probability that the clip gives its own class. A fill with p₁ − p_c(fill) below 0.1 asks nothing of this clip. a*(τ)
is the smallest volume whose mean s, over conditions that the search did not see, is at least τ, and stays so when more
is shown.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from stepaudit.extremal.answers import LEVELS, Answer, Control, Mask
from stepaudit.extremal.crisp import LARGEST, SMALLEST, crisp, crispness, elsewhere, random_pieces, shifted
from stepaudit.extremal.engine import in_parts
from stepaudit.extremal.fills import SEARCH, VERIFY, fills_of, measure_fills, parts, require_finite, target_probability
from stepaudit.extremal.greedy import Greedy
from stepaudit.extremal.memory import rows_at_once
from stepaudit.extremal.perturbation import blend
from stepaudit.extremal.prepared import prepared
from stepaudit.extremal.searching import Run, Search
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sweep import Snapshot, Sweep, shift_px, sweep_settings
from stepaudit.layers import frozen, probability_and_rank, reaches_clips, target_log_probability

READINGS = (0.5, 0.9, 0.75)  # levels that are bracketed first
ITERATIONS = 155
EXTRA_ITERATIONS = 8  # iterations at a time, where the run did not find a mask that fails
FIRST_VERIFIED = 10  # snapshots, evenly spaced in log volume
BUDGET = 200.0  # passes of a clip, class and start; a forward pass counts a third
RESERVE = 6  # masks whose verification is still affordable when a run goes on
BRACKET = 1.2  # a bracket is done when its upper end is at most so many times its lower end
MIN_EXTRA_VOLUME = 0.05  # least volume of the random piece that is shown besides, to see whether the answer stays
RANDOM_RATIOS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
RANDOM_DRAWS = 2
KEPT_CLIPS = 8  # copies of a clip in memory: its fills, and what blending keeps


def answers(
    model: nn.Module,
    clips: Tensor,
    targets: Tensor,
    *,
    own: Tensor | None = None,
    backgrounds: Tensor | None = None,
    settings: Settings,
    geometry: SmoothMax,
    start: Tensor,
    seed: int = 0,
    blur_sigma: float | None = None,
    controls: bool = False,
    further: Callable[["Question"], None] | None = None,
) -> list[Answer]:
    """Need of each clip for its target; further arguments are those of `Question`.

    Args:
        model: in any mode, which it keeps.
        own: [N], the classes whose probability on the clip counts as the whole; by default the targets.
        backgrounds: [N, 3, T, H, W], another clip for each; None leaves that fill out.
        blur_sigma: of the fills, pixels; by default 20 for a shorter side of 112, and in proportion.
        controls: also ask random pieces and masks that are moved elsewhere.
        further: adds to the answers of a question, once it has them.
    """
    geometry = replace(geometry, padded=False)

    def answers_of(rows: slice) -> list[Answer]:
        question = Question(
            model,
            clips[rows],
            targets[rows],
            own=(targets if own is None else own)[rows],
            fills=fills_of(clips[rows], None if backgrounds is None else backgrounds[rows], blur_sigma),
            settings=settings,
            geometry=geometry,
            start=start,
            seed=seed,
            by_gradient=by_gradient,
        )
        rows_answers = question.answer()
        for row in range(len(rows_answers) if controls else 0):
            question.control(row)
        if further is not None:
            further(question)
        return rows_answers

    with frozen(model), torch.enable_grad(), prepared(model, clips[:1]):
        by_gradient = reaches_clips(model, clips[:1])
        size = _rows_that_fit(model, clips, targets, geometry)
        return [answer for part in in_parts(answers_of, len(clips), size) for answer in part]


def _rows_that_fit(model: nn.Module, clips: Tensor, targets: Tensor, geometry: SmoothMax) -> int:
    """Rows that fit into memory together."""
    if len(clips) == 1:
        return 1
    levels = torch.stack([clips[:1]] * 2)
    masks = torch.ones(1, *clips.shape[2:], device=clips.device).requires_grad_()
    own = (KEPT_CLIPS + geometry.reach) * clips[:1].nbytes
    return rows_at_once(
        lambda: target_log_probability(model, blend(levels, masks), targets[:1]), own, model.parameters(), clips.device
    )


class Question:
    """Search of how little of N clips keeps their targets.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K], frozen.
        clips: [N, 3, T, H, W] in [0, 1].
        targets: [N] class indices.
        own: [N], the classes whose probability on the clip counts as the whole.
        fills: fills of the clips by name, each [N, 3, T, H, W].
        settings: of the energy (`stepaudit.extremal.settings`).
        geometry: of the smooth maximum, without padding.
        start: [1, T, h, w], the first seed masks.
        seed: of fills, shifts and random pieces.
        at_once: clips in a forward pass.
        free: [N, T, H, W], 1 where a mask may show the clip and 0 elsewhere; by default everywhere.
        by_gradient: the masks are optimised (`Sweep`), or found by forward passes alone (`Greedy`).
    """

    def __init__(
        self,
        model: nn.Module,
        clips: Tensor,
        targets: Tensor,
        *,
        own: Tensor,
        fills: dict[str, Tensor],
        settings: Settings,
        geometry: SmoothMax,
        start: Tensor,
        seed: int = 0,
        at_once: int = 16,
        free: Tensor | None = None,
        by_gradient: bool = True,
    ):
        self.model, self.clips, self.targets, self.seed, self.at_once = model, clips, targets, seed, at_once
        self.geometry, self.own, self.settings, self.start = geometry, own, settings, start
        with torch.no_grad():
            logits = torch.cat([model(clips[part]) for part in parts(len(clips), at_once)])
        probability, reference = (probability_and_rank(logits, classes)[0] for classes in (targets, own))
        require_finite(probability)
        self.probability = probability.tolist()
        self.fills = measure_fills(model, fills, targets, reference, at_once)
        self.by_gradient = by_gradient
        self.search: Search = self._gradient_search(free) if by_gradient else self._greedy_search(free)
        self.answers = [self._answer_without_masks(row) for row in range(len(clips))]

    def _gradient_search(self, free: Tensor | None) -> Sweep:
        chosen = sweep_settings(self.settings, ITERATIONS)
        return Sweep(
            self.model, self.clips, self.targets, self.fills, chosen, self.geometry, self.start, self.seed, free
        )

    def _greedy_search(self, free: Tensor | None) -> Greedy:
        size = tuple(self.start.shape[1:])
        return Greedy(
            self.model, self.clips, self.targets, self.fills, self.geometry, size, self.seed, free, self.at_once
        )

    def answer(self) -> list[Answer]:
        """The answers of all rows."""
        fills = {row: places for row in range(len(self.answers)) if (places := self.search_fills(row))}
        self._advance(runs := self.search.begin(fills), self.search.passes)
        self._verify([(run.row, each) for run in runs for each in _evenly_spaced(run.snapshots, FIRST_VERIFIED)])
        while True:
            by_step: dict[float, list[Run]] = {}
            for run in runs:
                if self._should_continue(run):
                    by_step.setdefault(run.step, []).append(run)
            if not by_step:
                break
            for together in by_step.values():
                self._advance(together, EXTRA_ITERATIONS)
                self._verify([(run.row, run.snapshots[-1]) for run in together])
        while asked := [each for run in runs for each in self._next_verification(run)]:
            self._verify([(row, what) for row, what in asked if isinstance(what, Snapshot)])
            self._verify_with_more([(row, what) for row, what in asked if isinstance(what, Mask)])
        return self.answers

    def _advance(self, runs: Sequence[Run], passes: int) -> None:
        before = [run.step for run in runs]
        if runs:
            self.search.advance(runs, passes)
        for run, step in zip(runs, before, strict=True):
            self.answers[run.row].passes += run.step - step

    def search_fills(self, row: int) -> list[int]:
        """Places of the fills that a row is searched with: where those of the search ask nothing, the others."""
        return self.fills.asking(row, SEARCH) or self.fills.asking(row, VERIFY)

    def _should_continue(self, run: Run) -> bool:
        """True if at a level of `READINGS` no mask failed yet, and the budget allows smaller masks."""
        answer = self.answers[run.row]
        affordable = answer.passes + EXTRA_ITERATIONS + RESERVE * self.cost(run.row) <= BUDGET
        return affordable and not run.ended and any(map(answer.is_open_below, READINGS))

    def control(self, row: int) -> None:
        """Add to a row's answer the shares kept by random pieces and by its own smallest mask moved elsewhere."""
        answer = self.answers[row]
        if answer.vacuous:
            return
        size, sigma = tuple(self.clips.shape[2:]), self.geometry.sigma
        draws = [
            random_pieces(RANDOM_RATIOS, size, sigma, RANDOM_DRAWS * self.seed + draw) for draw in range(RANDOM_DRAWS)
        ]
        kept = [self.shares([row] * len(masks), masks.to(self.clips)) for masks in draws]
        shares = [_mean(each) for each in zip(*kept, strict=True)]
        answer.random = Control(torch.stack(draws).mean(dim=(0, 2, 3, 4)).tolist(), shares)
        if (mask := answer.smallest(READINGS[0])) is not None:
            answer.elsewhere = self.shares([row], elsewhere(self.shown([(row, mask.snapshot)])))[0]

    def _answer_without_masks(self, row: int) -> Answer:
        """A row's answer before any mask is verified."""
        fills = self.fills
        asks = [fills.names[place] for place in fills.asking(row, fills.names)]
        on_fills = {name: values[row] for name, values in zip(fills.names, fills.probabilities, strict=True)}
        spent = (1 + len(on_fills)) / 3  # passes count with their gradient, which costs as much as two without
        return Answer(
            self.probability[row], fills.reference[row], on_fills, asks, passes=spent, search=self.search.name
        )

    def _next_verification(self, run: Run) -> Iterator[tuple[int, Snapshot | Mask]]:
        """Next verification of a row, within its budget: a mask with more shown, or another one within a bracket."""
        row, answer = run.row, self.answers[run.row]
        if answer.passes + self.cost(row) > BUDGET:
            return
        unasked = next((mask for mask in self._frontier(answer) if mask.with_more is None), None)
        if unasked is not None:
            yield row, unasked
            return
        for level in (*READINGS, *LEVELS):
            for snapshots in (run.snapshots, run.early):
                if (snapshot := _snapshot_in_bracket(answer, level, snapshots)) is not None:
                    yield row, snapshot
                    return

    def _frontier(self, answer: Answer) -> Iterator[Mask]:
        """The smallest mask that does not fail at each level, `READINGS` first."""
        for level in (*READINGS, *LEVELS):
            if (mask := answer.candidate(level)) is not None:
                yield mask

    def cost(self, row: int) -> float:
        """Passes that the verification of one mask takes."""
        return len(self._conditions(row)) / 3

    def _verify(self, asked: Sequence[tuple[int, Snapshot]]) -> None:
        if not asked:
            return
        masks = self.shown(asked)
        shares = self.shares([row for row, _ in asked], masks)
        columns = (asked, masks.mean(dim=(1, 2, 3)).tolist(), crispness(masks).tolist(), shares)
        for (row, snapshot), volume, crisp_share, share in zip(*columns, strict=True):
            self.answers[row].masks.append(Mask(snapshot, volume, crisp_share, share))
            self.answers[row].passes += self.cost(row)

    def _verify_with_more(self, asked: Sequence[tuple[int, Mask]]) -> None:
        """Measure verified masks again with a random piece shown besides, and note the share in their answers."""
        if not asked:
            return
        masks = self.shown([(row, mask.snapshot) for row, mask in asked])
        shares = self.shares([row for row, _ in asked], self.with_more(masks))
        for (row, mask), share in zip(asked, shares, strict=True):
            masks_of_row = self.answers[row].masks
            masks_of_row[masks_of_row.index(mask)] = Mask(mask.snapshot, mask.volume, mask.crispness, mask.share, share)
            self.answers[row].passes += self.cost(row)

    def with_more(self, masks: Tensor) -> Tensor:
        """Masks [n, T, H, W] united with a random piece at least as large as the mask."""
        ratios = [min(LARGEST, max(MIN_EXTRA_VOLUME, volume)) for volume in masks.mean(dim=(1, 2, 3)).tolist()]
        pieces = random_pieces(ratios, tuple(self.clips.shape[2:]), self.geometry.sigma, self.seed)
        return torch.maximum(masks, pieces.to(masks))

    def shown(self, asked: Sequence[tuple[int, Snapshot]]) -> Tensor:
        """Crisp masks of snapshots of some rows, [n, T, H, W]."""
        seeds = torch.stack([snapshot.seed_masks for _, snapshot in asked]).float()
        free = self.search.free[[row for row, _ in asked]]
        return crisp(self.geometry(seeds) * free, [snapshot.ratio for _, snapshot in asked])

    def _conditions(self, row: int) -> list[tuple[str, int, tuple[int, int]]]:
        """Verifying conditions of a row: a group, the place of the fill, and a shift in pixels.

        A group counts once: `half-blur`, `background`, and `moved`, the fills of the search with the mask moved.
        """
        far = shift_px(self.geometry)
        shifts = [(far, 0), (0, far), (-far, 0), (0, -far)]
        unseen = [(self.fills.names[place], place, (0, 0)) for place in self.fills.asking(row, VERIFY)]
        searched = [("moved", place, shifts[place % 4]) for place in self.search_fills(row)]
        return unseen + searched

    @torch.no_grad()
    def shares(self, rows: Sequence[int], masks: Tensor) -> list[float]:
        """Share that each row's mask [n, T, H, W] keeps, mean over the groups of its conditions.

        Nothing is shown where the question's masks are not free to show it.
        """
        asked = [(place, each) for place, row in enumerate(rows) for each in self._conditions(row)]
        kept: list[dict[str, list[float]]] = [{} for _ in rows]
        for part in parts(len(asked), self.at_once):
            some = asked[part]
            index = [rows[place] for place, _ in some]
            fills = self.fills.chosen([fill for _, (_, fill, _) in some], index)
            shown = (
                torch.stack([shifted(masks[place], *shift) for place, (_, _, shift) in some]) * self.search.free[index]
            )
            answers = target_probability(
                self.model, blend(torch.stack([fills, self.clips[index]]), shown), self.targets[index]
            )
            for (place, (group, fill, _)), value in zip(some, answers.tolist(), strict=True):
                kept[place].setdefault(group, []).append(self.fills.share(fill, rows[place], value))
        return [_mean([_mean(group) for group in groups.values()]) for groups in kept]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _evenly_spaced(snapshots: Sequence[Snapshot], count: int) -> list[Snapshot]:
    """So many snapshots, the first and last of them by ratio, the others evenly between on a log scale."""
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.ratio)
    first, last = math.log(ordered[0].ratio), math.log(ordered[-1].ratio)
    goals = [first + (last - first) * step / (count - 1) for step in range(count)]
    nearest = [min(ordered, key=lambda snapshot: abs(math.log(snapshot.ratio) - goal)) for goal in goals]
    return list({id(snapshot): snapshot for snapshot in nearest}.values())


def _snapshot_in_bracket(answer: Answer, level: float, snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """An unverified snapshot that would narrow the bracket of a level; None if there is none or it is narrow enough."""
    lower, upper = answer.lower(level), answer.upper(level)
    if upper is not None and lower is not None and upper <= BRACKET * lower:
        return None
    least, most = lower or SMALLEST, LARGEST if upper is None else upper
    verified = {id(mask.snapshot) for mask in answer.masks}
    inside = [each for each in snapshots if id(each) not in verified and least < each.ratio < most]
    goal = math.sqrt(least * most)
    return min(inside, key=lambda each: abs(math.log(each.ratio / goal)), default=None)
