"""`check` finds values that no measurement gives, and names file, number of rows and a clip."""

import pytest
from tiny_audit import write_audit

from stepaudit.commands.check import values
from stepaudit.store import tables

SOUND = {
    "segments": {"clip_id": "a"},
    "maps": {"clip_id": "a", "ratio": 0.1, "volume": 0.1, "target_probability": 1.0},
    "scores": {"clip_id": "a", "ratio": 0.1, "metric": "entropy", "value": 7.0},
    "predictions": {"clip_id": "a", "target_probability": 0.5, "rank": 1},
    "preservation": {"clip_id": "a", "ratio": 0.2, "evaluations": 3, "upper": 0.2, "lower": 0.0},
    "boxes": {"video_id": "a", "frame": 0, "label": "x", "x0": 0.0, "y0": 0.0, "x1": 4.0, "y1": 4.0},
}
WRONG = [
    ("scores", {"value": float("nan")}, "1 row whose value is NaN or infinite, such as of 'a'"),
    ("scores", {"value": float("-inf")}, "1 row whose value is NaN or infinite, such as of 'a'"),
    ("scores", {"value": None}, "1 row of status 'ok' without value, such as of 'a'"),
    ("scores", {"status": "no_peak", "error": "x"}, "1 row of a failure, with a value, such as of 'a'"),
    ("scores", {"status": "fine"}, "1 row of an unknown status, such as of 'a'"),
    ("maps", {"volume": 1.5}, "1 row whose volume is not between 0 and 1, such as of 'a'"),
    ("maps", {"target_probability": -0.1}, "1 row whose target_probability is not between 0 and 1, such as of 'a'"),
    ("predictions", {"target_probability": None}, "1 row of status 'ok' without target_probability, such as of 'a'"),
    ("preservation", {"upper": 3.0}, "1 row whose upper is not between 0 and 1, such as of 'a'"),
    ("boxes", {"x1": float("nan")}, "1 row whose x1 is NaN or infinite, such as of 'a'"),
]


def problems(folder, **changes):
    rows = {table: [{**row, **changes.get(table, {})}] for table, row in SOUND.items()}
    audit = write_audit(folder, rows)
    paths = tables.parquet_files(audit)
    return [(path.relative_to(audit).parts[0], text) for path, text in values.problems(paths, audit)]


def test_what_is_measured_is_sound(tmp_path):
    assert problems(tmp_path) == []


@pytest.mark.parametrize(("table", "change", "text"), WRONG)
def test_a_value_that_no_measurement_gives_is_found(tmp_path, table, change, text):
    assert (table, text) in problems(tmp_path, **{table: change})
