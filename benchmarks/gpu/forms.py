"""Forms of a model and of the mask's terms, each alone beside the plain one: times faster, and the same gradients."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.gpu.clock import seconds
from benchmarks.gpu.setting import Network, Setting, Work
from benchmarks.gpu.throughput import slope
from stepaudit.extremal.energy import Energy
from stepaudit.extremal.prepared import prepared
from stepaudit.extremal.settings import settings
from stepaudit.extremal.smooth_max import SmoothMax
from stepaudit.layers import computing_in, frozen

FORMS = ("folded batch norms", "channels_last_3d")  # and `torch.compile`, which takes a minute itself
FORM_ROWS = 16  # of a batch in which the forms are compared
SAME = 0.15  # largest difference of gradients in bfloat16, as a share of their largest


def works(setting: Setting) -> Iterator[Work]:
    """The mask's terms and each form of the model."""
    for network in setting.full:
        yield f"mask terms of {network.title}", partial(graph, setting, network)
        for form in FORMS:
            yield f"{form} of {network.title}", partial(forms, setting, network, form)


def compiled(setting: Setting) -> Iterator[Work]:
    """Each network under `torch.compile`: last, because nothing can stop it halfway."""
    for network in setting.full:
        yield f"torch.compile of {network.title}", partial(forms, setting, network, "torch.compile")


def forms(setting: Setting, network: Network, form: str) -> list[dict]:
    """One form of the model beside its plain form, both in bfloat16: times faster, and the same gradients or not."""
    size = min(FORM_ROWS, setting.batches[-1])
    clips, targets = network.clips(size, setting.device), network.targets(size, setting.device)
    plain = computing_in(network.build(setting.device), "bfloat16")
    expected = slope(plain, clips, targets)
    before = seconds(lambda: slope(plain, clips, targets), setting.device, setting.repeats)
    with frozen(plain), _CHANGES[form](plain, clips) as (model, given):
        gradients = slope(model, given, targets)
        after = seconds(lambda: slope(model, given, targets), setting.device, setting.repeats)
    apart = ((gradients - expected).abs().max() / expected.abs().max()).item()
    about = {"model": network.title, "form": form, "batch": size, "times_faster": before / after, "largest": apart}
    return [{**about, "status": "ok" if apart <= SAME else "differs"}]


class _Folded:
    def __init__(self, model: nn.Module, clips: Tensor):
        self._prepared, self._clips = prepared(model, clips[:1]), clips

    def __enter__(self) -> tuple[nn.Module, Tensor]:
        return self._prepared.__enter__(), self._clips

    def __exit__(self, *error: object) -> None:
        self._prepared.__exit__(*error)


class _Changed:
    def __init__(
        self, change: Callable[[nn.Module, Tensor], tuple[nn.Module, Tensor]], model: nn.Module, clips: Tensor
    ):
        self._both = change(model, clips)

    def __enter__(self) -> tuple[nn.Module, Tensor]:
        return self._both

    def __exit__(self, *_: object) -> None:
        torch.compiler.reset()


def _channels_last(model: nn.Module, clips: Tensor) -> tuple[nn.Module, Tensor]:
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)
        elif isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return model, clips.to(memory_format=torch.channels_last_3d)


def _compiled(model: nn.Module, clips: Tensor) -> tuple[nn.Module, Tensor]:
    return torch.compile(model), clips


_CHANGES = {
    "folded batch norms": _Folded,
    "channels_last_3d": partial(_Changed, _channels_last),
    "torch.compile": partial(_Changed, _compiled),
}


def graph(setting: Setting, network: Network) -> list[dict]:
    """The mask's terms and their gradient: milliseconds as they are, and replayed from a CUDA graph."""
    step, seeds = mask_terms(network, FORM_ROWS, setting.device)
    expected, plain = step(seeds).clone(), seconds(lambda: step(seeds), setting.device, setting.repeats)
    row = {"model": network.title, "form": "CUDA graph of the mask's terms", "batch": FORM_ROWS, "ms": 1e3 * plain}
    if setting.device.type != "cuda":
        return [{**row, "status": "no GPU"}]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step(seeds)
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        replayed = step(seeds)
    after = seconds(captured.replay, setting.device, setting.repeats)
    apart = ((replayed - expected).abs().max() / expected.abs().max()).item()
    status = "ok" if apart <= 1e-4 else "differs"
    return [{**row, "times_faster": plain / after, "largest": apart, "status": status}]


def mask_terms(network: Network, size: int, device: torch.device) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The gradient of an iteration's energy without its pass through the model, and seeds [N, T, h, w] to ask it of."""
    geometry = SmoothMax(**{**vars(SmoothMax.of(network.side, network.side)), "padded": False})
    energy = Energy(settings("step", "corrected", "paper", None), geometry, network.frames)
    generator = torch.Generator().manual_seed(0)
    seeds = torch.rand(size, network.frames, *geometry.grid, generator=generator).to(device)
    data_slope = torch.rand(size, network.frames, network.side, network.side, generator=generator).to(device)
    ratios = [0.1] * size

    def step(given: Tensor) -> Tensor:
        leaf = given.detach().requires_grad_()
        masks = geometry(leaf)
        data = (data_slope * geometry.crop(masks)).sum(dim=(1, 2, 3))
        return torch.autograd.grad(energy(data, masks, ratios, 100).sum(), leaf)[0]

    return step, seeds
