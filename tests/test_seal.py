"""The seal of a Parquet file: any bit that changes is noticed, and no reader of Parquet notices the seal."""

import hashlib

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stepaudit.store import seal

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path, write_page_checksum=True)
    return path


def test_the_seal_is_the_sha256_of_the_file_as_it_was(path):
    before = path.read_bytes()
    assert seal.read(path) is None
    assert seal.computed(path) == hashlib.sha256(before).hexdigest()
    assert seal.close(path) == seal.read(path) == seal.computed(path) == hashlib.sha256(before).hexdigest()
    assert len(path.read_bytes()) == len(before) + seal.LENGTH


def test_readers_of_parquet_do_not_notice_it(path):
    seal.close(path)
    assert pq.ParquetFile(path, page_checksum_verification=True).read().equals(TABLE)
    assert duckdb.connect().execute("from read_parquet(?)", [str(path)]).fetchall() == [(1, "x"), (2, None), (3, "z")]


def test_every_bit_that_is_flipped_is_noticed(path):
    seal.close(path)
    before = path.read_bytes()
    for place in range(len(before)):
        path.write_bytes(before[:place] + bytes([before[place] ^ 1 << place % 8]) + before[place + 1 :])
        assert seal.read(path) != seal.computed(path), place


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" * 3, bytes(100), b"\xff\xff\xff\x7fPAR1", b"x" * 80 + bytes(4) + b"PAR1"]
)
def test_what_is_no_sealed_file_has_none(tmp_path, content):
    path = tmp_path / "f"
    path.write_bytes(content)
    assert seal.read(path) is None
    assert seal.computed(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_no_parquet_is_not_sealed(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"no Parquet")
    with pytest.raises(ValueError, match="no Parquet file"):
        seal.close(path)
    assert path.read_bytes() == b"no Parquet"


def test_large_files_are_read_in_pieces(path, monkeypatch):
    seal.close(path)
    monkeypatch.setattr(seal, "CHUNK", 7)
    assert seal.read(path) == seal.computed(path)
