"""How far a* moves between seeds: rows by hand."""

import pytest
from tiny_audit import answer, interval, write_audit

METHODS = {
    "step": {"ratios": [0.1], "seeds": [0, 1]},
    "ep3d": {"ratios": [0.1], "seeds": [0, 1]},
    "one": {"use": "ep3d", "ratios": [0.1]},
}
PRESERVE = {"methods": [*METHODS], "tolerance": 0.03}


def search(clip_id, seed, ratio, method="step", **others):
    known = {"ratio": ratio, "lower": ratio - 0.02, "upper": ratio} if ratio else {}
    return {"clip_id": clip_id, "method": method, "seed": seed, **known, **others}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Rows of the report by method."""
    censored = {"lower": 0.7, "censored": "right"}
    by_clip = {"a": (0.1, 0.14), "b": (0.2, 0.22), "c": (0.3, 0.3)}
    rows = [search(clip_id, seed, ratio) for clip_id, both in by_clip.items() for seed, ratio in enumerate(both)]
    rows += [search("d", 0, 0.5), search("d", 1, None, **censored)]
    rows += [search("e", 0, None, **censored), search("e", 1, None, **censored)]
    rows += [search("f", 0, 0.01), search("f", 1, None, status="non_finite", error="NaN")]
    rows += [search(clip_id, seed, 0.1, "ep3d") for clip_id in "ab" for seed in (0, 1)]
    rows += [search(clip_id, 0, 0.1, "one") for clip_id in "ab"]
    audit = write_audit(tmp_path_factory.mktemp("seeds"), {"preservation": rows}, methods=METHODS, preserve=PRESERVE)
    return {row["method"]: row for row in answer(audit, "ratio_seeds")}


def test_the_spread_between_seeds_stands_beside_that_between_clips(found):
    row = found["step"]
    shown = [row[f"range_ratio{end}"] for end in ("", "_low", "_high")]
    assert shown == pytest.approx([0.02, *interval([0.04, 0.02, 0])], abs=1e-4)
    assert (row["largest_range_ratio"], row["tolerance"], row["seeds"]) == (0.04, 0.03, 2)
    assert row["seed_deviation_ratio"] == pytest.approx(0.0183, abs=1e-4)  # √((0.0008 + 0.0002 + 0) / 3)
    assert row["clip_deviation_ratio"] == 0.09  # of 0.12, 0.21, 0.3
    assert row["note"] is None


def test_censored_clips_are_counted_apart_and_failed_searches_left_out(found):
    counts = {name: found["step"][f"{name}_clips"] for name in ("known", "mixed", "same")}
    assert counts == {"known": 3, "mixed": 1, "same": 2}  # c, and e, which is censored alike
    assert found["step"]["clips"] == 5  # f has one seed's value alone


def test_medians_of_the_seeds_count_clips_that_no_mask_preserves(found):
    # 0.1, 0.2, 0.3, 0.5, above 0.7; and 0.14, 0.22, 0.3 with two above 0.7
    assert (found["step"]["least_median_ratio"], found["step"]["greatest_median_ratio"]) == (0.3, 0.3)


def test_a_method_whose_seeds_change_nothing_is_called_so_and_one_seed_has_no_row(found):
    assert set(found) == {"step", "ep3d"}
    row = found["ep3d"]
    assert row["note"] == "every seed gives the same brackets; the method may not use its seed"
    assert (row["range_ratio"], row["same_clips"], row["clips"]) == (0, 2, 2)
