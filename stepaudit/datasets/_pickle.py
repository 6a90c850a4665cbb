"""Reads pickles that hold plain values and numpy arrays, and refuses all others: a pickle can run any program."""

import pickle
from pathlib import Path
from typing import Any

from stepaudit.errors import UsageError

ADMITTED = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("_codecs", "encode"),
    }
)
DAMAGE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError)


class _Arrays(pickle.Unpickler):
    """Admits what numpy's arrays and scalars are pickled with."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.", 1)  # its name before numpy 2
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def load_arrays(path: Path) -> Any:
    """The content of a pickle of plain values and numpy arrays.

    Raises:
        UsageError: the file cannot be read, is damaged, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            return _Arrays(file, encoding="latin1").load()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name the annotation file") from error
    except DAMAGE as error:
        raise UsageError(f"{path}: not a pickle of numpy arrays alone ({error}); get the file anew") from error
