"""Pickles that were made to do harm: each one asks for memory, time, the stack, or for what is not its own."""

import pickle
import struct
import time
import tracemalloc

import numpy as np
import pytest

from stepaudit.datasets._pickle import load_arrays
from stepaudit.datasets._tubes import load_tubes
from stepaudit.errors import UsageError

MEGABYTE, EXABYTE = 2**20, struct.pack("<Q", 2**60)


def g(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def data(size: int) -> bytes:
    return b"B" + struct.pack("<I", size) + bytes(size)


def large(number: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", number)


ARRAY, DTYPE = g("numpy", "ndarray"), g("numpy", "dtype")
RECONSTRUCT, SCALAR = g("numpy.core.multiarray", "_reconstruct"), g("numpy.core.multiarray", "scalar")
EMPTY = RECONSTRUCT + b"(" + ARRAY + b"K\x00\x85" + data(1) + b"tR"  # an array that is yet to be filled
BYTES = DTYPE + text("u1") + b"\x85R"
HARMFUL = {
    "an array of a terabyte": ARRAY + large(2**40) + b"\x85\x85R",
    "an array of a terabyte, as a new object": ARRAY + large(2**40) + b"\x85\x85\x81",
    "an empty array of a terabyte": RECONSTRUCT + b"(" + ARRAY + large(2**40) + b"\x85" + data(1) + b"tR00N",
    "another class than an array": RECONSTRUCT + b"(" + DTYPE + b"K\x00\x85" + data(1) + b"tR",
    "a shape larger than its content": EMPTY + b"(K\x01" + large(2**40) + b"\x85" + BYTES + b"\x89" + data(9) + b"tb",
    "a shape that overflows": EMPTY + b"(K\x01" + large(2**62) * 3 + b"\x87" + BYTES + b"\x89" + data(0) + b"tb",
    "a negative shape": EMPTY + b"(K\x01" + large(-1) * 2 + b"\x86" + BYTES + b"\x89" + data(1) + b"tb",
    "objects out of bytes": SCALAR + DTYPE + text("O8") + b"\x85R" + data(8) + b"\x86R",
    "a record with objects": SCALAR + DTYPE + text("i4,O") + b"\x85R" + data(12) + b"\x86R",
    "a dtype with made-up flags": DTYPE + text("V8") + b"\x85R",
    "attributes of a function": RECONSTRUCT + b"}" + text("x") + b"K\x01sb",
    "another encoding": g("_codecs", "encode") + text("x") + text("zlib") + b"\x86R",
    "a program": g("os", "system") + text("true") + b"\x85R",
    "a program by another way": b"(" + text("true") + b"ios\nsystem\n",
    "numpy's own functions": g("numpy", "zeros") + large(2**40) + b"\x85R",
    "an attribute of an attribute": b"\x80\x04" + text("numpy") + text("ndarray.__class__") + b"\x93",
    "a memo of 32 gigabytes": b"Nr\xff\xff\xff\x7f0" * 3 + b"q",
    "a text of an exabyte, in a frame of one": b"\x80\x04\x95" + EXABYTE + b"\x8d" + EXABYTE + b"N",
    "bytes of an exabyte": b"\x80\x05\x96" + EXABYTE,
    "a number of 10,000 digits": b"L" + b"9" * 10_000 + b"L\n",
    "numbers that collide": b"(" + b"".join(large((2**61 - 1) * n) + b"N" for n in range(3)) + b"d",
    "a key of tuples in tuples": b"}" + b")" + b"\x85" * 300_000 + b"Ns",
    "a set": b"\x80\x04\x8f(K\x01\x90",
    "something persistent": b"Pname\n",
}


@pytest.mark.parametrize("what", HARMFUL)
def test_a_pickle_that_asks_for_too_much_is_refused_at_once(tmp_path, what):
    (tmp_path / "a.pkl").write_bytes(HARMFUL[what] + b".")
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(UsageError, match=r"a\.pkl: not a pickle of numpy arrays alone"):
            load_arrays(tmp_path / "a.pkl")
        assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 5


def test_one_text_does_not_become_many_arrays(tmp_path):
    """Each of them copies a megabyte of the file, which stands there once."""
    array = EMPTY + b"(K\x01" + b"J" + struct.pack("<i", MEGABYTE) + b"\x85" + BYTES + b"\x89h\x00tb"
    content = data(MEGABYTE) + b"q\x000](" + array * 50 + b"e."
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(UsageError, match="its arrays are 4 times larger than the file"):
        load_arrays(tmp_path / "a.pkl")


def test_lists_in_lists_and_in_themselves_are_only_lists(tmp_path):
    (tmp_path / "deep.pkl").write_bytes(b"]" * 60_000 + b"a" * 59_999 + b".")
    (tmp_path / "self.pkl").write_bytes(b"]q\x00h\x00a.")
    for name in ("deep.pkl", "self.pkl"):
        with pytest.raises(UsageError, match=r"no dict of videos with `annotations`"):
            load_tubes(tmp_path / name)


def test_numbers_of_every_kind_come_back_as_they_were(tmp_path):
    arrays = [np.arange(6).astype(kind).reshape(2, 3) for kind in ("u1", "<i2", ">i4", "<f4", ">f8", "c16", "S3", "U4")]
    content = {"arrays": [*arrays, np.asfortranarray(arrays[0]), np.array([True, False])], "one": np.float32(0.5)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
        read = load_arrays(tmp_path / "a.pkl")
        assert all((one == two).all() for one, two in zip(read["arrays"], content["arrays"], strict=True))
        assert read["one"] == content["one"]


def test_a_file_that_is_too_large_or_no_file_is_not_read(tmp_path):
    with (tmp_path / "large.pkl").open("wb") as file:
        file.truncate(65 * MEGABYTE)
    with pytest.raises(UsageError, match=r"larger than 64 MB"):
        load_arrays(tmp_path / "large.pkl")
    with pytest.raises(UsageError, match=r"cannot be read \(Is a directory\)"):
        load_arrays(tmp_path)


def tube(**changes) -> dict:
    return {"boxes": np.ones((2, 4), np.uint8), "sf": 0, "ef": 2} | changes


WRONG = (
    tube(boxes=[[1, 2, 3, 4]]),
    tube(boxes=np.ones((2, 3))),
    tube(boxes=np.full((1, 4), np.inf)),
    tube(boxes=np.full((1, 4), np.nan)),
    tube(boxes=np.full((1, 4), 2**40)),
    tube(boxes=np.array([["a"] * 4])),
    tube(sf=-1),
    tube(ef=0),
    tube(sf=2**40, ef=2**41),
    tube(sf=float("inf")),
    tube(sf="x"),
    tube(sf=None),
    {},
    None,
)


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_a_tube_that_no_video_can_have_is_refused_before_anything_is_made_of_it(tmp_path, wrong):
    content = {"A/v_A_g01_c01": {"annotations": [tube()]}, "A/v_A_g01_c02": {"annotations": [wrong]}}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UsageError, match=r"a\.pkl: no dict of videos with `annotations`"):
        load_tubes(tmp_path / "a.pkl")


@pytest.mark.parametrize("name", ["../A/v", "/A/v", "A", "A/b/c", "A/..", "A/\0", "A/x\n", "A/" + "x" * 200, "A/v.avi"])
def test_a_name_that_leads_elsewhere_is_no_video(tmp_path, name):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({name: {"annotations": []}}))
    with pytest.raises(UsageError, match="names no video"):
        load_tubes(tmp_path / "a.pkl")
