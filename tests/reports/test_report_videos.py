"""The report by video and its time lines: an event that a model sees in one window stands at that second."""

import json

import pytest
from tiny_audit import answer, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database, charts
from stepaudit.store import database

CHANGES = {"models": {"r3d": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}}}
EVENT = 14.0  # second at which the window with the event begins


def rows(videos: int = 1, windows: int = 10) -> dict[str, list[dict]]:
    """Windows of 4 s every 2 s; r3d answers `event` in the one at 14 s, rnn in the first two; one clip is no window."""
    made: dict[str, list[dict]] = {"segments": [], "clips": [], "predictions": [], "preservation": []}
    for video in range(videos):
        for number in range(windows):
            second = 2.0 * number
            clip = {"clip_id": f"v{video:02d}@{second:09.3f}s", "label": "event", "target": 0}
            place = {"window_of": f"v{video:02d}", "second": second, "last_second": second + 4}
            made["segments"].append({**clip, **place, "video_id": f"v{video:02d}"})
            made["clips"].append(clip)
            for model, seen in (("r3d", second == EVENT), ("rnn", number < 2)):
                found = {"rank": 1 if seen else 2, "target_probability": 0.9 if seen else 0.1}
                made["predictions"].append(
                    {**clip, **found, "model": model, "predicted": "event" if seen else "nothing"}
                )
        made["preservation"].append(
            {"clip_id": f"v{video:02d}@{EVENT:09.3f}s", "ratio": 0.03, "lower": 0.02, "upper": 0.03}
        )
    other = {"clip_id": "alone", "label": "nothing", "target": 1}
    made["segments"].append({**other, "video_id": "alone"})
    made["predictions"] += [{**other, "model": model, "rank": 1} for model in ("r3d", "rnn")]
    return made


def audit(folder, *given):
    return write_audit(folder, rows(*given), clips={"windows": {"seconds": 4, "stride": 2}}, **CHANGES, preserve={
        "methods": ["step"], "bounds": ["probability"],
    })  # fmt: skip


def test_each_video_says_what_a_model_answers_and_for_how_long(tmp_path):
    first, second = answer(audit(tmp_path), "videos")
    assert [first[key] for key in ("video_id", "model", "windows", "seconds")] == ["v00", "r3d", 10, 22]
    assert (first["right_windows"], first["right_seconds"]) == (1, 2)  # the next window begins 2 s later
    assert first["answers"] == "nothing 20 s, event 2 s"
    assert (first["label_of_video"], first["needed_windows"], first["median_needed_ratio"]) == ("event", 1, 0.03)
    assert (second["model"], second["right_windows"], second["right_seconds"]) == ("rnn", 2, 4)
    assert (second["needed_windows"], second["median_needed_ratio"]) == (0, None)


def test_without_windows_there_is_no_row(tmp_path):
    plain = {name: [row for row in of if row["clip_id"] == "alone"] for name, of in rows().items()}
    assert answer(write_audit(tmp_path, plain, **CHANGES), "videos") == []


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = audit(tmp_path_factory.mktemp("lines"), 23)
    made = config.load(folder / "config.yaml")
    build_database.create(folder, made)
    with database.connect(folder) as connection:
        return {chart.name: chart for chart in charts.all_charts(connection, made)}


def test_the_time_line_shows_the_event_at_its_second_and_not_elsewhere(drawn):
    lines = [row for row in drawn["time-lines"].spec["data"]["values"] if row["model"] == "r3d"]
    for line in lines:
        shown = {begins for begins, answered in zip(line["second"], line["answer"], strict=True) if answered == "event"}
        assert shown == {EVENT}
        probable = [begins for begins, percent in zip(line["second"], line["percent"], strict=True) if percent > 50]
        assert probable == [EVENT]
        assert dict(zip(line["second"], line["until_second"], strict=True))[EVENT] == EVENT + 2


def test_many_videos_are_twenty_for_each_model(drawn):
    videos = [(row["model"], row["video_id"]) for row in drawn["time-lines"].spec["data"]["values"]]
    assert len(videos) == len(set(videos)) == 40
    assert "twenty" in drawn["time-lines"].title
    assert len(json.dumps(drawn["time-lines"].spec)) < 400_000
    assert drawn["time-lines"].section == "videos"
