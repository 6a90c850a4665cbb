"""Numbers of shards, and which shards hold the same clips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepaudit.audit import plan
from stepaudit.audit.plan import Plan
from stepaudit.errors import UsageError

ENTRIES = {"clips/a/test": {"shards": 4, "clips": 10, "seconds": 2.5, "decided_by": "x"}}


def clips_of(shard: str, shards: int, total: int) -> set[int]:
    """Every n-th clip, as the stages `extract` cuts them."""
    return set(range(total)[int(shard.rpartition("-")[2]) :: shards])


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 300))
def test_a_shard_shares_its_clips_with_exactly_the_shards_that_are_named(one, other, total):
    one, other = 2**one, 2**other
    for shard in plan.shard_names(one, "test"):
        own = clips_of(shard, one, total)
        named = plan.sharing_clips(shard, one, other)
        for candidate in plan.shard_names(other, "test"):
            shares = bool(own & clips_of(candidate, other, total))
            assert not shares or candidate in named
        together = set().union(*(clips_of(name, other, total) for name in named))
        assert own <= together
        if other >= one:
            assert together == own, "a finer division must give nothing else"


def test_equal_divisions_share_shard_by_shard_whatever_their_number():
    for shards in (1, 3, 12):
        for shard in plan.shard_names(shards, "train"):
            assert plan.sharing_clips(shard, shards, shards) == [shard]


def test_a_number_of_the_configuration_holds_everywhere():
    fixed = Plan({}, 7)
    assert fixed.shards("maps", "a", "b", "c") == fixed.shards("clips", "a", "test") == 7
    assert fixed.seconds("clips", "a", "test") is None


def test_what_is_saved_is_read_again_and_not_written_twice(tmp_path):
    plan.save(Plan(ENTRIES), tmp_path / "audit")
    file = tmp_path / "audit" / plan.FILE
    first = file.stat().st_mtime_ns
    plan.save(Plan(dict(ENTRIES)), tmp_path / "audit")
    assert file.stat().st_mtime_ns == first
    found = plan.read(tmp_path / "audit")
    assert (found.shards("clips", "a", "test"), found.clips("clips", "a", "test")) == (4, 10)
    assert [path.name for path in file.parent.iterdir()] == [plan.FILE]


def test_a_part_that_is_not_planned_is_told_with_the_next_step():
    with pytest.raises(UsageError, match=r"clips/b/test is not planned yet; run the workflow"):
        Plan(ENTRIES).shards("clips", "b", "test")


DAMAGED = ("{", "[]", '{"a": {}}', '{"a": {"shards": 0}}', '{"a": {"shards": "2"}}', "\x00", "3")


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_plan_is_refused_with_the_way_out(tmp_path, text):
    (tmp_path / plan.FILE).write_text(text)
    with pytest.raises(UsageError, match=r"plan\.json: .*delete it, and the audit is planned again"):
        plan.read(tmp_path)
