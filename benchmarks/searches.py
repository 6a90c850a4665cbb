"""Masks for a minimum preservation ratio: the search beside a grid of full runs, and if they agree."""

import torch

from benchmarks.audits import Case, cases
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.minimum_ratio import Bound, Evaluation, keeps_probability, minimum, next_ratio
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax

CLIPS, METHOD, PRESET, ITERATIONS = 8, "step", "corrected", 50
RESOLUTION, TOLERANCE, SHARE = 0.01, 0.25, 1.0
COARSE = (0.02, 0.05, 0.1, 0.2, 0.4)
FINE = tuple(round(RESOLUTION * step, 2) for step in range(1, 41))


def searches() -> list[str]:
    """Masks a clip, and the share of clips where both give the same ratio."""
    lines = [
        f"{METHOD}, preset `{PRESET}`, schedule `short` of {ITERATIONS} iterations; {SHARE:.0%} of what the",
        f"full mask keeps; grid of {len(FINE)} ratios from {FINE[0]} to {FINE[-1]}, and the search from {COARSE} until",
        f"its bracket is at most {1 + TOLERANCE} wide.",
        "",
        "| model | clips | masks a clip | of the grid's | agree within 0.01 | censored | the others differ by |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in cases(CLIPS):
        known = _Masks(case)
        rows, bound = range(len(case.clips)), keeps_probability(SHARE)
        searches = [_search(known, row, bound) for row in rows]
        grid = [minimum([known(row, ratio) for ratio in FINE], bound) for row in rows]
        quick = [minimum(masks, bound).ratio for masks in searches]
        pairs = [(one, full.ratio) for one, full in zip(quick, grid, strict=True)]
        apart = [one - other for one, other in pairs if None not in (one, other)]
        agree = sum(abs(value) <= RESOLUTION for value in apart) + pairs.count((None, None))
        others = ", ".join(f"{value:+.3f}" for value in apart if abs(value) > RESOLUTION)
        masks = sum(map(len, searches)) / len(searches)
        censored = sum(full.censored is not None for full in grid)
        cost = f"{masks:.1f} | {masks / len(FINE):.2f}"
        cells = [case.name, len(searches), cost, f"{agree} of {len(searches)}", censored]
        lines.append("| " + " | ".join(map(str, [*cells, others])) + " |")
    return lines


def _search(known: "_Masks", row: int, bound: Bound) -> list[Evaluation]:
    """The masks that the search asks for."""
    masks: list[Evaluation] = []
    while (ratio := next_ratio(masks, bound, COARSE, TOLERANCE)) is not None:
        masks.append(known(row, ratio))
    return masks


class _Masks:
    """Masks of a case's clips at any ratio, each optimised once, by itself or with the grid's."""

    def __init__(self, case: Case):
        self.case, self.evaluations = case, {}
        for row in range(len(case.clips)):
            self._optimise(row, FINE)

    def __call__(self, row: int, ratio: float) -> Evaluation:
        if (row, ratio) not in self.evaluations:
            self._optimise(row, (ratio,))
        return self.evaluations[row, ratio]

    def _optimise(self, row: int, ratios: tuple[float, ...]) -> None:
        case, count = self.case, len(ratios)
        geometry, chosen = SmoothMax.of(*case.clips.shape[-2:]), settings(METHOD, PRESET, "short", ITERATIONS)
        clips, targets = case.clips[row : row + 1].expand(count, -1, -1, -1, -1), case.targets[row].expand(count)
        result = optimise(case.model, clips, targets, torch.tensor(ratios), chosen, Perturbation(), geometry)
        volumes = geometry.crop(geometry(result.seed_masks)).mean(dim=(1, 2, 3))
        numbers = (volumes, result.kept_probability, result.kept_rank, result.full_probability)
        columns = zip(ratios, *(column.tolist() for column in numbers), strict=True)
        self.evaluations |= {(row, values[0]): Evaluation(*values) for values in columns}
