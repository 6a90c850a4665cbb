"""Restricted unpickler for plain values and numpy arrays: an unrestricted pickle can run any program.

The file gets no function of numpy, since those can reserve any memory, or take bytes for addresses. Their substitutes
here make arrays of numbers, bytes and text out of bytes of the file. (`torch.load(weights_only=True)` reads no plain
pickle, and would admit numpy's own functions.)
"""

import pickle
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from struct import unpack
from typing import Any, ClassVar, Literal

import numpy as np

from stepaudit.errors import UsageError

MAX_FILE_BYTES = 64 * 2**20  # bytes of a file: UCF101-24's has 3.5 MB; a byte can ask for an object of 64
COPIES = 4  # times the file's size: what all of its arrays and texts together may fill
KINDS = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,8}")
OPCODES = (
    pickle.PROTO + pickle.FRAME + pickle.STOP + pickle.MARK + pickle.POP + pickle.POP_MARK
    + pickle.PUT + pickle.BINPUT + pickle.LONG_BINPUT + pickle.MEMOIZE + pickle.GET + pickle.BINGET + pickle.LONG_BINGET
    + pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE + pickle.FLOAT + pickle.BINFLOAT
    + pickle.INT + pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.LONG + pickle.LONG1
    + pickle.STRING + pickle.BINSTRING + pickle.SHORT_BINSTRING + pickle.BINBYTES + pickle.SHORT_BINBYTES
    + pickle.BINBYTES8 + pickle.UNICODE + pickle.BINUNICODE + pickle.SHORT_BINUNICODE + pickle.BINUNICODE8
    + pickle.EMPTY_DICT + pickle.DICT + pickle.SETITEM + pickle.SETITEMS
    + pickle.EMPTY_LIST + pickle.LIST + pickle.APPEND + pickle.APPENDS
    + pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3
    + pickle.GLOBAL + pickle.STACK_GLOBAL + pickle.REDUCE + pickle.BUILD
)  # fmt: skip


class _Dtype:
    """Stand-in for a NumPy dtype while unpickling, since its byte order comes later."""

    def __init__(self, code: str, *_: Any):
        if type(code) is not str or not KINDS.fullmatch(code):
            raise pickle.UnpicklingError(f"it asks for a dtype {str(code)[:40]!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """Array whose content must be as large as its shape says."""

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, fortran, data = state[-4:]
        content: Any = (1, _checked_shape(shape, dtype, data), dtype.dtype, bool(fortran), _bytes(data))
        super().__setstate__(content)


def _checked_shape(shape: tuple, dtype: _Dtype, data: bytes | str) -> tuple[int, ...]:
    if any(type(side) is not int or side < 0 for side in shape) or prod(shape) * dtype.dtype.itemsize != len(data):
        raise pickle.UnpicklingError("an array is not as large as its content")
    return tuple(shape)


def _bytes(data: bytes | str) -> bytes:
    """Content as bytes; Python 2's was read as text."""
    return data if isinstance(data, bytes) else data.encode("latin1")


def _empty(kind: object, *_: Any) -> _Array:
    if kind is not NDARRAY:
        raise pickle.UnpicklingError("it makes something else than an array")
    return _Array((0,))


def _scalar(dtype: _Dtype, data: bytes | str) -> np.generic:
    return np.frombuffer(_bytes(data), dtype.dtype, 1)[0]


def _frombuffer(data: bytes, dtype: _Dtype, shape: tuple, order: Literal["C", "F"]) -> np.ndarray:
    return np.frombuffer(data, dtype.dtype).reshape(_checked_shape(shape, dtype, data), order=order)


def _encode_latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {str(encoding)[:40]!r}")
    return text.encode("latin1")


LOAD: Mapping[int, Callable[[Any], None]] = pickle._Unpickler.dispatch  # Python's own reader of each opcode
NDARRAY = object()  # no class: it cannot be called
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _Dtype,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode_latin1,
}


class _Arrays(pickle._Unpickler):
    """Unpickler of numpy's arrays and scalars, in Python: the one in C reserves any memory that a file requests."""

    stack: list[Any]  # of the base class, whose types are not published
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, content: bytes):
        super().__init__(BytesIO(content), encoding="latin1")
        self.left = COPIES * len(content)

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.", 1)  # its name before numpy 2
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module[:80]}.{name[:80]}")
        return ADMITTED[module, name]

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.stack[-1](*arguments)
        self._limit_memory(self.stack[-1])

    def _build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) not in (_Array, _Dtype):
            raise pickle.UnpicklingError("it changes something else than an array")
        made.__setstate__(state)
        self._limit_memory(made)

    def _limit_memory(self, made: Any) -> None:
        """Limit the memory of all arrays: a small file can make many large ones of one text."""
        self.left -= len(made) if isinstance(made, bytes) else getattr(made, "nbytes", 0)
        if self.left < 0:
            raise pickle.UnpicklingError(f"its arrays are {COPIES} times larger than the file")

    def _bytearray(self) -> None:
        (length,) = unpack("<Q", self.read(8))
        self.append(self.read(length))

    def _item(self) -> None:
        self._check_keys(self.stack[-2:-1])
        LOAD[pickle.SETITEM[0]](self)

    def _items(self) -> None:
        self._check_keys(self.stack[::2])
        LOAD[pickle.SETITEMS[0]](self)

    def _dict(self) -> None:
        self._check_keys(self.stack[::2])
        LOAD[pickle.DICT[0]](self)

    def _check_keys(self, keys: list) -> None:
        """Require text: numbers can be chosen to collide, and tuples in tuples overflow the stack."""
        if not all(isinstance(key, str | bytes) for key in keys):
            raise pickle.UnpicklingError("a key is no text")

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {number: LOAD[number] for number in OPCODES} | {
        pickle.REDUCE[0]: _reduce,
        pickle.BUILD[0]: _build,
        pickle.SETITEM[0]: _item,
        pickle.SETITEMS[0]: _items,
        pickle.DICT[0]: _dict,
        pickle.BYTEARRAY8[0]: _bytearray,
    }


def load_arrays(path: Path) -> Any:
    """Content of a pickle of plain values and numpy arrays.

    Raises:
        UsageError: the file cannot be read, is too large, is damaged, or holds anything else.
    """
    content = _read_content(path)
    try:
        return _Arrays(content).load()
    except Exception as error:  # a damaged pickle raises anything
        raise UsageError(
            f"{path}: not a pickle of numpy arrays alone ({str(error)[:200]}); download the file again"
        ) from error


def _read_content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES or path.is_char_device() or path.is_fifo():  # the last two never end
            raise UsageError(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MB, or no file; name the annotation file")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name the annotation file") from error
