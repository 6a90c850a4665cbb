"""Agreement: CPU and GPU, number formats, a row alone and in a batch, halving, and iterations that wait for nothing."""

import inspect
import pkgutil
from collections.abc import Iterator
from functools import partial
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import stepaudit.methods
from benchmarks.gpu.clock import products, synchronize
from benchmarks.gpu.setting import Network, Setting, Work
from stepaudit.errors import AuditError
from stepaudit.extremal.engine import in_parts, optimise
from stepaudit.extremal.perturbation import Perturbation
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.layers import computing_in

RATIO = 0.1
# Options that take few passes; `frames`, `side` and `stride` are of the tubelets of `occlusion`.
FEWER = {"steps": 2, "samples": 2, "masks": 8, "iterations": 3, "frames": 8, "side": 0.5, "stride": 1.0}
MAP_TOLERANCE = 0.01  # largest difference of a map whose maximum is 1; float32 sums in another order
MEAN_TOLERANCE = 0.001
LOGIT_TOLERANCE = {"ieee": 1e-3, "tf32": 2e-2, "bfloat16": 6e-2}  # share of the greatest logit's size
WAITS = ("aten::_local_scalar_dense", "Memcpy DtoH", "StreamSynchronize")  # parts of names of what copies to the host
CPU = torch.device("cpu")


def works(setting: Setting) -> Iterator[Work]:
    """All comparisons, the quick ones first."""
    yield "halving", partial(halving, setting)
    for network in setting.narrow:
        yield f"waits of {network.title}", partial(waits, setting, network)
    for network in (*setting.narrow, *setting.full):
        for form in LOGIT_TOLERANCE:
            yield f"{form} of {network.title}", partial(logits, setting, network, form)
        for name in names():
            yield f"maps of {name}, {network.title}", partial(maps, setting, network, name)


def names() -> list[str]:
    """Names of all methods."""
    return [module.name for module in pkgutil.iter_modules(stepaudit.methods.__path__) if module.name[0] != "_"]


def maps(setting: Setting, network: Network, name: str) -> list[dict]:
    """The largest and the mean difference of a method's maps on the CPU and on the device."""
    row = {"check": f"maps of {name}", "model": network.title}
    try:
        with products("ieee"):
            one, other = (_maps(name, network, device) for device in (CPU, setting.device))
    except AuditError as error:  # the same on both, or the first would have raised nothing
        return [{**row, "status": error.status}]
    apart = (one - other.cpu()).abs()
    largest, mean = apart.max().item(), apart.mean().item()
    fine = bool(other.isfinite().all()) and largest <= MAP_TOLERANCE and mean <= MEAN_TOLERANCE
    return [{**row, "largest": largest, "mean": mean, "tolerance": MAP_TOLERANCE, "status": _verdict(fine)}]


def _maps(name: str, network: Network, device: torch.device) -> Tensor:
    """Full maps of a method that is asked for few passes, [N, T, H, W]."""
    attribute = import_module(f"stepaudit.methods.{name}").attribute
    known = inspect.signature(attribute).parameters
    count = 2 if network.options else 1  # the whole network is slow on the CPU
    options: dict = {option: value for option, value in FEWER.items() if option in known}
    if known["ratios"].default is inspect.Parameter.empty:
        options["ratios"] = torch.full((count,), RATIO, device=device)
    if "box_prior" in known:
        options["box_prior"] = torch.linspace(0, 1, network.side, device=device).expand(
            network.frames, network.side, -1
        )
    clips = network.clips(count, device)
    return attribute(network.build(device), clips, network.targets(count, device), **options).full()


def logits(setting: Setting, network: Network, form: str) -> list[dict]:
    """Logits of a large batch against those on the CPU in float32, and of the same rows alone.

    Convolutions of more than 2³¹ values have had faults of their own, which a row alone does not show.
    """
    clips, device = network.clips(network.many, CPU), setting.device
    some = sorted({0, network.many // 2, network.many - 1})
    tolerance, model = LOGIT_TOLERANCE[form], network.build(device)
    with torch.no_grad(), products("tf32" if form == "tf32" else "ieee"):
        expected = network.build(CPU)(clips[some])
        model = computing_in(model, "bfloat16") if form == "bfloat16" else model
        together = model(clips.to(device))[some].cpu()
        alone = torch.cat([model(clips[[place]].to(device)).cpu() for place in some])
    return [
        _logits(f"logits in {form}, beside the CPU in float32", network, alone, expected, tolerance),
        _logits(f"logits in {form}, {network.many} rows together and alone", network, together, alone, tolerance),
    ]


def _logits(check: str, network: Network, one: Tensor, other: Tensor, tolerance: float) -> dict:
    apart = ((one - other).abs().max() / other.abs().max()).item()
    row = {"check": check, "model": network.title, "largest": apart, "tolerance": tolerance}
    return {**row, "status": _verdict(apart <= tolerance)}  # NaN is not


def halving(setting: Setting) -> list[dict]:
    """Rows that together take three times the memory of the device, by the engine's halving of batches."""
    sizes: list[int] = []

    def work(part: slice) -> int:
        count = part.stop - part.start
        _take(setting.device, count)
        sizes.append(count)
        return count

    done = sum(in_parts(work, 24, 24))
    fine = done == 24 and len(sizes) > 1
    return [{"check": f"out of memory: 24 rows in {len(sizes)} parts", "status": _verdict(fine)}]


def _take(device: torch.device, rows: int) -> None:
    """Memory of an eighth of the device for each row; on a CPU it is refused without being asked for."""
    if device.type == "cuda":
        torch.empty(rows, torch.cuda.mem_get_info(device)[1] // 8, dtype=torch.uint8, device=device)
    elif rows > 7:
        raise torch.OutOfMemoryError("as on a GPU")


def waits(setting: Setting, network: Network) -> list[dict]:
    """Values that more iterations copy to the host: none, or the GPU would run dry in each."""
    few, more = (copies(setting, network, iterations) for iterations in (3, 8))
    check = f"values copied to the host in 5 further iterations: {more - few}"
    return [{"check": check, "model": network.title, "status": _verdict(more == few)}]


def copies(setting: Setting, network: Network, iterations: int) -> int:
    """Number of values that an optimisation copies to the host, by the profiler."""
    model = network.build(setting.device)
    optimised(model, network, setting.device, 1, 1)  # constants are made once
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if setting.device.type == "cuda" else [])
    with profile(activities=kinds) as profiled:
        optimised(model, network, setting.device, 1, iterations)
        synchronize(setting.device)
    names_seen = [event.name() for event in profiled.profiler.kineto_results.events()]  # `events()` takes minutes
    return sum(any(part in name for part in WAITS) for name in names_seen)


def optimised(model: nn.Module, network: Network, device: torch.device, size: int, iterations: int) -> Tensor:
    """Seed masks of STEP as in the paper, `size` rows at once."""
    chosen, geometry = settings("step", "corrected", "paper", iterations), SmoothMax.of(network.side, network.side)
    clips, targets = network.clips(1, device).expand(size, -1, -1, -1, -1), network.targets(1, device).expand(size)
    ratios, removal = torch.full((size,), RATIO), Perturbation(chosen.perturbation)
    return optimise(model, clips, targets, ratios, chosen, removal, geometry, at_once=size).seed_masks


def _verdict(fine: bool) -> str:
    return "ok" if fine else "differs"
