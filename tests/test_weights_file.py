"""Weights that lie about themselves: shapes, sizes, kinds, and what a pickle may call."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stepaudit.errors import UsageError
from stepaudit.networks import checkpoint, weight_files

STATE = {"weight": torch.arange(6.0).reshape(3, 2), "bias": torch.zeros(3)}


def saved(content: object, path, *, new: bool = True):
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("new", [True, False], ids=["zip", "pickles"])
def test_tensors_are_read_from_both_forms_and_all_else_is_left_out(tmp_path, new):
    tied = torch.ones(4)
    content = {**STATE, "tied": tied, "again": tied, "parameter": nn.Parameter(tied), "epoch": 3, 4: tied}
    content |= {"complex": torch.ones(2, dtype=torch.complex64)}
    content |= {"sparse": torch.eye(2).to_sparse()} if new else {}
    read = weight_files.from_torch(saved(content, tmp_path / "a.pth", new=new))
    assert sorted(read) == ["again", "bias", "parameter", "tied", "weight"]
    assert torch.equal(read["weight"], STATE["weight"])
    assert torch.equal(read["again"], tied)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "pickles"])
def test_nothing_in_a_file_is_run(tmp_path, monkeypatch, new):
    monkeypatch.chdir(tmp_path)
    saved({"a": Trap()}, tmp_path / "trap.pth", new=new)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": Trap()}))
    for name in ("trap.pth", "plain.pth"):
        with pytest.raises(UsageError, match=r"cannot be read as a state dict"):
            weight_files.from_torch(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def replaced(path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED):
    """A file of PyTorch's with another content of one entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for entry in old.namelist():
            new.writestr(entry, content if entry.endswith(name) else old.read(entry))
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("name", ["data/0", "data.pkl"])
def test_an_entry_that_grows_when_it_is_unpacked_is_refused(tmp_path, name):
    path = replaced(saved(STATE, tmp_path / "a.pth"), name, bytes(40 * 2**20), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    with pytest.raises(UsageError, match="an entry claims to be larger than the file"):
        weight_files.from_torch(path)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "pickles"])
def test_a_shape_larger_than_the_file_is_refused(tmp_path, new):
    """The shape [6] of a tensor becomes [2²⁹], 2 GB: PyTorch would make its storage as large."""
    path = saved({"a": torch.zeros(6)}, tmp_path / "a.pth", new=new)
    shape, larger = b"K\x06\x85", b"J" + struct.pack("<i", 2**29) + b"\x85"
    if new:
        with zipfile.ZipFile(path) as file:
            content = file.read(next(name for name in file.namelist() if name.endswith("data.pkl")))
        replaced(path, "data.pkl", content.replace(shape, larger, 1))
    else:
        content = path.read_bytes()
        path.write_bytes(content.replace(shape, larger, 1))
    assert shape in content
    with pytest.raises(UsageError, match=r"cannot be read as a state dict"):
        weight_files.from_torch(path)


def safetensors(header: object, body: bytes = bytes(24)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(shape: list, offsets: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


LIES = {
    "a shape larger than its content": {"a": tensor([1000], [0, 24])},
    "a shape that overflows": {"a": tensor([2**62, 2**62], [0, 24])},
    "a shape of nothing that overflows": {"a": tensor([2**62, 2**62, 0], [0, 0]), "b": tensor([6], [0, 24])},
    "offsets that overlap": {"a": tensor([6], [0, 24]), "b": tensor([6], [0, 24])},
    "offsets beyond the end": {"a": tensor([6], [0, 24]), "b": tensor([1000], [24, 4024])},
    "offsets that go back": {"a": tensor([6], [24, 0])},
    "a negative shape": {"a": tensor([-6], [0, 24])},
    "a type that is not there": {"a": tensor([6], [0, 24], "X99")},
    "brackets in brackets": b"[" * 100_000,
    "no JSON": b"{",
}


@pytest.mark.parametrize("what", LIES)
def test_a_header_that_lies_is_refused(tmp_path, what):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(LIES[what]))
    with pytest.raises(UsageError, match=r"a\.safetensors: no readable safetensors file"):
        weight_files.from_safetensors(path)


@pytest.mark.parametrize("length", [0, 7, 10**6, 10**9, 2**63, 2**64 - 1])
def test_a_header_of_another_length_is_refused(tmp_path, length):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b'{"a":{}}')
    with pytest.raises(UsageError, match="no readable safetensors file"):
        weight_files.from_safetensors(path)


ABOUT = (
    "",
    "no JSON",
    "[]",
    "3",
    "null",
    '{"format":1}',
    '{"format":1,"use":"a","options":{}}',
    "[" * 100_000,
    '{"format":' + "9" * 5000 + "}",
)


@pytest.mark.parametrize("about", ABOUT, ids=range(len(ABOUT)))
def test_a_checkpoint_that_does_not_say_what_it_belongs_to_is_none(tmp_path, about):
    save_file(STATE, tmp_path / "a.safetensors", metadata={"stepaudit": about})
    with pytest.raises(UsageError, match=r"a\.safetensors: not a checkpoint of stepaudit"):
        checkpoint.read(tmp_path / "a.safetensors")


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.safetensors")
    os.mkfifo(tmp_path / "a.pth")
    with pytest.raises(UsageError, match="it is no file"):
        weight_files.from_safetensors(tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="it is no file"):
        weight_files.from_torch(tmp_path / "a.pth")


def test_tensors_of_another_kind_do_not_count_as_weights(tmp_path):
    """They have the right shape; copying them would end in an error of PyTorch's, or worse."""
    layer = nn.Linear(2, 3)
    quantised = torch.quantize_per_tensor(STATE["weight"], 0.1, 0, torch.quint8)
    for other in (STATE["weight"].to_sparse(), STATE["weight"].to("meta"), quantised):
        path = saved(OrderedDict(weight=other, bias=STATE["bias"]), tmp_path / "a.pth")
        with pytest.raises(UsageError, match=r"do not fit Linear: 1 of 2 parameters are missing|cannot be read"):
            checkpoint.load_initial(layer, str(path))
