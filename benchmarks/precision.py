"""Effect of bfloat16 on masks and their kept probability, beside that of another start."""

from copy import deepcopy
from dataclasses import replace

from benchmarks.audits import Case, cases
from benchmarks.schedules import NOISE, agreement, quality, seed_masks
from stepaudit.extremal.settings import settings
from stepaudit.layers import computing_in

CLIPS, METHOD, PRESET = 8, "step", "corrected"


def precision() -> list[str]:
    """Differences of bfloat16 to float32; quality is measured in float32 for both."""
    lines = [
        f"{METHOD}, preset `{PRESET}`, schedule `short`, ratio 0.1; autocast on the CPU, which rounds as a GPU does.",
        "",
        "| model | largest Δ kept | largest Δ area error | agreement with float32 | of float32 with another start |",
        "|---|---|---|---|---|",
    ]
    chosen = settings(METHOD, PRESET, "short", None)
    for case in cases(CLIPS):
        full, again = (seed_masks(case, chosen, noise) for noise in (0.0, NOISE))
        rounded = seed_masks(_rounded(case), chosen, 0.0)
        one, other = (quality(case, seeds) for seeds in (full, rounded))
        numbers = [
            (other.kept - one.kept).abs().max().item(),
            (other.area_error - one.area_error).abs().max().item(),
            agreement(case, full, rounded),
            agreement(case, full, again),
        ]
        lines.append("| " + " | ".join([case.name, *(f"{number:.3f}" for number in numbers)]) + " |")
    return lines


def _rounded(case: Case) -> Case:
    return replace(case, model=computing_in(deepcopy(case.model), "bfloat16"))
