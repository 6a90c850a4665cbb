"""Questions of the SQL shell over models that name no class: right is what `right_answers` says."""

import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.store import database, package_files

PROBABILITIES = {"sure": 0.95, "unsure": 0.3}


@pytest.fixture(scope="module")
def sigmoid(tmp_path_factory):
    """A label found in one clip and missed in the other, each with a small mask that keeps it."""
    names = [{"clip_id": name} for name in PROBABILITIES]
    found = [{**name, "gives": "sigmoid", "target_probability": PROBABILITIES[name["clip_id"]]} for name in names]
    rows = {
        "predictions": found,
        "maps": [{**name, "ratio": 0.1} for name in names],
        "preservation": [{**name, "ratio": 0.02, "lower": 0.01, "upper": 0.02} for name in names],
    }
    changes = {"models": {"r3d": {"use": "r2plus1d_18", "gives": "sigmoid"}}, "preserve": {"methods": ["step"]}}
    folder = write_audit(tmp_path_factory.mktemp("sigmoid"), {**clips(*PROBABILITIES), **rows}, **changes)
    build_database.create(folder, config.load(folder / "config.yaml"))
    return folder


def rows_of(folder, question):
    with database.connect(folder) as connection:
        return database.records(connection, (package_files.reports() / f"questions/{question}.sql").read_text())


def test_right_with_little_names_the_clips_whose_label_is_found(sigmoid):
    assert [row["clip_id"] for row in rows_of(sigmoid, "right_with_little")] == ["sure"]


def test_rows_for_statistics_say_whether_the_label_is_found(sigmoid):
    rows = {row["clip_id"]: row["is_right"] for row in rows_of(sigmoid, "rows_for_statistics")}
    assert rows == {"sure": True, "unsure": False}
