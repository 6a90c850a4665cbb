"""A shard that is made batch by batch."""

import pytest

import stepaudit.parts as parts_module
from stepaudit import tables
from stepaudit.parts import Parts


@pytest.fixture
def output(tmp_path):
    return tmp_path / "clips" / "dataset=d" / "size=16x32x32" / "test-000.parquet"


def test_batches_are_joined_in_their_order_whenever_they_were_made(output):
    parts = Parts("clips", output, "x")
    for batch in (2, 0, 1):
        parts.add(batch, [{"clip_id": f"{batch}{row}"} for row in range(2)])
    assert not output.exists()
    parts.finish(3)
    assert [row["clip_id"] for row in tables.read("clips", output)] == ["00", "01", "10", "11", "20", "21"]
    assert [file.name for file in output.parent.iterdir()] == [output.name]


def test_what_was_finished_is_still_there_after_a_restart(output):
    Parts("clips", output, "x").add(1, [{"clip_id": "kept"}])
    again = Parts("clips", output, "x")
    assert [batch in again for batch in range(3)] == [False, True, False]
    again.add(0, [{"clip_id": "new"}])
    again.finish(2)
    assert [row["clip_id"] for row in tables.read("clips", output)] == ["new", "kept"]


def test_what_was_made_from_something_else_is_thrown_away(output):
    Parts("clips", output, "x").add(0, [{"clip_id": "old"}])
    assert 0 not in Parts("clips", output, "y")
    assert 0 not in Parts("clips", output, "x")


def test_parts_without_a_mark_are_thrown_away(output):
    """Stopped between making the folder and marking it."""
    parts = Parts("clips", output, "x")
    parts.add(0, [{}])
    (parts.folder / "fingerprint").unlink()
    assert 0 not in Parts("clips", output, "x")


def test_a_batch_that_was_stopped_half_way_is_made_again(output):
    parts = Parts("clips", output, "x")

    def rows():
        yield {"clip_id": "one"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.add(0, rows())
    assert 0 not in Parts("clips", output, "x")


def test_stopped_after_the_output_and_before_the_end_it_ends_with_the_same_rows(output, monkeypatch):
    parts = Parts("clips", output, "x")
    parts.add(0, [{"clip_id": "a"}])
    monkeypatch.setattr(parts_module.shutil, "rmtree", lambda *arguments, **options: None)
    parts.finish(1)
    monkeypatch.undo()
    before = output.read_bytes()
    again = Parts("clips", output, "x")
    assert 0 in again
    again.finish(1)
    assert output.read_bytes() == before


def test_no_batches_are_an_empty_table(output):
    Parts("clips", output, "x").finish(0)
    assert tables.read("clips", output) == []
