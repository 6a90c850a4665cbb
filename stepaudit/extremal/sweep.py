"""The sweep: one run of crisp masks, from half of the clip to next to nothing, that leaves a mask for every level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from stepaudit.extremal.crisp import LARGEST, SMALLEST, crisp, shifted
from stepaudit.extremal.descent import optimizer_step
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.fills import Fills, require_finite
from stepaudit.extremal.perturbation import blend
from stepaudit.extremal.settings import Settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.temporal import temporal_gaussian
from stepaudit.layers import gradient, target_log_probability

FIRST_RATIO = 0.5
EVERY = 3  # iterations between two snapshots
STEPS_A_SEED = 100_003  # draws of different seeds and iterations differ
SETTLING = 10  # iterations before the ratio is steered
MEMORY = 0.7  # weight of the past in the running mean of the kept share
SHIFT = 0.04  # of the shorter side: masks are moved by up to so much
TILT = 0.2  # by so much the data term's gradient counts more at one corner of the clip, and less at the opposite one
SMALL = 0.1  # ratio below which the data term is held back
FIRST_LEVEL, LAST_LEVEL = 0.9, 0.1


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Seed masks [T, h, w] of one row at one iteration, float16, with the ratio at which they were shown."""

    seed_masks: Tensor
    ratio: float


@dataclass
class Steering:
    """The ratio of one row: it falls while the mask keeps the level, and rises while it does not.

    The level is 0.9 in the first half of the run and falls to 0.1 in the second.
    """

    iterations: int
    ratio: float = FIRST_RATIO
    kept: float = 1.0

    def level(self, step: int) -> float:
        late = min(1.0, max(0.0, 2 * step / self.iterations - 1))
        return FIRST_LEVEL - (FIRST_LEVEL - LAST_LEVEL) * late

    def data_scale(self, step: int) -> float:
        """Weight of the data term in an iteration, beside that of the area.

        The area term is a mean over the clip, so that for a mask of a hundredth of it the data term outweighs it a
        hundredfold and no longer lets the mask shrink. In the second half of the run, which looks for masks that fail,
        the data term's weight falls with the ratio.
        """
        late = min(1.0, max(0.0, 4 * step / self.iterations - 2))
        return min(1.0, self.ratio / SMALL) ** late

    def update(self, step: int, share: float) -> None:
        """Take the share that a mask kept in an iteration, counted from 0."""
        self.kept = MEMORY * self.kept + (1 - MEMORY) * share
        if step < SETTLING:
            return
        level, done = self.level(step), step / self.iterations
        gain = 0.12 * (1 - 0.8 * done) if done < 0.5 else 0.1
        distance = min(max((self.kept - level) / max(0.05, 1 - level), -1.0), 1.0)
        self.ratio = min(LARGEST, max(SMALLEST, self.ratio * math.exp(-gain * distance)))


@dataclass
class Run:
    """The state of one row's run.

    Args:
        row: of the batch.
        fills: indices of the fills that it draws from.
        seeds, moments: [T, h, w] and [2, T, h, w], of the optimiser.
        step: iterations done.
        snapshots: one in `EVERY` iterations after a quarter of the run, and each of those after its end.
        early: those before, of larger masks that were optimised less; for levels that no other mask keeps.
    """

    row: int
    fills: list[int]
    steering: Steering
    seeds: Tensor
    moments: Tensor
    step: int = 0
    snapshots: list[Snapshot] = field(default_factory=list)
    early: list[Snapshot] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """True if no smaller mask can be asked for."""
        return self.steering.ratio <= SMALLEST


class Sweep:
    """The runs of N rows, which share passes through the model and nothing else.

    Args:
        model: clips [N, 3, T, H, W] to logits [N, K].
        clips, targets: [N, 3, T, H, W] in [0, 1] and [N].
        fills: of these clips.
        settings: of the energy and the optimiser; its area term acts on the cropped mask.
        geometry: of the smooth maximum, without padding.
        start: [1, T, h, w], the first seed masks.
        seed: of the draws of fills and shifts, the same for every row.
        free: [N, T, H, W], 1 where a mask may show the clip and 0 elsewhere; by default everywhere.
    """

    name = "gradients"

    def __init__(
        self,
        model: nn.Module,
        clips: Tensor,
        targets: Tensor,
        fills: Fills,
        settings: Settings,
        geometry: SmoothMax,
        start: Tensor,
        seed: int,
        free: Tensor | None = None,
    ):
        self.model, self.clips, self.targets, self.fills = model, clips, targets, fills
        self.free = clips.new_ones(len(clips), 1, 1, 1) if free is None else free
        self.settings, self.geometry, self.start, self.seed = settings, geometry, start, seed
        self.passes = settings.iterations
        self.energy = Energy(settings, geometry, clips.shape[2])
        self.tilt = tilt(clips.shape[2:], seed).to(clips)

    def begin(self, fills: Mapping[int, list[int]]) -> list[Run]:
        """A run of each row that draws from some fills, by their indices; not yet advanced."""
        moments = torch.zeros(2, *self.start.shape[1:], device=self.start.device)
        return [
            Run(row, fill_indices, Steering(self.settings.iterations), self.start[0], moments)
            for row, fill_indices in fills.items()
        ]

    def advance(self, runs: Sequence[Run], iterations: int) -> None:
        """Run `iterations` optimiser steps on several runs in one batch; updates the runs in place.

        The runs are all at the same step.

        Raises:
            NotApplicableError: no gradient reaches the clip.
        """
        rows = [run.row for run in runs]
        free = self.free[rows]
        seeds, moments = torch.stack([run.seeds for run in runs]), torch.stack([run.moments for run in runs])
        for step in range(runs[0].step, runs[0].step + iterations):
            draw = torch.Generator().manual_seed(STEPS_A_SEED * self.seed + step)
            uniform = torch.rand((), generator=draw).item()
            fill_indices = [run.fills[int(uniform * len(run.fills))] for run in runs]
            seeds = seeds.detach().requires_grad_()
            masks = self.geometry(temporal_gaussian(seeds, self.settings.reach)) * free
            shown = shifted(crisp(masks, [run.steering.ratio for run in runs]), *self._shift(draw)) * free
            data, mask_gradient = self._data_gradient(rows, fill_indices, shown.detach())
            for run, fill_index, value in zip(runs, fill_indices, data.tolist(), strict=True):
                run.steering.update(step, self.fills.share(fill_index, run.row, math.exp(-value)))
            ratios = [run.steering.ratio for run in runs]
            data_scale = torch.tensor([run.steering.data_scale(step) for run in runs], device=shown.device)
            # The data term linearised in the mask (gradient · mask); autograd carries it on to the seeds.
            energy = self.energy(
                data_scale * (self.tilt * mask_gradient * shown).sum(dim=(1, 2, 3)), masks, ratios, step
            )
            (gradients,) = torch.autograd.grad(energy.sum(), seeds)
            if step % EVERY == 0 or step >= self.settings.iterations - 1:
                self._add_snapshots(runs, seeds.detach(), step)
            with torch.no_grad():
                seeds, moments = optimizer_step(seeds, gradients, moments, step, self.settings)
        for run, own_seeds, own_moments in zip(runs, seeds.detach(), moments, strict=True):
            run.seeds, run.moments, run.step = own_seeds, own_moments, run.step + iterations

    def _add_snapshots(self, runs: Sequence[Run], seeds: Tensor, step: int) -> None:
        """Add each run's seed masks, smoothed in time, to its snapshots."""
        is_early = step < (self.settings.iterations - 1) // 4
        stored = temporal_gaussian(seeds, self.settings.reach).half()
        for run, seed_masks in zip(runs, stored, strict=True):
            noted = run.early if is_early else run.snapshots
            noted.append(Snapshot(seed_masks.clone(), run.steering.ratio))

    def _shift(self, draw: torch.Generator) -> list[int]:
        """Pixels down and to the right by which the masks of an iteration are moved."""
        most = shift_px(self.geometry)
        return torch.randint(-most, most + 1, (2,), generator=draw).tolist()

    def _data_gradient(self, rows: Sequence[int], fill_indices: Sequence[int], masks: Tensor) -> tuple[Tensor, Tensor]:
        """−log Φ_c of each row's clip under its mask [n], and its gradient to the mask [n, T, H, W]."""
        index = list(rows)
        levels = torch.stack([self.fills.chosen(fill_indices, rows), self.clips[index]])
        masks = masks.requires_grad_()
        data = -target_log_probability(self.model, blend(levels, masks), self.targets[index])
        mask_gradient = gradient(data, masks)
        require_finite(mask_gradient)
        return data.detach(), mask_gradient


def tilt(size: Sequence[int], seed: int) -> Tensor:
    """Weights of the data term's gradient, [T, H, W]: 1 in the middle, rising evenly in a direction drawn by the seed.

    Where either of two places suffices, an even gradient shrinks both alike, until neither does; so one of them is
    preferred.
    """
    towards = torch.randn(3, generator=torch.Generator().manual_seed(seed))
    along = torch.meshgrid(*(torch.linspace(-1, 1, length) for length in size), indexing="ij")
    return 1 + TILT * sum(part * axis for part, axis in zip(towards / towards.abs().sum(), along, strict=True))


def shift_px(geometry: SmoothMax) -> int:
    """The most pixels by which a mask is moved."""
    return max(1, round(SHIFT * min(geometry.height, geometry.width)))


def sweep_settings(settings: Settings, iterations: int) -> Settings:
    """The energy of a preset for a sweep: its terms, with an area weight that holds the mask together, by Adam.

    Unlike the preset's, L_K's weight is a tenth of the area's: it is a mean over the ellipsoids to keep, the area term
    one over the clip, so that for a small mask L_K soon counts more than both others, and makes it larger than needed.
    """
    return replace(
        settings,
        iterations=iterations,
        area_weight=1000.0,
        core_weight=100.0,
        area_growth=1.0,
        area_on="cropped",
        tie=0.05,
        optimizer="adam",
        learning_rate=0.05,
        decay_start=0.6,
        decay_to=0.6,
        held_from=1.0,
    )
