"""Throughput: rows a second against the batch, in each number format, and as a share of the chip's matrix rate."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.clock import peak_bytes, products, seconds
from benchmarks.gpu.setting import Network, Setting, Work
from stepaudit.extremal.prepared import prepared
from stepaudit.layers import computing_in, frozen, target_log_probability

FORMATS = {"float32": ("ieee", torch.float32), "tf32": ("tf32", torch.float32), "bfloat16": ("ieee", torch.bfloat16)}
LONGEST = 2.0  # seconds of a batch after which no larger one is tried


def works(setting: Setting) -> Iterator[Work]:
    """The rate of the chip, then rows against batches."""
    rates: dict[str, float] = {}
    for form in FORMATS:
        yield f"matrix rate in {form}", partial(matrix_rate, setting, form, rates)
    for network in setting.full:
        for form in ("bfloat16", "tf32", "float32"):
            yield f"{network.title} in {form}", partial(batches, setting, network, form, rates)


def matrix_rate(setting: Setting, form: str, rates: dict[str, float]) -> list[dict]:
    """Operations a second of a large matrix product, which shares below are of."""
    precision, dtype = FORMATS[form]
    one, other = (torch.randn(setting.matrix, setting.matrix, device=setting.device, dtype=dtype) for _ in range(2))
    with products(precision):
        rates[form] = 2 * setting.matrix**3 / seconds(lambda: one @ other, setting.device, setting.repeats)
    return [{"what": f"{setting.matrix}² matrix product", "format": form, "tflop_per_s": rates[form] / 1e12}]


def batches(setting: Setting, network: Network, form: str, rates: dict[str, float]) -> list[dict]:
    """Rows a second of forward and backward to the clip, for growing batches until memory ends, or they get slow."""
    rows, operations = [], row_operations(network)
    with products(FORMATS[form][0]):
        for size in setting.batches:
            try:
                row = _timed(setting, network, form, size)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                rows.append({"model": network.title, "format": form, "batch": size, "status": "out of memory"})
                break
            share = row["rows_per_s"] * operations / rates[form] if form in rates else None
            rows.append({**row, "share_of_matrix_rate": share, "status": "ok"})
            if size / row["rows_per_s"] > LONGEST:
                break
    return rows


def _timed(setting: Setting, network: Network, form: str, size: int) -> dict:
    model, clips = network.build(setting.device), network.clips(1, setting.device).repeat(size, 1, 1, 1, 1)
    model = computing_in(model, "bfloat16") if form == "bfloat16" else model
    work = partial(slope, model, clips, network.targets(size, setting.device))
    with frozen(model), prepared(model, clips[:1]):
        taken = seconds(work, setting.device, setting.repeats)
        peak = peak_bytes(work, setting.device)
    about = {"model": network.title, "format": form, "batch": size, "rows_per_s": size / taken}
    return {**about, "mb_per_row": None if peak is None else peak / size / 2**20}


def slope(model: nn.Module, clips: Tensor, targets: Tensor) -> Tensor:
    """Gradient of each target's log probability to its clip."""
    leaf = clips.detach().requires_grad_()
    return torch.autograd.grad(target_log_probability(model, leaf, targets).sum(), leaf)[0]


def row_operations(network: Network) -> int:
    """Floating point operations of a row: twice those of its forward pass, as parameters take no gradient."""
    meta = torch.device("meta")
    model, clips = network.build(meta), torch.empty(1, 3, network.frames, network.side, network.side, device=meta)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(clips)
    return 2 * counter.get_total_flops()
