"""What jobs ask of a cluster."""

import pytest

from stepaudit.audit import config, planning, resources
from stepaudit.audit.jobs import Job

AUDIT = {
    "audit": "a",
    "datasets": {"planted": {"root": "d", "options": {"test_per_class": 300}}},
    "models": {"small": {"use": "r2plus1d_18", "options": {"width": 2}}},
    "methods": {"step": {"ratios": [0.1]}, "center": {}},
}
OF_MODEL = {"dataset": "planted", "model": "small"}
KEYS = {
    "index": {"dataset": "planted"},
    "extract": {"dataset": "planted", "size": "16x112x112", "shard": "test-000"},
    "train": OF_MODEL,
    "predict": {**OF_MODEL, "shard": "test-000"},
    **{stage: {**OF_MODEL, "method": "step", "shard": "test-000"} for stage in ("attribute", "preserve", "score")},
    "report": {},
}


def audit(folder, **changes):
    return planning.planned(config.parse({**AUDIT, "results": str(folder), **changes}))


@pytest.mark.parametrize("stage", KEYS)
@pytest.mark.parametrize("shards", ["auto", 4])
def test_each_attempt_asks_for_more_memory_and_time(tmp_path, stage, shards):
    made = audit(tmp_path, shards=shards, device="cpu")
    for ask in (resources.memory_mb, resources.minutes):
        first, second = (ask(Job(made, stage, **KEYS[stage]), attempt) for attempt in (1, 2))
        assert second == 2 * first > 0


def test_a_larger_shard_asks_for_more_of_both(tmp_path):
    fine, coarse = (audit(tmp_path / str(m), device="cpu", jobs={"minutes": m, "clips": 2000}) for m in (20, 600))
    for ask in (resources.memory_mb, resources.minutes):
        first, second = (ask(Job(made, "attribute", **KEYS["attribute"]), 1) for made in (fine, coarse))
        assert second > first


def test_models_work_on_gpus_and_the_rest_does_not(tmp_path):
    asked = {stage: resources.gpus(audit(tmp_path, shards=1), stage) for stage in KEYS}
    assert {stage for stage, gpus in asked.items() if gpus} == {"train", "predict", "attribute", "preserve", "score"}
    assert not any(resources.gpus(audit(tmp_path, shards=1, device="cpu"), stage) for stage in KEYS)
