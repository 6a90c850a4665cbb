"""Windows of long footage: true in seconds, nothing lost at the end, a video decoded once."""

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
from counted_video import read_numbers, write_numbered
from PIL import Image

from stepaudit.audit import config, plan, planning
from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Windows
from stepaudit.clips import decoding, windows
from stepaudit.errors import BadVideoError, UsageError
from stepaudit.stages import extract, index
from stepaudit.store import tables


def audit(
    folder: Path, root: Path, *, shards: int | str = 1, segments: str | None = None, **clips: object
) -> config.Config:
    return config.parse(
        {
            "audit": "a",
            "results": str(folder / "results"),
            "shards": shards,
            "clips": {"height": 48, "width": 64, "random_views": 1, **clips},
            "datasets": {"set": {"use": "folder", "root": str(root), "options": {"segments": segments}}},
            "models": {"r3d": {"use": "r2plus1d_18"}},
            "methods": {"center": {}},
        }
    )


def indexed(made: config.Config) -> list[dict]:
    index.run(Job(made, "index", "set"))
    return tables.read("segments", Job(made, "index", "set").file("segments"))


def extracted(made: config.Config, *splits: str) -> list[dict]:
    (size,) = made.sizes
    jobs = [
        Job(made, "extract", "set", shard=shard, size=size)
        for split in splits
        for shard in plan.shard_names(made.shards, split)
    ]
    for job in jobs:
        extract.run(job)
    return [row for job in jobs for row in tables.read("clips", job.file("clips"))]


def ffmpeg(*arguments: object) -> None:
    subprocess.run([decoding.ffmpeg_binary(), "-y", "-loglevel", "error", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Videos of 10 s and 5.2 s with 25 frames a second, and of 1 s, shorter than a window of two."""
    folder = tmp_path_factory.mktemp("long")
    for split, label, name, count in (
        ("train", "a", "1", 130), ("train", "a", "2", 130), ("train", "b", "1", 130), ("train", "b", "2", 25),
        ("test", "a", "1", 250), ("test", "b", "1", 130), ("test", "b", "2", 25),
    ):  # fmt: skip
        write_numbered(folder / split / label / f"{name}.mp4", count)
    return folder


def steady(count: int, rate: float = 25) -> np.ndarray:
    return np.arange(count) / rate


def test_windows_follow_each_other_and_the_last_one_ends_with_the_segment():
    found = windows.window_bounds(steady(130), 0, 130, Windows(seconds=2))
    assert [(first, last) for first, last, *_ in found] == [(0, 50), (50, 100), (80, 130)]
    assert np.allclose([each[2:] for each in found], [(0, 2), (2, 4), (3.2, 5.2)])


def test_windows_overlap_or_leave_gaps_by_their_stride():
    overlapping = windows.window_bounds(steady(100), 0, 100, Windows(seconds=2, stride=1))
    assert [each[:2] for each in overlapping] == [(0, 50), (25, 75), (50, 100)]
    apart = windows.window_bounds(steady(250), 0, 250, Windows(seconds=1, stride=4))
    assert [each[:2] for each in apart] == [(0, 25), (100, 125), (200, 225)]
    ending = windows.window_bounds(steady(210), 0, 210, Windows(seconds=1, stride=4))
    assert [each[:2] for each in ending] == [(0, 25), (100, 125), (185, 210)]  # the next would end at 9 s of 8.4


def test_a_segment_shorter_than_a_window_is_one_and_one_of_equal_length_too():
    assert [each[:2] for each in windows.window_bounds(steady(30), 0, 30, Windows(seconds=2))] == [(0, 30)]
    assert [each[:2] for each in windows.window_bounds(steady(50), 0, 50, Windows(seconds=2))] == [(0, 50)]
    assert [each[:2] for each in windows.window_bounds(steady(60), 59, 60, Windows(seconds=2))] == [(59, 60)]


def test_a_segment_in_the_middle_has_windows_of_its_own_frames_in_seconds_of_the_video():
    found = windows.window_bounds(steady(500), 100, 200, Windows(seconds=2))
    assert [each[:2] for each in found] == [(100, 150), (150, 200)]
    assert np.allclose([each[2:] for each in found], [(4, 6), (6, 8)])


def test_seconds_are_true_where_the_frame_rate_varies():
    times = np.concatenate([np.arange(40) / 40, 1 + np.arange(20) / 10])  # a second of 40 frames, two of ten each
    found = windows.window_bounds(times, 0, 60, Windows(seconds=1))
    assert [each[:2] for each in found] == [(0, 40), (40, 50), (50, 60)]


def test_a_window_in_which_no_frame_begins_holds_the_one_that_is_shown():
    times = np.array([*np.arange(25) / 25, 4.0, 4.04])
    found = windows.window_bounds(times, 0, 27, Windows(seconds=1))
    assert [each[:2] for each in found][:4] == [(0, 25), (24, 25), (24, 25), (24, 25)]
    assert found[-1][1] == 27


@pytest.mark.parametrize("ending", ["mp4", "avi"])
def test_every_frame_of_every_length_is_in_a_window(tmp_path, ending):
    for count in (49, 50, 51, 74, 99, 101):
        path = write_numbered(tmp_path / f"{count}.mp4", count, "30000/1001")
        if ending != "mp4":
            ffmpeg("-i", path, "-c:v", "mpeg4", path.with_suffix(f".{ending}"))
        times = decoding.frame_times(path.with_suffix(f".{ending}"))
        assert np.allclose(times, np.arange(count) * 1001 / 30000, atol=2e-3)
        found = windows.window_bounds(times, 0, count, Windows(seconds=1))
        assert set(itertools.chain(*(range(*each[:2]) for each in found))) == set(range(count))
        assert all(29 <= last - first <= 31 for first, last, *_ in found)


@pytest.mark.parametrize("options", [["x.mkv"], ["-c:v", "mpeg4", "x.avi"], ["-c:v", "mpeg2video", "x.ts"]])
def test_times_are_those_of_the_frames_in_every_container(tmp_path, options):
    *how, name = options
    path = write_numbered(tmp_path / "all.mp4", 60)
    choice = [] if name == "x.ts" else ["-vf", "select='lt(n,30)+not(mod(n,3))'", "-fps_mode", "vfr"]
    ffmpeg("-i", path, *choice, *how, tmp_path / name)
    expected = np.arange(60) if name == "x.ts" else np.array([*range(30), *range(30, 60, 3)])
    times = decoding.frame_times(tmp_path / name)
    if name == "x.avi":  # ffmpeg fills an AVI's gaps with empty frames, which decode to nothing
        assert len(times) >= 30
    else:
        assert np.allclose(times, expected / 25, atol=2e-3)


def test_pictures_have_no_times(tmp_path):
    with pytest.raises(BadVideoError, match="pictures have no times; make a video of them"):
        decoding.frame_times(tmp_path)


def test_windows_are_segments_with_ids_in_order_of_time(tmp_path, root):
    rows = [row for row in indexed(audit(tmp_path, root, windows={"seconds": 2})) if row["split"] == "test"]
    of_first = [row for row in rows if row["window_of"] == "test/a/1.mp4"]
    assert [row["clip_id"] for row in of_first] == [
        "test/a/1.mp4@00000.000s", "test/a/1.mp4@00002.000s", "test/a/1.mp4@00004.000s", "test/a/1.mp4@00006.000s",
        "test/a/1.mp4@00008.000s",
    ]  # fmt: skip
    assert [(row["start"], row["stop"], row["second"], row["last_second"]) for row in of_first][1:3] == [
        (50, 100, 2, 4), (100, 150, 4, 6),
    ]  # fmt: skip
    assert len({(row["video_id"], row["path"], row["label"], row["target"]) for row in of_first}) == 1
    assert [row["clip_id"] for row in rows] == sorted(row["clip_id"] for row in rows)


def test_all_windows_of_a_video_are_in_one_split(tmp_path, root):
    rows = indexed(audit(tmp_path, root, windows={"seconds": 1}))
    splits = {(row["video_id"], row["split"]) for row in rows}
    assert len(splits) == len({row["video_id"] for row in rows})
    assert {split for _, split in splits} == {"train", "validation", "test"}


def test_without_windows_nothing_is_cut(tmp_path, root):
    rows = indexed(audit(tmp_path, root))
    assert len(rows) == 7
    assert {row["window_of"] for row in rows} == {row["second"] for row in rows} == {None}


def test_a_clip_holds_the_frames_of_its_window(tmp_path, root):
    audited = audit(tmp_path, root, windows={"seconds": 2})
    places = {row["clip_id"]: (row["start"], row["stop"]) for row in indexed(audited)}
    clips = extracted(audited, "test")
    assert len(clips) == 5 + 3 + 1
    for row in clips:
        assert row["status"] == "ok"
        frames = np.frombuffer(row["pixels"], np.uint8).reshape(16, 48, 64, 3)
        assert read_numbers(frames) == row["frames"]
        start, stop = places[row["clip_id"]]
        parts = [((stop - start) * part // 16, (stop - start) * (part + 1) // 16) for part in range(16)]
        assert row["frames"] == [start + (first + last) // 2 for first, last in parts]


def test_the_windows_of_a_video_stay_in_one_shard(tmp_path, root):
    whole = audit(tmp_path / "1", root, windows={"seconds": 1})
    parts = audit(tmp_path / "2", root, windows={"seconds": 1}, shards=2)
    indexed(whole), indexed(parts)
    shards = [
        [row["window_of"] for row in extract.shard_segments(Job(parts, "extract", "set", shard=shard, size="16x48x64"))]
        for shard in plan.shard_names(2, "test")
    ]
    assert [set(names) for names in shards] == [{"test/a/1.mp4", "test/b/2.mp4"}, {"test/b/1.mp4"}]
    assert [row["clip_id"] for row in extracted(whole, "test")] == sorted(
        row["clip_id"] for row in extracted(parts, "test")
    )


@pytest.mark.parametrize("ending", ["mp4", "avi"])
@pytest.mark.parametrize("stride", [1, 0.5])
def test_a_long_video_is_decoded_once_for_all_of_its_windows(tmp_path, monkeypatch, ending, stride):
    """A video of 10 s with a key frame every 2 s, or in a container that is not sought; frames that ffmpeg puts out."""
    source = write_numbered(tmp_path / "all.mp4", 250)
    path = tmp_path / "videos" / "test" / "a" / f"long.{ending}"
    path.parent.mkdir(parents=True)
    coded = ["-g", 50, "-bf", 0] if ending == "mp4" else ["-c:v", "mpeg4", "-q:v", 2, "-g", 50]
    ffmpeg("-i", source, *coded, path)
    write_numbered(tmp_path / "videos" / "train" / "a" / "1.mp4", 30)
    made = audit(tmp_path, tmp_path / "videos", windows={"seconds": 1, "stride": stride})
    indexed(made)
    scaled, asked = decoding._scaled, []
    monkeypatch.setattr(decoding, "_scaled", lambda *given: asked.append(given[2]) or scaled(*given))
    clips = extracted(made, "test")
    assert [row["status"] for row in clips] == ["ok"] * (10 if stride == 1 else 19)
    assert all(
        read_numbers(np.frombuffer(row["pixels"], np.uint8).reshape(16, 48, 64, 3)) == row["frames"] for row in clips
    )
    assert sum(asked) <= 260  # the frames at most that each run puts out, one more than asked of each


def test_a_broken_video_stays_one_row_that_says_why(tmp_path):
    for split in ("train", "test"):
        write_numbered(tmp_path / "videos" / split / "a" / "1.mp4", 60)
    (tmp_path / "videos" / "test" / "a" / "broken.mp4").write_bytes(b"nothing")
    made = audit(tmp_path, tmp_path / "videos", windows={"seconds": 1})
    broken = [row for row in indexed(made) if "broken" in row["clip_id"]]
    assert [(row["clip_id"], row["window_of"], row["stop"]) for row in broken] == [("test/a/broken.mp4", None, None)]
    clips = {row["clip_id"]: row["status"] for row in extracted(made, "test")}
    assert clips["test/a/broken.mp4"] == "bad_video"
    assert list(clips.values()).count("ok") == 3


def test_a_window_names_its_segment_and_other_clips_themselves(tmp_path, root):
    rows = indexed(audit(tmp_path, root, windows={"seconds": 2}))
    assert [windows.segment_of(row["clip_id"]) for row in rows] == [row["window_of"] for row in rows]
    assert windows.segment_of("me@home") == "me@home"


def test_a_stretch_of_a_damaged_video_is_no_clip_of_another_length(tmp_path):
    """Its first half decodes; how many windows there are is not known, and the whole stretch is no window."""
    write_numbered(tmp_path / "videos" / "train" / "a" / "1.mp4", 60)
    path = write_numbered(tmp_path / "videos" / "test" / "a" / "1.mp4", 250)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    (tmp_path / "videos" / "segments.csv").write_text("video,start,stop\ntest/a/1.mp4,0,100\ntrain/a/1.mp4,,\n")
    plain = audit(tmp_path / "plain", tmp_path / "videos", segments="segments.csv")
    indexed(plain)
    assert [(row["status"], row["error"]) for row in extracted(plain, "test")] == [("ok", None)]
    made = audit(tmp_path / "cut", tmp_path / "videos", segments="segments.csv", windows={"seconds": 1})
    indexed(made)
    (row,) = extracted(made, "test")
    assert (row["status"], row["pixels"]) == ("bad_video", None)
    assert "its frames cannot be counted, so that it was not cut into windows" in row["error"]


def test_folders_of_pictures_say_what_to_do(tmp_path):
    for split in ("train", "test"):
        for number in range(20):
            place = tmp_path / "videos" / split / "a" / "1" / f"{number:06d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(place)
    with pytest.raises(UsageError, match=r"pictures have no times, so that `clips\.windows` cannot cut them"):
        indexed(audit(tmp_path, tmp_path / "videos", windows={"seconds": 1}))


def test_windows_too_short_for_a_clip_say_so(tmp_path, root):
    with pytest.raises(UsageError, match=r"no window has the 16 frames of a clip, the longest has 12; give `clips\.wi"):
        indexed(audit(tmp_path, root, windows={"seconds": 0.48}))


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"seconds": 0}, "clips.windows.seconds: 0 is outside its range, 0.1 to 86400"),
        ({"seconds": 8, "stride": 0.25}, "set it to 0.5 or more, 1/16 of `seconds`"),
        ({"seconds": 8, "stride": -1}, "clips.windows.stride: -1 is outside its range"),
        ({"stride": 1}, "clips.windows.seconds: missing"),
        ({"seconds": 8, "step": 2}, "clips.windows.step: unknown key"),
    ],
)
def test_windows_that_make_no_sense_name_the_next_step(tmp_path, section, text):
    with pytest.raises(UsageError) as raised:
        audit(tmp_path, tmp_path, windows=section)
    assert text in str(raised.value)


def test_no_more_shards_are_planned_than_segments_have_windows(tmp_path, root):
    made = planning.planned(audit(tmp_path, root, shards="auto", windows={"seconds": 1}))
    assert made.plan.shards("clips", "set", "test") == 1  # of three videos: there are two in each
