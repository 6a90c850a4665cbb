"""Windows of one video are no independent clips: copies of a clip change no interval and no p value."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from tiny_audit import answer, write_audit

from stepaudit.audit import config
from stepaudit.commands.compare import command
from stepaudit.errors import UsageError
from stepaudit.report import build_database
from stepaudit.report.statistics import means
from stepaudit.report.statistics.intervals import ratio_intervals
from stepaudit.store import database

VIDEOS = 14
WINDOWS = {"windows": {"seconds": 2}}
COUNTS = ("clips", "frames", "at_risk", "events", "censored")


def windowed(rows: dict[str, list[dict]], copies: int) -> dict[str, list[dict]]:
    """The rows with `copies` windows of each video, all alike."""
    return {
        table: [
            {**row, "clip_id": f"{row['clip_id']}@{copy}"}
            | ({"window_of": row["clip_id"], "second": 2.0 * copy} if table == "segments" else {})
            for row in of_table
            for copy in range(copies)
        ]
        for table, of_table in rows.items()
    }


def rows() -> dict[str, list[dict]]:
    """Videos of two classes and two models: answers, pointing games, both bounds of the minimum ratio."""
    random = np.random.default_rng(0)
    made: dict[str, list[dict]] = {name: [] for name in ("segments", "clips", "predictions", "scores", "preservation")}
    for video in range(VIDEOS):
        of_clip = {"clip_id": f"v{video:02d}", "label": "ab"[video % 2], "target": video % 2}
        made["segments"].append({**of_clip, "video_id": f"v{video:02d}"})
        made["clips"].append(of_clip)
        for model, base in (("r3d", 0.05), ("rnn", 0.09)):
            probability = float(random.uniform(0.3, 0.9))
            found = {"rank": 1 + (video % 5 == 0), "target_probability": probability, "probabilities": [0.5, 0.5]}
            made["predictions"].append({**of_clip, **found, "model": model})
            for method, rate in (("step", 0.7), ("middle", 0.5), ("noise", 0.3)):
                ratio = 0.1 if method == "step" else None
                of_map = {"clip_id": of_clip["clip_id"], "model": model, "method": method, "ratio": ratio}
                hits = random.random(4) < rate
                made["scores"] += [
                    {**of_map, "metric": "spatial_pointing", "frame": frame, "value": float(hit)}
                    for frame, hit in enumerate(hits)
                ]
            need = base * float(random.uniform(0.5, 2))
            searched = {"clip_id": of_clip["clip_id"], "model": model, "ratio": need, "upper": need, "lower": need / 2}
            made["preservation"].append({**searched, "bound": "probability"})
            crisp = {"log2_ratio": math.log2(need), "vacuous": video % 7 == 0, "random_ratio": 0.4}
            curve = {"volumes": [need / 2, need], "shares": [0.25, 1.0], "random_log2_ratio": math.log2(0.4)}
            levels = {f"{end}_{level}": need for end in ("ratio", "lower") for level in (75, 90)}
            for asked in ("label", "runner_up"):
                row = {**searched, **crisp, **curve, **levels, "bound": "sufficiency", "asked_class": asked}
                made["preservation"].append(row)
    return made


CHANGES = {
    "models": {"r3d": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}},
    "preserve": {"methods": ["step"], "bounds": ["probability", "sufficiency"]},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The audit with one clip a video, and with three windows of each."""
    made = {}
    for name, given, clips in (("plain", rows(), {}), ("windows", windowed(rows(), 3), WINDOWS)):
        made[name] = write_audit(tmp_path_factory.mktemp(name), given, clips=clips, **CHANGES)
        build_database.create(made[name], config.load(made[name] / "config.yaml"))
    return made


def table(folder, name):
    with database.connect(folder) as connection:
        return database.records(connection, f"from {name} order by all")


@pytest.mark.parametrize(
    "name",
    [
        *("estimates", "comparisons", "need_estimates", "need_medians", "need_comparisons", "need_curve_means"),
        *("minimum_ratios", "kaplan_meier", "class_survival", "ratio_tests", "pointing_rates"),
    ],
)
def test_copies_of_clips_change_no_interval_and_no_p_value(folders, name):
    plain, copied = table(folders["plain"], name), table(folders["windows"], name)
    assert len(plain) == len(copied)
    compared = 0
    for one, other in zip(plain, copied, strict=True):
        for column, value in one.items():
            if any(count in column for count in COUNTS):
                continue
            if isinstance(value, float):
                assert other[column] == pytest.approx(value, rel=1e-6), (column, one, other)
                compared += column.endswith(("low", "high", "_p")) or column == "p"
            else:
                assert other[column] == value
    assert compared


def test_counts_are_of_windows_and_answers_have_the_interval_of_videos(folders):
    (plain, _), (copied, _) = (table(folders[name], "accuracy") for name in ("plain", "windows"))
    assert (plain["clips"], copied["clips"]) == (VIDEOS, 3 * VIDEOS)
    assert plain["top1_percent"] == copied["top1_percent"]
    right = 3.0 * np.array([video % 5 > 0 for video in range(VIDEOS)])[:, None]
    of_videos = ratio_intervals(right, np.full((VIDEOS, 1), 3.0), smallest_value=0)
    ends = (copied["top1_percent_low"], copied["top1_percent_high"])
    assert ends == pytest.approx((100 * of_videos.low[0], 100 * of_videos.high[0]), abs=0.06)
    assert copied["target_probability_low"] == plain["target_probability_low"]


def test_contrasts_of_copies_have_the_interval_of_videos():
    """Values of one's own clips and of others."""
    found = []
    for copies in (1, 4):
        rows = windowed({"samples": samples(), "segments": segments()}, copies)
        with duckdb.connect() as connection:
            for name, values in rows.items():
                connection.register("given", pa.Table.from_pylist(values))
                connection.execute(f"create table {name} as from given")
            connection.execute("""
                create view sampling_units as select dataset, clip_id, video_id as unit from segments;
                create view made_samples as
                select dataset, clip_id, {'contrast': x, 'whole': own} as beyond from samples;
                comment on view made_samples is 'A sentence.';
            """)
            ((_, _, made),) = means.make(connection)
            found.append(made.to_pylist()[0])
    one, other = found
    assert (one["beyond_clips"], other["beyond_clips"]) == (24, 96)
    for end in ("beyond", "beyond_low", "beyond_high"):
        assert other[end] == pytest.approx(one[end], rel=1e-9)


def test_the_accuracy_on_validation_windows_has_the_interval_of_their_videos(tmp_path):
    logged = {"model": "r3d", "epoch": 1, "validation_accuracy": 0.5}
    ends = []
    for name, copies in (("plain", 0), ("windows", 3)):
        clips = [{"clip_id": f"v{video}", "split": "validation", "video_id": f"v{video}"} for video in range(8)]
        given = {"segments": clips, "clips": [{"clip_id": row["clip_id"], "split": "validation"} for row in clips]}
        given = windowed(given, copies) if copies else given
        folder = write_audit(tmp_path / name, {**given, "training_log": [logged]}, clips=WINDOWS if copies else {})
        build_database.create(folder, config.load(folder / "config.yaml"))
        (row,) = table(folder, "validation_means")
        ends.append((row["right"], row["right_low"], row["right_high"]))
    # Wilson, 4 of 8: 21.5 to 78.5
    assert ends[0] == ends[1] == pytest.approx((0.5, 0.215, 0.785), abs=0.001)


def test_windows_are_not_compared_as_if_they_were_independent(folders):
    with pytest.raises(UsageError, match=r"windows of the same videos, .*read the reports"):
        command.run(f"{folders['windows']}:r3d", ":rnn", dataset=None, fail_if=[], out=None, everything=False)
    text, _ = command.run(f"{folders['plain']}:r3d", ":rnn", dataset=None, fail_if=[], out=None, everything=False)
    assert "windows" not in text


def samples():
    random = np.random.default_rng(1)
    return [{"dataset": "d", "clip_id": f"v{i:02d}", "x": random.random(), "own": float(i % 2)} for i in range(24)]


def segments():
    return [{"dataset": "d", "clip_id": f"v{i:02d}", "video_id": f"v{i:02d}"} for i in range(24)]


def test_one_video_tells_nothing_of_others_however_many_windows_it_has(tmp_path):
    made = {
        "segments": [{"clip_id": f"v@{at}", "window_of": "v", "second": at, "video_id": "v"} for at in range(60)],
        "clips": [{"clip_id": f"v@{at}"} for at in range(60)],
        "predictions": [{"clip_id": f"v@{at}", "rank": 1 + at % 2, "target_probability": 0.5} for at in range(60)],
    }
    (row,) = answer(write_audit(tmp_path, made, clips=WINDOWS), "accuracy")
    assert (row["clips"], row["top1_percent"]) == (60, 50)
    assert row["top1_percent_high"] - row["top1_percent_low"] > 80  # Wilson's of one observation: 9.5 to 90.5
