"""What the rows of an optimisation have in common: their model, clips and settings, and one iteration of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from stepaudit.extremal.descent import descended
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.memory import rows_at_once
from stepaudit.extremal.perturbation import Perturbation, blend
from stepaudit.extremal.rows import Rows
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.layers import target_log_probability


@dataclass(frozen=True)
class End:
    """A row's end: seed mask [T, h, w] as it is stored, the model's answer under it [K], iterations."""

    seed_mask: Tensor
    kept: Tensor
    steps: Tensor


class Task:
    """The caller's rows and all that their energy is made of."""

    def __init__(
        self,
        model: nn.Module,
        clips: Tensor,
        targets: Tensor,
        ratios: list[float],
        settings: Settings,
        perturbation: Perturbation,
        geometry: SmoothMax,
        start: Tensor | None,
    ):
        self.model, self.clips, self.targets, self.ratios = model, clips, targets, ratios
        self.settings, self.perturbation, self.geometry = settings, perturbation, geometry
        self.start = torch.ones(1, clips.shape[2], *geometry.grid).to(clips) if start is None else start
        self.start = self.start.expand(len(clips), -1, -1, -1)
        self.energy = Energy(settings, geometry, clips.shape[2], clips.device)
        rates = [settings.learning_rate_at(step) for step in range(settings.iterations)]
        self.rates = torch.tensor(rates, device=clips.device)

    def fresh(self, index: Sequence[int]) -> Rows:
        """Rows before their first iteration."""
        chosen = list(index)
        seeds = self.start[chosen]
        return Rows(
            index=chosen,
            done=[0] * len(chosen),
            steps=torch.zeros(len(chosen), dtype=torch.long, device=seeds.device),
            targets=self.targets[chosen],
            ratios=[self.ratios[row] for row in chosen],
            levels=self.levels(chosen),
            seeds=seeds,
            moments=torch.zeros(len(chosen), 2, *seeds.shape[1:], device=seeds.device),
            energy=torch.full((len(chosen),), torch.inf, device=seeds.device),
        )

    def levels(self, index: Sequence[int]) -> Tensor:
        """Levels of the perturbation, [N, L, 3, T, H, W]; each clip is perturbed once."""
        clips, place = torch.unique_consecutive(self.clips[index], dim=0, return_inverse=True)
        return self.perturbation.levels(clips)[:, place].movedim(1, 0)

    def iterated(self, rows: Rows) -> Rows:
        """The rows after one pass through the model and the iterations that follow it.

        The data term enters by its gradient to the masks, held until the next pass: after one iteration that is the
        chain rule, later a linear approximation, which spares a pass for each iteration. Rows for which it is held
        are equally old.
        """
        for again in range(self.settings.iterations_until_next_call(max(rows.done))):
            seeds = rows.seeds.detach().requires_grad_()
            masks = self.masks(seeds)
            seen = self.geometry.crop(masks)
            if not again:
                slope = self.slope(rows, seen.detach())
            data = (slope * seen).sum(dim=(1, 2, 3))
            (gradient,) = torch.autograd.grad(self.energy(data, masks, rows.ratios, rows.steps).sum(), seeds)
            with torch.no_grad():
                rows = self.descended(rows, gradient)
        return rows

    def slope(self, rows: Rows, masks: Tensor) -> Tensor:
        """Gradient of each row's −log Φ_c to its mask, both [N, T, H, W]."""
        masks = masks.requires_grad_()
        return torch.autograd.grad(self.data(rows, masks).sum(), masks)[0]

    def data(self, rows: Rows, masks: Tensor) -> Tensor:
        """−log Φ_c of each row's clip under its mask, [N]."""
        return -target_log_probability(self.model, blend(rows.levels.movedim(1, 0), masks), rows.targets)

    def descended(self, rows: Rows, gradient: Tensor) -> Rows:
        """The rows after a step of the optimiser."""
        rates = self.rates[rows.steps]
        seeds, moments = descended(rows.seeds, gradient, rows.moments, rows.steps, rates, self.settings)
        return replace(rows, seeds=seeds, moments=moments, steps=rows.steps + 1, done=[done + 1 for done in rows.done])

    def masks(self, seeds: Tensor) -> Tensor:
        """The padded masks of seeds, [N, T, H', W']."""
        return self.geometry(temporal_gaussian(seeds, self.settings.reach))

    def rows_that_fit(self) -> int:
        """Rows that fit into memory, for the model as it is prepared."""
        if len(self.clips) == 1:
            return 1
        row = self.fresh([0])
        masks = self.geometry.crop(self.masks(row.seeds)).requires_grad_()
        own = row.levels.nbytes + 2 * row.levels[0, 0].nbytes  # and what the blend keeps
        return rows_at_once(lambda: self.data(row, masks), own, self.model.parameters(), self.clips.device)

    @torch.no_grad()
    def ends(self, rows: Rows) -> dict[int, End]:
        """What is kept of rows that have ended, by their places in the caller's batch."""
        seeds = temporal_gaussian(rows.seeds, self.settings.reach).half().float()
        kept = self.model(blend(rows.levels.movedim(1, 0), self.geometry.crop(self.geometry(seeds))))
        return {row: End(seeds[place], kept[place], rows.steps[place]) for place, row in enumerate(rows.index)}

    @torch.no_grad()
    def final_energy(self, rows: Rows) -> Tensor:
        """The energy of each row with the weights of the last iteration, [N]."""
        masks = self.masks(rows.seeds)
        last = torch.full_like(rows.steps, self.settings.iterations - 1)
        return self.energy(self.data(rows, self.geometry.crop(masks)), masks, rows.ratios, last)
