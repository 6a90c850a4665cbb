"""Retry of failed batches: row by row after an error, halved when memory runs out."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from stepaudit.errors import AuditError

Item = TypeVar("Item")
Row = TypeVar("Row")

# Texts of errors without a class of their own: of PyTorch on a CPU, cuBLAS and cuDNN.
OUT_OF_MEMORY = ("DefaultCPUAllocator", "out of memory", "ALLOC_FAILED")


def run_batch(
    items: Sequence[Item], work: Callable[[Sequence[Item]], list[Row]], failed: Callable[[Item, AuditError], Row]
) -> list[Row]:
    """Rows of a batch, one for each item; item by item after an AuditError, in halves if memory runs out.

    Args:
        work: rows of a batch of items; may raise AuditError.
        failed: row of an item that failed.
    """
    if not items:
        return []
    try:
        return work(items)
    except AuditError as error:
        if len(items) == 1:
            return [failed(items[0], error)]
        size = 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(items) == 1:
            error.add_note("one row alone does not fit into memory; choose smaller clips, or a machine with more of it")
            raise
        size = (len(items) + 1) // 2
    # Outside of the handlers, because the error that they hold holds what it interrupted.
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    parts = (items[start : start + size] for start in range(0, len(items), size))
    return [row for part in parts for row in run_batch(part, work, failed)]


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error means that memory ran out, the GPU's or the computer's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in OUT_OF_MEMORY)
