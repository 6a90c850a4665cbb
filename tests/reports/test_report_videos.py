"""The report by video and its time lines: an event that a model sees in one window stands at that second."""

import json

import pytest
from tiny_audit import answer, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database, charts
from stepaudit.store import database, package_files

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


def labelled_windows(gives, *found):
    """Windows of 1 s; of each window the columns of `predictions` for each of its labels, by the label's name."""
    made: dict[str, list[dict]] = {"segments": [], "clips": [], "predictions": []}
    for number, labels in enumerate(found):
        for label, columns in labels.items():
            clip = {"clip_id": f"v-{label}@{number}", "label": label, "target": "ab".index(label) if label else None}
            place = {"video_id": "v", "window_of": f"v-{label}", "second": float(number), "last_second": number + 1.0}
            made["segments"].append({**clip, **place, "value": columns.get("value")})
            made["clips"].append(clip)
            given = {name: value for name, value in columns.items() if name != "value"}
            made["predictions"].append({**clip, "gives": gives, **given})
    return made


KEYS = ("windows", "seconds", "right_windows", "right_seconds", "label_of_video", "answers")


def of_model(folder, gives, *found, **settings):
    models = {"r3d": {"use": "r2plus1d_18", "gives": gives, **settings}}
    audited = write_audit(folder, labelled_windows(gives, *found), models=models)
    (row,) = answer(audited, "videos")
    with database.connect(audited) as connection:
        lines = database.records(connection, (package_files.reports() / "charts/time_lines.sql").read_text())
    return tuple(row[key] for key in KEYS), lines


def test_of_a_sigmoid_a_window_with_two_labels_counts_once_and_is_right_if_both_are(tmp_path):
    both, one, none = ({"a": p, "b": q} for p, q in ((0.9, 0.5), (0.9, 0.4), (0.1, 0.4)))
    found = [{label: {"target_probability": p} for label, p in each.items()} for each in (both, both, one, none)]
    row, lines = of_model(tmp_path, "sigmoid", *found)
    assert row == (4, 4, 2, 2, "a, b", None)
    shown = {line["video_id"]: (line["second"], line["until_second"], line["percent"]) for line in lines}
    assert shown == {
        "v, a": ([0, 1, 2, 3], [1, 2, 3, 4], [90, 90, 90, 10]),
        "v, b": ([0, 1, 2, 3], [1, 2, 3, 4], [50, 50, 40, 40]),
    }
    assert {name for line in lines for name in line["answer"]} == {"names no class"}


@pytest.mark.parametrize("predicted", [True, False])
def test_of_a_softmax_a_window_with_two_labels_is_right_if_the_answer_is_one(tmp_path, predicted):
    def window(answered):
        return {
            label: {"rank": 1 + (label != answered), "predicted": answered if predicted else None} for label in "ab"
        }

    row, _ = of_model(tmp_path, "softmax", window("a"), window("b"), window("a"), window("c"))
    answers = "a 2 s, b 1 s, c 1 s" if predicted else "a 2 s, another class 1 s, b 1 s"
    assert row == (4, 4, 3, 3, "a, b", answers)


def test_of_a_regression_a_window_within_the_tolerance_is_right_and_explains_no_class(tmp_path):
    found = [{None: {"value": 1.0, "output": output}} for output in (1.1, 1.5, 1.6)]
    row, lines = of_model(tmp_path, "regression", *found, tolerance=0.5)
    assert row == (3, 3, 2, 2, None, None)
    assert lines == []


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
