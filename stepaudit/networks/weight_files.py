"""Weights from untrusted files: safetensors, and PyTorch's own format without anything but tensors."""

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any, cast
from zipfile import ZipFile, is_zipfile

import torch
from safetensors import safe_open
from torch import Tensor, nn

from stepaudit.errors import UsageError
from stepaudit.networks import class_order
from stepaudit.store import plain_files

DEPTH = 4  # dictionaries within each other
KINDS = 100  # of objects beside tensors
ADVICE = "Weights only load failed"


def from_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file. Raises UsageError if it cannot be read."""
    try:
        _require_file(path)
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # it complains in its own class, of shapes in PyTorch's
        reason = plain_files.disguise(path) or first_line(error)
        raise UsageError(f"{path}: no readable safetensors file ({reason})") from error


def from_torch(path: Path) -> dict[str, Tensor]:
    """Tensors of a state dict; names of nested dictionaries are joined, as in `state_dict.conv.weight`.

    No code in the file is run: objects of all other kinds, such as settings, are left out.

    Raises:
        UsageError: it cannot be read, or holds no state dict.
    """
    tensors = dict(_named_tensors(_read_content(path)))
    if not tensors:
        raise UsageError(f"{path}: holds no state dict; save `model.state_dict()`")
    return tensors


def classes_in(path: Path) -> list[str] | None:
    """Class names in the order of the outputs, if a file in PyTorch's format says them beside its weights.

    Raises:
        UsageError: it cannot be read.
    """
    return class_order.names_in(_read_content(path))


def _read_content(path: Path) -> Any:
    try:
        _require_file(path)
        return _read_zip(path) if is_zipfile(path) else _read_pickles(path)
    except Exception as error:  # torch.load raises anything on a damaged file
        reason = plain_files.disguise(path) or first_line(error)
        raise UsageError(f"{path}: cannot be read as a state dict ({reason})") from error


def _named_tensors(content: Any, prefix: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of nested dictionaries."""
    for name, value in content.items() if isinstance(content, dict) and depth else ():
        if isinstance(name, str) and _is_plain(value):
            yield prefix + name, value
        elif isinstance(name, str):
            yield from _named_tensors(value, f"{prefix}{name}.", depth - 1)


class _Object:
    """Stand-in for an object of any class in a file. It accepts any arguments and does nothing."""

    def __new__(cls, *_values: object) -> "_Object":
        return super().__new__(cls)

    def __init__(self, *_values: object):
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise OSError("it is no file")  # a pipe never ends


def _read_zip(path: Path) -> Any:
    """Content of PyTorch's newer format. Tensors are memory-mapped, so they are no larger than the file.

    Raises:
        ValueError: an entry would grow when it is unpacked.
    """
    with ZipFile(path) as file:
        if any(entry.file_size > path.stat().st_size for entry in file.infolist()):
            raise ValueError("an entry claims to be larger than the file")
        if any(name.endswith("constants.pkl") for name in file.namelist()):
            raise ValueError("it is TorchScript: let `build` return `torch.jit.load(path)`, without `weights`")
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    if len(unknown) > KINDS:
        raise ValueError(f"it holds objects of {len(unknown)} kinds; save `model.state_dict()`")
    with torch.serialization.safe_globals([(_Object, name) for name in unknown]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _read_pickles(path: Path) -> Any:
    """Content of PyTorch's older format: pickles, with the tensors behind them.

    Raises:
        ValueError: a tensor claims to be larger than the file.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:  # an mmap reserves nothing
        claimed = torch.load(cast(IO[bytes], content), map_location="meta", weights_only=True)  # mmap has all it needs
        if _largest(claimed) > len(content):
            raise ValueError("a tensor claims to be larger than the file")
        content.seek(0)
        return torch.load(cast(IO[bytes], content), map_location="cpu", weights_only=True)


def _largest(state: Any) -> int:
    """Size of the largest tensor of a state dict, bytes."""
    if isinstance(state, Tensor):
        return state.untyped_storage().nbytes()
    return max(map(_largest, state.values()), default=0) if isinstance(state, dict) else 0


def _is_plain(value: Any) -> bool:
    """True for a tensor of real numbers in memory, not sparse, quantised, nested or without data."""
    return (
        type(value) in (Tensor, nn.Parameter)
        and value.device.type == "cpu"
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_nested or value.is_complex())
    )


def first_line(error: Exception) -> str:
    """First line of an error, without PyTorch's advice on untrusted files: to read them without protection."""
    if ADVICE in str(error):
        return "no file that `torch.save` wrote, or one that holds more than tensors and settings"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
