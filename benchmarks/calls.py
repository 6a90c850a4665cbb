"""How many calls of the model a result costs: schedules against the faithful one, and the search for the minimum ratio.

Both are measured on what `make demo` trained and found: random weights would prove nothing.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from stepaudit import config, database
from stepaudit.checkpoint import trained
from stepaudit.clips import of_split, to_tensor
from stepaudit.extremal.engine import Result, energy_function, optimise
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.settings import Settings, settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.layers import target_log_probability

DEMO = Path("results/demo")
CLIPS, RATIO = 4, 0.05
SCHEDULES = (("paper", 2000), ("short", 200), ("short", 100), ("short", 50))
RESOLUTION = 0.01


def schedules(methods: tuple[str, ...] = ("step",), preset: str = "corrected") -> list[str]:
    """Energy, kept probability, hard-mask probability and area error of each schedule on the demo's models."""
    demo = config.load(DEMO / "config.yaml")
    lines = [
        f"| model, method (`{preset}`), schedule | calls | energy | kept probability | of the hard mask | area error |",
        "|---|---|---|---|---|---|",
    ]
    for name in demo.models:
        model, _ = trained(demo, "planted", name, torch.device("cpu"))
        rows = [row for row in of_split(demo, "planted", name, "test") if row["status"] == "ok"][:CLIPS]
        clips, targets = to_tensor(rows), torch.tensor([row["target"] for row in rows])
        for method in methods:
            goal = settings(method, preset, "paper", None)
            for schedule, iterations in SCHEDULES:
                chosen = settings(method, preset, schedule, iterations)
                numbers = _measured(model, clips, targets, chosen, goal)
                cells = " | ".join(f"{value.mean():.3f} ± {value.std():.3f}" for value in numbers)
                lines.append(f"| {name}, {method}, {schedule} {iterations} | {iterations + 2} | {cells} |")
    return lines


def _measured(model: nn.Module, clips: Tensor, targets: Tensor, chosen: Settings, goal: Settings) -> list[Tensor]:
    """Energy under the goal's last weights, kept probability, hard-mask probability and area error, each [N]."""
    geometry, ratios = SmoothMax.of(*clips.shape[-2:]), torch.full((len(clips),), RATIO)
    result: Result = optimise(model, clips, targets, ratios, chosen, Perturbation(), geometry)
    with torch.no_grad():
        padded = geometry(result.seed_masks)
        masks = geometry.crop(padded)
        energy = energy_function(goal, geometry, ratios, clips)
        final = energy(-result.kept_probability.log(), padded, goal.iterations - 1)
        hard = torch.zeros_like(masks).flatten(1)
        hard.scatter_(1, masks.flatten(1).topk(round(RATIO * hard.shape[1]), dim=1).indices, 1.0)
        levels = Perturbation().levels(clips)
        hard_probability = target_log_probability(model, blend(levels, hard.view_as(masks)), targets).exp()
    return [final, result.kept_probability, hard_probability, (masks.mean(dim=(1, 2, 3)) - ratios).abs()]


def searches() -> list[str]:
    """Masks that the search for a* optimised, against a grid of the same resolution."""
    demo = config.load(DEMO / "config.yaml")
    grid = (max(demo.preserve.grid) - min(demo.preserve.grid)) / RESOLUTION + 1
    lines = [
        "| model | clips | left-censored: one mask sufficed | masks a clip | of a full grid of step 0.01 |",
        "|---|---|---|---|---|",
    ]
    sql = (
        "select model, count(*), count(*) filter (censored = 'left'), avg(evaluations) from preservation "
        "where status = 'ok' and bound = 'probability' group by all order by all"
    )
    for model, clips, left, mean in database.query(DEMO, sql)[1]:
        lines.append(f"| {model} | {clips} | {left} | {mean:.1f} | {mean / grid:.2f} |")
    return [*lines, "", f"The search ends at a bracket of {demo.preserve.tolerance}."]


def demo_is_there() -> bool:
    """Whether `make demo` has run here."""
    return (DEMO / database.FILE).exists() and (DEMO / "config.yaml").exists()
