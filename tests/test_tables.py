"""The tables: what is written is read again; nothing half, nothing old, nothing unknown passes unnoticed."""

import multiprocessing
import re
from pathlib import Path
from random import Random

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepaudit.errors import UsageError
from stepaudit.running.parts import Parts
from stepaudit.store import schema, tables
from stepaudit.store.schema import TABLES

EXAMPLES = {
    pa.string(): "héllo 'x' \"y\"",
    pa.int32(): -7,
    pa.float64(): 0.1,
    pa.bool_(): True,
    pa.binary(): bytes(range(256)),
    pa.list_(pa.int32()): [3, 1, 2],
    pa.list_(pa.bool_()): [True, False],
    pa.list_(pa.float16()): [0.0, 0.333251953125, 1.0, 6.103515625e-05],
    pa.list_(pa.float32()): [0.25, 0.5],
    pa.list_(pa.string()): ["blur", "grey"],
}

every_table = pytest.mark.parametrize("name", TABLES)


def file_of(folder: Path, name: str) -> Path:
    keys = [f"{key}={key}-1" for key in TABLES[name].partitions]
    return Path(folder, name, *keys, "test-000.parquet")


def full_row(name: str) -> dict:
    row = {column.name: EXAMPLES[column.type] for column in TABLES[name].columns}
    return row | {key: f"{key}-1" for key in TABLES[name].partitions}


def empty_row(name: str) -> dict:
    return {column.name: None for column in TABLES[name].columns} | {key: f"{key}-1" for key in TABLES[name].partitions}


@every_table
def test_rows_come_back_as_they_were_with_the_columns_of_their_path(name, tmp_path):
    path, rows = file_of(tmp_path, name), [full_row(name), empty_row(name)]
    tables.write(rows, name, path)
    assert tables.read(name, path) == rows
    inside = pq.ParquetFile(path).schema_arrow
    assert not set(inside.names) & set(TABLES[name].partitions)
    types = {column.name: column.type for column in TABLES[name].columns}
    assert [inside.field(key).type for key in inside.names] == [types[key] for key in inside.names]


@every_table
def test_missing_columns_are_null_and_unknown_ones_an_error(name, tmp_path):
    path = file_of(tmp_path, name)
    tables.write([{}], name, path)
    assert tables.read(name, path) == [empty_row(name)]
    with pytest.raises(KeyError, match=rf"table '{name}' has no column \['nonsense'\]"):
        tables.write([{}, {"nonsense": 1}], name, path)
    assert tables.read(name, path) == [empty_row(name)]


@every_table
def test_no_rows_are_a_table_as_well(name, tmp_path):
    path = file_of(tmp_path, name)
    tables.write([], name, path)
    assert tables.read(name, path) == []
    assert pq.read_schema(path).names == TABLES[name].schema.names


@every_table
def test_every_table_says_what_its_columns_are(name):
    table = TABLES[name]
    assert 0 < table.keys <= len(table.columns)
    assert set(table.partitions) <= set(table.key_names)
    assert len({column.name for column in table.columns}) == len(table.columns)
    for column in table.columns:
        assert re.fullmatch(r"[a-z0-9_]+", column.name)
        assert column.text[-1] in ".]"
    failing = {"status", "error"} & {column.name for column in table.columns}
    assert failing in (set(), {"status", "error"})


def test_a_grid_of_float16_loses_nothing(tmp_path):
    """Every finite half number from 0 to 1 comes back as it was."""
    halves = np.arange(0, 0x3C01, dtype=np.uint16).view(np.float16)
    path = file_of(tmp_path, "maps")
    tables.write([{"grid": halves}], "maps", path)
    (row,) = tables.read("maps", path)
    assert np.array_equal(np.array(row["grid"], dtype=np.float64), halves.astype(np.float64))


def test_chosen_columns_are_read_with_or_without_those_of_the_path(tmp_path):
    path = file_of(tmp_path, "maps")
    tables.write([{"clip_id": "a", "seed": 1}, {"clip_id": "b", "seed": 2}], "maps", path)
    assert tables.read("maps", path, columns=["clip_id", "method"]) == [
        {"clip_id": "a", "method": "method-1"},
        {"clip_id": "b", "method": "method-1"},
    ]
    assert tables.read("maps", path, columns=["method"]) == [{"method": "method-1"}] * 2


def test_folders_above_an_audit_may_be_called_as_its_columns_are(tmp_path):
    path = file_of(tmp_path / "seed=7" / "method=other", "maps")
    tables.write([full_row("maps")], "maps", path)
    assert tables.read("maps", path, columns=["seed", "method"]) == [{"seed": -7, "method": "method-1"}]


def test_a_folder_is_read_in_order_and_without_what_is_hidden(tmp_path):
    for shard in ("test-001", "test-000"):
        tables.write([{"clip_id": shard}], "clips", tmp_path / "clips" / "dataset=d" / f"{shard}.parquet")
    tables.write([{"clip_id": "other"}], "clips", tmp_path / "clips" / "dataset=e" / "test-000.parquet")
    Parts("clips", tmp_path / "clips" / "dataset=d" / "test-002.parquet", "x").add(0, [{"clip_id": "unfinished"}])
    rows = tables.read("clips", tmp_path / "clips")
    assert [(row["dataset"], row["clip_id"]) for row in rows] == [("d", "test-000"), ("d", "test-001"), ("e", "other")]


def test_duckdb_reads_the_same_rows(tmp_path):
    for method in ("step", "ep3d"):
        path = tmp_path / "scores" / "dataset=d" / "model=m" / f"method={method}" / "test-000.parquet"
        tables.write([{"clip_id": "c", "value": 0.5}], "scores", path)
    files = f"read_parquet('{tmp_path}/scores/**/*.parquet', hive_partitioning=true)"
    found = duckdb.connect().sql(f"select method, clip_id, value from {files} order by 1")
    assert found.fetchall() == [("ep3d", "c", 0.5), ("step", "c", 0.5)]


def with_metadata(path: Path, version: bytes | None) -> None:
    data = pq.read_table(path, partitioning=None)
    metadata = {} if version is None else {schema.SCHEMA_KEY: version, tables.ROWS_KEY: str(data.num_rows)}
    pq.write_table(data.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(("version", "shown"), [(b"0", "0"), (b"3", "3"), (None, "none")])
def test_an_older_schema_is_refused_with_the_way_to_upgrade(tmp_path, version, shown):
    path = file_of(tmp_path, "clips")
    tables.write([{}], "clips", path)
    with_metadata(path, version)
    with pytest.raises(UsageError) as refused:
        tables.read("clips", path)
    assert (
        f"{path}: written with table schema {shown}, this stepaudit reads schema {schema.SCHEMA_VERSION} of 'clips': "
        in str(refused.value)
    )
    assert f"`stepaudit check {tmp_path}` says what to run again, or read it with" in str(refused.value)


def test_a_newer_schema_asks_for_a_newer_stepaudit(tmp_path):
    path = file_of(tmp_path, "clips")
    tables.write([{}], "clips", path)
    with_metadata(path, b"%d" % (schema.SCHEMA_VERSION + 1))
    with pytest.raises(UsageError, match=r"table schema .*: a newer stepaudit wrote it, read it with that one"):
        tables.read("clips", path)


def test_a_table_with_other_columns_is_refused(tmp_path):
    path = file_of(tmp_path, "clips")
    tables.write([{}], "clips", path)
    with pytest.raises(UsageError, match=f"reads schema {schema.SCHEMA_VERSION} of 'maps'"):
        tables.read("maps", path)


def test_a_table_whose_columns_have_other_types_is_refused(tmp_path):
    path = file_of(tmp_path, "training_log")
    tables.write([{"epoch": 1}], "training_log", path)
    data = pq.read_table(path, partitioning=None)
    place = data.schema.get_field_index("epoch")
    pq.write_table(data.set_column(place, "epoch", data["epoch"].cast(pa.int64())), path)
    with pytest.raises(UsageError, match=f"reads schema {schema.SCHEMA_VERSION} of 'training_log'"):
        tables.read("training_log", path)


NEXT_STEP = (
    r"damaged, not a readable Parquet file \(.*\); `stepaudit check .* --delete` removes it and says how to make"
)


@pytest.mark.parametrize("size", [0, 3, 100, -8, -1])
def test_a_truncated_file_is_refused_with_the_next_step(tmp_path, size):
    path = file_of(tmp_path, "clips")
    tables.write([full_row("clips")], "clips", path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UsageError, match=NEXT_STEP):
        tables.read("clips", path)


def test_damage_names_the_audit_that_the_file_is_of(tmp_path):
    path = tmp_path / "results/demo/maps/dataset=d/model=m/method=x/test-000.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=f"`stepaudit check {tmp_path}/results/demo --delete`"):
        tables.read("maps", path)


@pytest.mark.parametrize("name", ["maps", "scores"])
def test_whatever_bit_is_flipped_reading_ends_with_the_rows_or_a_usage_error(name, tmp_path):
    """And no bit of the pages' data is read as another value: they have checksums."""
    path = file_of(tmp_path, name)
    rows = [full_row(name)] * 3
    tables.write(rows, name, path)
    before, random = path.read_bytes(), Random(0)
    footer = pq.ParquetFile(path).metadata
    chunks = [footer.row_group(0).column(index) for index in range(footer.num_columns)]
    end = max(chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks)
    for place in random.sample(range(len(before)), 400):
        path.write_bytes(before[:place] + bytes([before[place] ^ 1 << random.randrange(8)]) + before[place + 1 :])
        try:
            found = tables.read(name, path)
        except UsageError as error:
            assert str(path) in str(error)  # noqa: PT017 (others do not raise)
            continue
        assert found == rows or place >= end


def test_lengths_that_lie_are_refused(tmp_path):
    """Every byte of the footer, and of the pages' headers, as large as can be."""
    path = file_of(tmp_path, "scores")
    tables.write([full_row("scores")], "scores", path)
    before = path.read_bytes()
    refused = 0
    for place in range(4, len(before), 3):
        path.write_bytes(before[:place] + b"\xff" * 4 + before[place + 4 :])
        try:
            tables.read("scores", path)
        except UsageError:
            refused += 1
    assert refused > 100


def test_a_count_of_rows_that_differs_is_refused(tmp_path):
    path = file_of(tmp_path, "clips")
    tables.write([{}, {}], "clips", path)
    data = pq.read_table(path, partitioning=None)
    pq.write_table(data.slice(0, 1), path)
    with pytest.raises(UsageError, match=r"it has 1 rows, its metadata say 2"):
        tables.read("clips", path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = file_of(tmp_path, "clips")
    tables.write([{}], "clips", path)

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pq, "ParquetFile", refuse)  # root may read everything
    with pytest.raises(UsageError, match=r"cannot be read \(Permission denied\)"):
        tables.read("clips", path)


def test_files_carry_the_schema_their_rows_and_the_job_that_wrote_them(tmp_path):
    path = file_of(tmp_path, "clips")
    with tables.made_by({"stage": "extract", "keys": {"dataset": "d"}, "settings": "1", "version": "0"}):
        tables.write([{}, {}], "clips", path)
    assert tables.metadata(path) == {
        "schema": str(schema.SCHEMA_VERSION),
        "rows": 2,
        "stage": "extract",
        "keys": {"dataset": "d"},
        "settings": "1",
        "version": "0",
    }
    tables.write([{}], "clips", path)
    assert tables.metadata(path) == {"schema": str(schema.SCHEMA_VERSION), "rows": 1}


def test_a_job_knows_what_it_has_read(tmp_path):
    one, other = (file_of(tmp_path, name) for name in ("clips", "maps"))
    for path, name in ((one, "clips"), (other, "maps")):
        tables.write([{}], name, path)
    with tables.made_by({}) as files_read:
        tables.read("clips", one, columns=["clip_id"])
    tables.read("maps", other)
    assert files_read == {one}


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(UsageError, match="not there; run the stage that writes it first"):
        tables.read("clips", tmp_path / "no.parquet")


def test_a_file_is_written_under_another_name_first(tmp_path, monkeypatch):
    path = file_of(tmp_path, "clips")
    tables.write([{"clip_id": "old"}], "clips", path)
    written = pq.write_table

    def stop_after_half(data, where, **options):
        written(data, where, **options)
        Path(where).write_bytes(Path(where).read_bytes()[:40])
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", stop_after_half)
    with pytest.raises(KeyboardInterrupt):
        tables.write([{"clip_id": "new"}], "clips", path)
    assert tables.read("clips", path.parent) == tables.read("clips", path)
    assert tables.read("clips", path)[0]["clip_id"] == "old"
    assert [file.name for file in path.parent.iterdir()] == [path.name], "what was half written takes no room"
    monkeypatch.undo()
    tables.write([{"clip_id": "new"}], "clips", path)
    assert tables.read("clips", path)[0]["clip_id"] == "new"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def _write_often(path: Path) -> None:
    for number in range(40):
        tables.write([{"clip_id": str(number)}] * 300, "clips", path)


def test_a_reader_beside_a_writer_never_sees_half_a_file(tmp_path):
    path = file_of(tmp_path, "clips")
    tables.write([{"clip_id": "0"}] * 300, "clips", path)
    writer = multiprocessing.get_context("spawn").Process(target=_write_often, args=(path,))
    writer.start()
    seen = set()
    while writer.is_alive():
        rows = tables.read("clips", path)
        assert len(rows) == 300
        seen.add(rows[0]["clip_id"])
        assert len({row["clip_id"] for row in rows}) == 1
    writer.join()
    assert writer.exitcode == 0
    assert len(seen) > 1


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4))
def test_json_is_the_same_whatever_the_order(value):
    shuffled = dict(reversed(value.items()))
    assert tables.as_json(value) == tables.as_json(shuffled)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(texts, st.none() | st.floats(allow_nan=False), st.none() | st.integers(0, 15)), max_size=5))
def test_any_text_and_number_survives(tmp_path, values):
    path = file_of(tmp_path, "scores")
    rows = [empty_row("scores") | {"clip_id": text, "value": value, "frame": frame} for text, value, frame in values]
    tables.write(rows, "scores", path)
    assert tables.read("scores", path) == rows
