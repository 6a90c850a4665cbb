"""How many rows are optimised at once: as many as the activations that the backward pass needs leave room for."""

from collections.abc import Callable

import torch
from torch import Tensor

ON_A_CPU = 2**30  # bytes; a CPU is no faster with more rows than fit into this
OF_A_GPU = 0.8  # share of its free memory


def rows_at_once(work: Callable[[], object], device: torch.device) -> int:
    """Rows that fit into memory, at least 1.

    Args:
        work: a pass through the model with one row; what it saves for the way back is the memory that a row takes.
    """
    return max(1, int(_free(device) / max(1, bytes_saved(work))))


def bytes_saved(work: Callable[[], object]) -> int:
    """Bytes of all tensors that a computation saves for its backward pass, each storage once."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        work()
    return sum(sizes.values())


def _free(device: torch.device) -> float:
    if device.type != "cuda":
        return ON_A_CPU
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return OF_A_GPU * (free + unused)
