"""The preserve stage: a row for each clip and bound, censored or not."""

from collections import Counter

import pytest
from odd_methods import threshold
from torch import Tensor, nn

from stepaudit.audit import plan
from stepaudit.audit.jobs import Job
from stepaudit.errors import UsageError
from stepaudit.maps import Maps
from stepaudit.running import parts
from stepaudit.stages import preserve
from stepaudit.store import schema, tables

PLANTED = {"dataset": "planted", "model": "r3d"}


def search(made, method):
    for shard in plan.shard_names(made.shards, "test"):
        preserve.run(Job(made, "preserve", method=method, shard=shard, **PLANTED))


def known(**options):
    """A method whose kept probability is known from the ratio alone."""
    return {"use": "odd_methods:threshold", "ratios": [0.1], "options": options, "batch_size": 4}


def seeded(model: nn.Module, clips: Tensor, targets: Tensor, *, ratios: Tensor, seed: int = 0) -> Maps:
    """Keeps the probability and the first place from a ratio of 0.14 on, and for each seed 0.1 more."""
    return threshold(model, clips, targets, ratios=ratios, at=0.14 + seed / 10, rank_at=0.14 + seed / 10)


def with_seeds(changed, *seeds):
    """The audit with searches of a method for these seeds, in batches of two clips."""
    method = {"use": "test_preserve:seeded", "ratios": [0.1], "seeds": seeds, "batch_size": 2}
    return changed(methods={"seeded": method}, preserve={"methods": ["seeded"]})


def test_every_clip_has_one_row_for_each_bound(whole, rows, tested):
    names = schema.TABLES["preservation"].key_names
    found = Counter(tuple(row[name] for name in names) for row in rows(whole, "preservation"))
    assert found == Counter(
        (clip["clip_id"], "planted", model, "ep3d", bound, "label", 0)
        for model in whole.models
        for clip in tested
        for bound in ("probability", "top1")
    )


def test_broken_videos_are_rows_that_say_what_was_wrong(whole, rows, tested):
    for clip in tested:
        for row in rows(whole, "preservation", clip_id=clip["clip_id"]):
            if clip["status"] != "ok":
                assert (row["status"], row["error"]) == ("upstream", f"{clip['status']}: {clip['error']}")
                assert row["ratio"] is row["lower"] is row["upper"] is row["censored"] is None


def test_a_first_place_that_a_clip_does_not_have_cannot_be_kept(whole, rows):
    rank = {(row["model"], row["clip_id"]): row["rank"] for row in rows(whole, "predictions", status="ok")}
    assert {1, 2} <= set(rank.values())  # the premise
    for row in rows(whole, "preservation", bound="top1"):
        place = rank.get((row["model"], row["clip_id"]))
        if place is not None:
            assert row["status"] == ("ok" if place == 1 else "not_applicable")
            assert place == 1 or row["error"] == f"the clip's target has rank {place}, no first place to keep"


def test_numbers_agree_with_each_other(whole, rows):
    for row in rows(whole, "preservation", status="ok"):
        assert (row["required_probability"] is None) == (row["bound"] == "top1")
        assert 1 <= row["evaluations"] <= 2 + 6 + 2  # the grid, below it down to 0.0025, and a bisection each
        if row["censored"] == "right":
            assert row["ratio"] is row["upper"] is row["kept_probability"] is None
            assert row["lower"] > 0
        else:
            assert 0 <= row["lower"] < row["ratio"] == row["upper"] <= 1
            assert (row["lower"] == 0) == (row["censored"] == "left")
            if row["bound"] == "probability":
                assert row["kept_probability"] >= row["required_probability"] * (1 - 1e-6)


def test_a_known_threshold_is_found(changed, rows):
    """Between 0.1 and 0.4 at 0.14: 0.2 suffices, which is no more than twice 0.1."""
    made = changed(methods={"known": known(at=0.14)}, preserve={"methods": ["known"], "bounds": ["probability"]})
    search(made, "known")
    found = rows(made, "preservation", method="known", status="ok")
    assert len(found) == 7
    for row in found:
        assert (row["ratio"], row["lower"], row["upper"]) == pytest.approx((0.2, 0.1, 0.2), abs=1e-4)  # float16
        assert (row["censored"], row["evaluations"], row["kept_probability"]) == (None, 3, 1.0)


@pytest.mark.parametrize(
    ("at", "expected"),
    [(0.001, ("left", 0.0025, 0.0, 0.0025, 7)), (0.9, ("right", None, 0.4, None, 2))],
)
def test_clips_without_a_bracket_are_kept_as_censored(changed, rows, at, expected):
    made = changed(methods={"known": known(at=at)}, preserve={"methods": ["known"], "bounds": ["probability"]})
    search(made, "known")
    for row in rows(made, "preservation", method="known", status="ok"):
        values = [row[name] for name in ("ratio", "lower", "upper", "evaluations")]
        assert (row["censored"], *values) == pytest.approx(expected, abs=1e-4)


def test_bounds_are_searched_apart_from_each_other(changed, rows):
    """The probability is kept from 0.05 on, the first place from 0.3 on; only clips in the first place are asked."""
    made = changed(methods={"known": known(at=0.05, rank_at=0.3)}, preserve={"methods": ["known"]})
    search(made, "known")
    for row in rows(made, "preservation", method="known", status="ok"):
        expected = {"probability": (None, 0.05, 0.025), "top1": (None, 0.4, 0.2)}[row["bound"]]
        assert (row["censored"], row["ratio"], row["lower"]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("share", "censored"), [(1.0, "right"), (0.5, "left")])
def test_the_share_of_the_probability_is_what_must_be_kept(changed, rows, share, censored):
    """Every mask keeps 0.3, the full one 0.5."""
    made = changed(
        methods={"known": known(at=0.0, kept=0.3, full=0.5)},
        preserve={"methods": ["known"], "share": share, "bounds": ["probability"]},
    )
    search(made, "known")
    for row in rows(made, "preservation", method="known", status="ok"):
        assert row["required_probability"] == pytest.approx(share * 0.5)
        assert row["censored"] == censored


def test_every_seed_is_searched_in_the_order_of_the_configuration_and_has_its_own_rows(changed, rows, tested):
    """Seed 2 keeps from 0.34 on: 0.4 suffices, 0.1 and 0.2 fail. Seed 0: 0.2 suffices."""
    made = with_seeds(changed, 2, 0)
    search(made, "seeded")
    found = rows(made, "preservation", method="seeded")
    assert Counter((row["clip_id"], row["seed"], row["bound"]) for row in found) == Counter(
        (clip["clip_id"], seed, bound) for clip in tested for seed in (2, 0) for bound in ("probability", "top1")
    )
    shard = tables.read(
        "preservation", Job(made, "preserve", **PLANTED, method="seeded", shard="test-000").file("preservation")
    )
    assert [row["seed"] for row in shard] == [2] * 10 + [0] * 10
    for row in (row for row in found if row["status"] == "ok" and row["bound"] == "probability"):
        ratio, lower, evaluations = {0: (0.2, 0.1, 3), 2: (0.4, 0.2, 3)}[row["seed"]]
        assert (row["ratio"], row["lower"], row["evaluations"]) == pytest.approx((ratio, lower, evaluations), abs=1e-3)


def test_a_seed_has_the_same_rows_alone_and_beside_others(changed, rows):
    both = with_seeds(changed, 2, 0)
    search(both, "seeded")
    beside = rows(both, "preservation", method="seeded", seed=0)
    assert len(beside) == 10 * 2  # clips, bounds
    alone = with_seeds(changed, 0)
    search(alone, "seeded")
    assert rows(alone, "preservation", method="seeded") == beside


def test_a_method_that_optimises_nothing_has_rows_that_say_so(changed, rows):
    made = changed(
        methods={"uniform": {"use": "odd_methods:uniform", "ratios": [0.1]}}, preserve={"methods": ["uniform"]}
    )
    search(made, "uniform")
    found = rows(made, "preservation", method="uniform")
    assert Counter(row["status"] for row in found) == {"not_applicable": 14, "upstream": 6}
    assert "method 'uniform' optimises no mask" in next(r["error"] for r in found if r["status"] == "not_applicable")


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_shard_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(changed, whole, monkeypatch, seeds):
    settings = {**whole.methods["ep3d"].model_dump(exclude={"use"}), "batch_size": 2}
    made, keys = changed(methods={"ep3d": settings}), {**PLANTED, "method": "ep3d", "shard": "test-000"}
    if seeds == 2:
        made, keys = with_seeds(changed, 0, 2), {**keys, "method": "seeded"}
    output = Job(made, "preserve", **keys).file("preservation")
    preserve.run(Job(made, "preserve", **keys))
    undisturbed = tables.read("preservation", output)
    output.unlink()
    add, added = parts.Parts.add, []

    def stop_at_the_second(parts, batch, rows):
        if len(added) == 1:
            raise KeyboardInterrupt
        added.append(batch)
        add(parts, batch, rows)

    monkeypatch.setattr(parts.Parts, "add", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        preserve.run(Job(made, "preserve", **keys))
    assert not output.exists()
    monkeypatch.setattr(parts.Parts, "add", lambda kept, batch, rows: (added.append(batch), add(kept, batch, rows)))
    preserve.run(Job(made, "preserve", **keys))
    assert added == list(range(3 * seeds))
    assert tables.read("preservation", output) == undisturbed


def test_a_bug_in_a_method_crashes_and_writes_no_table(changed, monkeypatch):
    import odd_methods

    def bug(*arguments, **options):
        raise ValueError("a bug")

    monkeypatch.setattr(odd_methods, "uniform", bug)
    made = changed(
        methods={"uniform": {"use": "odd_methods:uniform", "ratios": [0.1]}}, preserve={"methods": ["uniform"]}
    )
    with pytest.raises(ValueError, match="a bug"):
        search(made, "uniform")
    assert not list((made.folder / "preservation").rglob("method=uniform/*.parquet"))


def test_a_shard_of_training_clips_is_refused_with_the_reason(changed):
    with pytest.raises(UsageError, match=r"'train-000'.* test"):
        preserve.run(Job(changed(), "preserve", method="ep3d", shard="train-000", **PLANTED))
