"""Number of rows to optimise at once, from the memory that the backward pass needs."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

CPU_BYTES = 2**30  # bytes; a CPU is no faster with more rows than fit into this
GPU_MEMORY_SHARE = 0.8  # share of its free memory


def rows_at_once(work: Callable[[], object], own: int, shared: Iterable[Tensor], device: torch.device) -> int:
    """Rows that fit into memory, at least 1.

    Args:
        work: a pass through the model with one row; the tensors that it saves for the backward pass are counted.
        own: other bytes of a row.
        shared: tensors that all rows share, the model's parameters.
    """
    return max(1, int(_available_bytes(device) / max(1, own + bytes_saved(work, shared))))


def bytes_saved(work: Callable[[], object], shared: Iterable[Tensor] = ()) -> int:
    """Bytes of all tensors that a computation saves for its backward pass, each storage once, without the shared."""
    sizes: dict[int, int] = {}
    shared_storages = {tensor.untyped_storage().data_ptr() for tensor in shared}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        work()
    return sum(size for place, size in sizes.items() if place not in shared_storages)


def _available_bytes(device: torch.device) -> float:
    if device.type != "cuda":
        return CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return GPU_MEMORY_SHARE * (free + unused)
