"""The benchmark's own runner: what it asks for, in which order, and what it does not do twice."""

from pathlib import Path

import pytest

from stepaudit.audit import config, registry
from stepaudit.audit.jobs import in_groups
from stepaudit.commands import benchmark
from stepaudit.errors import UsageError

FILE = Path(__file__).parents[1] / "config/benchmark.yaml"
SMALL = {
    "audit": "small",
    "shards": 1,
    "datasets": {"a": {"use": "planted", "root": "data"}, "b": {"use": "planted", "root": "data"}},
    "models": {"one": {"use": "planted_white_box"}},
    "methods": {"center": {}, "noise": {"use": "random_pixel"}},
    "metrics": {"support": {}},
}


def small(folder, **changes):
    return config.parse({**SMALL, "results": str(folder), **changes})


def note(audit, **keys):
    """A stage that tells in which order it was called, with what."""
    with (audit.folder / "calls").open("a") as file:
        file.write(",".join(keys.values()) + "\n")


STAGES = dict.fromkeys(benchmark.STAGES, note)


def calls(audit):
    lines = (audit.folder / "calls").read_text().splitlines()
    (audit.folder / "calls").unlink()
    return lines


def test_every_registered_method_is_scored():
    chosen = benchmark.settings(FILE, [])
    assert {entry.use for entry in chosen.methods.values()} >= set(registry.names("methods"))
    assert {"step", "step_corrected", "ep3d", "ep3d_corrected"} <= set(chosen.methods)


def test_methods_that_the_configuration_does_not_name_are_added_with_the_ratios_they_need(tmp_path):
    file = tmp_path / "bench.yaml"
    config.save(small(tmp_path), file)
    found = benchmark.settings(file, []).methods
    assert set(found) >= set(registry.names("methods")) - {"random_pixel"}
    assert found["step"].ratios == benchmark.RATIOS
    assert found["gradient"].ratios is None
    assert "random_pixel" not in found  # it is there as `noise`


def test_some_methods_may_be_chosen_and_unknown_ones_are_refused():
    assert list(benchmark.settings(FILE, ["rise", "step"]).methods) == ["rise", "step"]
    with pytest.raises(UsageError, match="no method 'stepp'; did you mean 'step'"):
        benchmark.settings(FILE, ["stepp"])


def test_jobs_write_every_file_that_the_report_of_the_audit_asks_for(tmp_path):
    audit = small(tmp_path, shards=2, preserve={"methods": []})
    asked = in_groups(audit)
    assert [{stage for stage, _ in jobs} for jobs in asked] == [
        {"index"}, {"extract"}, {"train"}, set(), {"predict"}, {"attribute"}, set(), {"score"},
    ]  # fmt: skip
    scored = [audit.path("scores", **keys) for _, keys in asked[-1]]
    assert sorted(scored) == sorted(audit.all_shards("scores", audit.methods))
    assert len(asked[1]) == 2 * 1 * 6  # data sets, sizes, shards of three splits


def test_controls_are_made_after_the_models_that_they_are_controls_of_and_search_no_ratio(tmp_path):
    models = {"random": {"of": "one", "randomise": 0.5}, "one": {"use": "planted_white_box"}}
    methods = {"step": {"ratios": [0.1]}}
    audit = small(tmp_path, models=models, methods=methods, preserve={"methods": ["step"]})
    trained = [[keys["model"] for stage, keys in group if stage == "train"] for group in in_groups(audit)]
    assert [names for names in trained if names] == [["one"] * 2, ["random"] * 2]
    searched = [keys for group in in_groups(audit) for stage, keys in group if stage == "preserve"]
    searched = [audit.path("preservation", **keys) for keys in searched]
    assert sorted(searched) == sorted(audit.all_shards("preservation", ["step"]))


def test_what_other_sections_say_of_methods_that_are_not_chosen_is_left_out(tmp_path):
    file, methods = tmp_path / "bench.yaml", {"step": {"ratios": [0.1]}, "rise": {}, "ep3d": {"ratios": [0.1]}}
    metrics = {"support": {"methods": ["step", "ep3d"]}}
    config.save(small(tmp_path, methods=methods, metrics=metrics, preserve={"methods": ["ep3d"]}), file)
    found = benchmark.settings(file, ["step", "rise"])
    assert (found.metrics["support"].methods, found.preserve.methods) == (["step"], [])


def test_what_is_done_is_not_done_again_until_something_that_decides_it_changes(tmp_path):
    audit = small(tmp_path)
    benchmark.run(audit, STAGES, cores=1)
    first = calls(audit)
    assert first[:2] == ["a", "b"]
    assert len(first) == sum(map(len, in_groups(audit))) == 2 + 6 + 2 + 2 + 4 + 4
    assert len(list((audit.folder / "runs").rglob("*.parquet"))) == len(first)
    benchmark.run(audit, STAGES, cores=1)
    assert not (audit.folder / "calls").exists()
    other = small(tmp_path, methods={"center": {}, "noise": {"use": "random_pixel", "seeds": [1]}})
    benchmark.run(other, STAGES, cores=1)
    assert calls(other) == [f"{dataset},one,noise,test-000" for dataset in "ab"] * 2


def test_a_stage_that_fails_stops_the_run_with_its_error(tmp_path):
    with pytest.raises(UsageError, match="broken"):
        benchmark.run(small(tmp_path), STAGES | {"index": fail}, cores=1)


def fail(audit, **keys):
    raise UsageError("broken")


FOUND = {
    "planted_methods": (
        ["method", "object_percent", "object_percent_low", "object_percent_high"],
        [("step", 30, 20, 40)],
    ),
    "planted_parts": (["part", "answer"], [("head", "yes")]),
    "planted_benchmark": (["model"], [("trained",)]),
}


def test_what_is_shown_has_its_interval_beside_it(tmp_path):
    (file,) = benchmark.write(tmp_path / "new" / "table.md", FOUND)
    lines = file.read_text().splitlines()
    assert lines[0].startswith("## Planted methods: how well")
    assert "| step | 30 (20 to 40) |" in lines
    assert "| head | yes |" in lines
    assert "30 (20 to 40)" in benchmark.shown(FOUND["planted_methods"])


def test_numbers_are_written_as_they_are_a_file_for_each_report(tmp_path):
    paths = benchmark.write(tmp_path / "table.csv", FOUND)
    assert [path.name for path in paths] == ["table.csv", "table_planted_parts.csv", "table_planted_benchmark.csv"]
    assert paths[0].read_text().splitlines()[1] == "step,30,20,40"
    with pytest.raises(UsageError, match=r"\.md or \.csv"):
        benchmark.write(tmp_path / "table.txt", FOUND)
