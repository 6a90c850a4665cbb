"""The jobs of an audit, in groups that follow one another."""

from pathlib import Path

import pytest

from stepaudit.audit import config, registry
from stepaudit.audit.jobs import explaining, in_groups

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


def test_the_planted_benchmark_scores_every_registered_method():
    methods = config.load(Path(__file__).parents[1] / "config/benchmark.yaml").methods
    assert {entry.use for entry in methods.values()} == set(registry.names("methods"))
    assert {"step", "step_corrected", "ep3d", "ep3d_corrected"} <= set(methods)


def test_jobs_write_every_file_that_the_report_of_the_audit_asks_for(tmp_path):
    audit = small(tmp_path, shards=2, preserve={"methods": []})
    asked = in_groups(audit)
    assert [{job.stage for job in jobs} for jobs in asked] == [
        {"index"}, {"extract"}, {"train"}, set(), {"predict"}, {"attribute"}, set(), {"score"},
    ]  # fmt: skip
    assert asked[-1] == explaining(audit, "score")
    assert len(asked[1]) == 2 * 1 * 6  # data sets, sizes, shards of three splits


def test_controls_are_made_after_the_models_that_they_are_controls_of_and_search_no_ratio(tmp_path):
    models = {"random": {"of": "one", "randomise": 0.5}, "one": {"use": "planted_white_box"}}
    methods = {"step": {"ratios": [0.1]}}
    audit = small(tmp_path, models=models, methods=methods, preserve={"methods": ["step"]})
    trained = [[job.model for job in group if job.stage == "train"] for group in in_groups(audit)]
    assert [names for names in trained if names] == [["one"] * 2, ["random"] * 2]
    assert [job.model for job in explaining(audit, "preserve")] == ["one"] * 2
    assert explaining(audit, "preserve") in in_groups(audit)


UNTRAINED = {"use": "planted_white_box", "training": {"epochs": 0}}


@pytest.mark.parametrize(
    ("changes", "cut"),
    [
        ({"models": {"one": UNTRAINED}}, False),
        ({"models": {"one": {"use": "planted_white_box", "checkpoint": "trained.safetensors"}}}, False),
        ({"models": {"one": UNTRAINED, "trained": {"use": "planted_white_box"}}}, True),
        ({"models": {"one": {**UNTRAINED, "training_on": {"b": {"epochs": 1}}}}}, None),  # on one of the two data sets
        ({"models": {"one": UNTRAINED, "random": {"of": "one", "randomise": 0.5}}}, True),  # for its statistics
        ({"models": {"one": UNTRAINED}, "methods": {"annotation_prior": {}}}, True),  # for the boxes
    ],
)
def test_training_clips_are_cut_only_where_something_is_learned_of_them(tmp_path, changes, cut):
    audit = small(tmp_path, preserve={"methods": []}, **changes)
    jobs = [job for group in in_groups(audit) for job in group]
    with_training = {job.dataset for job in jobs if job.stage == "extract" and job.shard.startswith("train")}
    assert with_training == ({"b"} if cut is None else {"a", "b"} if cut else set())
    made = {path for job in jobs for path in job.writes}
    read = {path for job in jobs for paths in job.reads.values() for path in paths}
    assert read - made <= {Path("trained.safetensors")}
