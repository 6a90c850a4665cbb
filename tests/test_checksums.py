"""Checksums of files; a row of `runs` carries its own, and no reader of Parquet minds it."""

import hashlib

import duckdb
import pyarrow.parquet as pq
import pytest

from stepaudit.store import checksums, tables

ROWS = [{"stage": "index", "keys": "{}", "seconds": 1.5}]


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "stage=index/all.parquet"
    tables.write(ROWS, "runs", path, with_checksum=True)
    return path


def test_the_checksum_of_a_file_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert checksums.sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


def test_readers_of_parquet_do_not_mind_the_checksum_of_a_record(record):
    assert checksums.matches_embedded(record)
    assert pq.ParquetFile(record, page_checksum_verification=True).read().column("seconds").to_pylist() == [1.5]
    assert duckdb.execute("select keys, seconds from read_parquet(?)", [str(record)]).fetchall() == [("{}", 1.5)]
    assert tables.read("runs", record, columns=["stage", "seconds"]) == [{"stage": "index", "seconds": 1.5}]


def test_every_bit_of_a_record_that_is_flipped_is_noticed(record):
    before = record.read_bytes()
    for place in range(len(before)):
        for bit in {place % 8, place // 8 % 8}:
            record.write_bytes(before[:place] + bytes([before[place] ^ 1 << bit]) + before[place + 1 :])
            assert not checksums.matches_embedded(record), place


def test_a_file_that_carries_no_checksum_is_neither_sound_nor_damaged(tmp_path):
    tables.write(ROWS, "runs", tmp_path / "plain.parquet")
    (tmp_path / "empty.parquet").touch()
    assert checksums.matches_embedded(tmp_path / "plain.parquet") is None
    assert checksums.matches_embedded(tmp_path / "empty.parquet") is None


def test_the_checksum_is_that_of_the_file_with_a_blank_in_its_place(record):
    content = record.read_bytes()
    before, prefix, rest = content.partition(checksums.PREFIX)
    assert rest[:64].decode() == hashlib.sha256(before + prefix + b"0" * 64 + rest[64:]).hexdigest()
