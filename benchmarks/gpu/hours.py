"""Clips a GPU-hour: the paper's setting, the same objective by `fast`, and the search for the minimum ratio."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.gpu.clock import products, synchronize
from benchmarks.gpu.setting import Network, Setting, Work
from stepaudit.extremal.engine import optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.extremal.sufficiency import answers
from stepaudit.layers import computing_in, gaussian_blur

RATIOS = (0.05, 0.1, 0.15, 0.2)
GAIN = 6.0  # logits that the clip adds to its class over its blurred version
CLIPS = {"step": 4, "search": 8}  # together; halved while memory does not hold them


def works(setting: Setting) -> Iterator[Work]:
    """The search and the schedules in bfloat16 and TF32."""
    for network in setting.full:
        for form in ("bfloat16", "tf32"):
            for schedule in ("paper", "fast"):
                yield f"{schedule} of {network.title}, {form}", partial(scheduled, setting, network, schedule, form)
            yield f"search of {network.title}, {form}", partial(searched, setting, network, form)


def scheduled(setting: Setting, network: Network, schedule: str, form: str) -> list[dict]:
    """Clips an hour of STEP at four ratios, from the time between two numbers of iterations, both run."""
    whole = settings("step", "paper", schedule, None).iterations
    first, second = (_optimised(setting, network, schedule, form, count) for count in setting.iterations)
    a_clip = (second - first) / (setting.iterations[1] - setting.iterations[0]) * whole / CLIPS["step"]
    work = f"STEP, {len(RATIOS)} ratios, schedule `{schedule}`, {whole} iterations"
    return [_row(network, form, work, a_clip, f"from {setting.iterations[0]} and {setting.iterations[1]} iterations")]


def _optimised(setting: Setting, network: Network, schedule: str, form: str, iterations: int) -> float:
    """Seconds of an optimisation; with fewer iterations a schedule keeps its shares of them."""
    device, count = setting.device, CLIPS["step"]
    chosen, geometry = settings("step", "paper", schedule, iterations), SmoothMax.of(network.side, network.side)
    clips = network.clips(count, device).repeat_interleave(len(RATIOS), dim=0)
    targets = network.targets(count, device).repeat_interleave(len(RATIOS))
    model, ratios = _model(network, form, device), torch.tensor(RATIOS * count)
    removal = Perturbation(chosen.perturbation)
    with products("tf32"):
        synchronize(device)
        start = time.perf_counter()
        optimise(model, clips, targets, ratios, chosen, removal, geometry)
        synchronize(device)
    return time.perf_counter() - start


def searched(setting: Setting, network: Network, form: str) -> list[dict]:
    """Clips an hour of the search for the minimum ratio, run once as a whole, by a model that needs the clip."""
    device, count = setting.device, CLIPS["search"]
    clips = network.clips(1, device).repeat(count, 1, 1, 1, 1)
    model = Needing(_model(network, form, device), clips[:1])
    geometry = SmoothMax.of(network.side, network.side)
    start = torch.ones(1, network.frames, *geometry.grid, device=device)
    chosen = replace(settings("step", "corrected", "paper", None), reach=0)
    with products("tf32"):
        synchronize(device)
        begin = time.perf_counter()
        each = answers(model, clips, torch.zeros(count, dtype=torch.long, device=device), settings=chosen,
                       geometry=geometry, start=start)  # fmt: skip
        synchronize(device)
    passes = sum(answer.passes for answer in each) / count
    work = f"minimum ratio, {passes:.0f} passes"
    row = _row(network, form, work, (time.perf_counter() - begin) / count, "run as a whole")
    return [{**row, "status": "vacuous" if any(answer.vacuous for answer in each) else "ok"}]


class Needing(nn.Module):
    """A model of random weights turned so that its first class is a clip's and not that of its blurred version.

    Args:
        clip: [1, 3, T, H, W].
    """

    def __init__(self, model: nn.Module, clip: Tensor):
        super().__init__()
        self.model = model
        with torch.no_grad():
            own, blurred = (model(each) for each in (clip, gaussian_blur(clip, clip.shape[-1] * 20 / 112)))
        apart = own - blurred
        self.register_buffer("middle", (own + blurred) / 2)
        self.register_buffer("direction", GAIN * apart / apart.square().sum())

    def forward(self, clips: Tensor) -> Tensor:
        evidence = ((self.model(clips) - self.middle) * self.direction).sum(dim=1, keepdim=True)
        return torch.cat([evidence, torch.zeros_like(evidence)], dim=1)


def _model(network: Network, form: str, device: torch.device) -> nn.Module:
    model = network.build(device)
    return computing_in(model, "bfloat16") if form == "bfloat16" else model


def _row(network: Network, form: str, work: str, seconds: float, how: str) -> dict:
    about = {"model": network.title, "format": form, "work": work, "seconds_a_clip": seconds}
    return {**about, "clips_an_hour": 3600 / seconds if seconds > 0 else None, "how": how, "status": "ok"}
