"""EPIC-Object: every trap of the official files on small ones, and what the real ones give."""

import ast
from collections import Counter
from pathlib import Path

import epic_files
import numpy as np
import pytest
from counted_video import read_numbers, write_numbered
from epic_files import action, read_csv, touch_videos, write_epic
from PIL import Image

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry, middle_frames, nearest_frame
from stepaudit.datasets import epic_object
from stepaudit.errors import UsageError
from stepaudit.stages.index import find_problems

BOX = "[(100, 200, 300, 400)]"  # top, left, height, width
CLIPS = {"media": "clips", "files": "clips16/*-{video}_{uid}"}
EDGES = ("x0", "y0", "x1", "y1")


def edges(row: dict) -> tuple:
    return tuple(row[name] for name in EDGES)


def pictures(folder: Path, count: int, size: tuple[int, int], name: str = "{:09d}.png") -> Path:
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        Image.new("RGB", size).save(folder / name.format(number))
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    """Three pans and two cups in two videos, each with a box of its own object."""
    actions = [
        action(0, "P01_01", 61, 120),
        action(1, "P01_01", 121, 180),
        action(2, "P02_01", 61, 120),
        action(3, "P01_01", 61, 120, noun="2"),
        action(4, "P02_01", 301, 360, noun="2"),
    ]
    objects = [
        ("1", "P01_01", 91, BOX),
        ("1", "P01_01", 151, BOX),
        ("1", "P02_01", 91, BOX),
        ("2", "P01_01", 61, BOX),
        ("2", "P02_01", 360, BOX),
    ]
    return touch_videos(write_epic(tmp_path / "epic", actions, objects), "P01_01", "P02_01")


def read(root, **options):
    return epic_object.read(root, **{"classes": 2, "per_class": 1, **options})


def test_rows_are_sound_and_count_frames_from_0_up_to_the_annotations_last(root):
    segments, boxes = read(root)
    assert find_problems(segments, boxes, trains=True) == []
    first = next(row for row in segments if row["clip_id"] == "P01_01_0")
    assert (first["start"], first["stop"]) == (first["action_start"], first["action_stop"]) == (60, 120)
    assert (first["label"], first["target"], first["group"], first["video_id"]) == ("pan", 1, "P01_01", "P01_01")
    assert first["path"] == str(root / "videos/train/P01/P01_01.MP4")


def test_boxes_are_top_left_height_width_and_belong_to_their_own_object(root):
    _, boxes = read(root)
    assert {edges(row) for row in boxes} == {(200, 100, 600, 400)}
    frames = {(row["video_id"], row["label"], row["frame"]) for row in boxes}
    assert frames == {
        ("P01_01", "pan", 90),
        ("P01_01", "pan", 150),
        ("P02_01", "pan", 90),
        ("P01_01", "cup", 60),
        ("P02_01", "cup", 359),
    }
    assert len(boxes) == 5  # once each, though two clips share the pan of P01_01


def test_columns_are_read_by_name(tmp_path, root):
    lines = read_csv(root / "EPIC_train_action_labels.csv")
    objects = [
        (r["noun_class"], r["video_id"], r["frame"], r["bounding_boxes"])
        for r in read_csv(root / "EPIC_train_object_labels.csv")
    ]
    other = touch_videos(write_epic(tmp_path / "other", lines, objects, backwards=True), "P01_01", "P02_01")
    mine, theirs = read(root), read(other)
    assert [{**row, "path": None} for row in mine[0]] == [{**row, "path": None} for row in theirs[0]]
    assert mine[1] == theirs[1]


def test_boxes_are_cut_to_each_videos_own_resolution(tmp_path):
    actions = [action(number, f"P0{number}_01", 1, 60) for number in (1, 2, 3)]
    objects = [("1", f"P0{number}_01", 31, "[(700, 1200, 500, 900), (1400, 0, 50, 50)]") for number in (1, 2, 3)]
    sizes = {"P01_01": "1920x1080", "P02_01": "1280x720", "P03_01": "1920x1440"}
    videos = {name: (size, 60.0, 60) for name, size in sizes.items()}
    root = touch_videos(write_epic(tmp_path, actions, objects, videos), *sizes)
    _, boxes = read(root, classes=1)
    assert [(row["video_id"], *edges(row)) for row in sorted(boxes, key=lambda row: (row["video_id"], row["x0"]))] == [
        ("P01_01", 1200, 700, 1920, 1080),
        ("P02_01", 1200, 700, 1280, 720),
        ("P03_01", 0, 1400, 50, 1440),
        ("P03_01", 1200, 700, 1920, 1200),
    ]


def test_a_clip_without_a_box_of_its_object_is_left_out(root, tmp_path):
    lines = read_csv(root / "EPIC_train_action_labels.csv")
    objects = [("1", "P01_01", 60, BOX), ("1", "P01_01", 121, "[]"), ("2", "P02_01", 91, BOX)]
    objects += [("1", "P01_01", 180, "[(0, 0, 0, 9)]"), ("1", "P02_01", 120, BOX), ("2", "P01_01", 120, BOX)]
    bare = touch_videos(write_epic(tmp_path / "bare", lines, objects), "P01_01", "P02_01")
    segments, _ = read(bare)
    assert {row["clip_id"] for row in segments} == {"P02_01_2", "P01_01_3"}  # 61 to 120 is the stretch of both


def test_another_word_for_a_class_counts_if_it_is_asked_for(tmp_path):
    actions = [action(0, "P01_01", 1, 60), action(1, "P01_01", 61, 120, noun_word="saucepan")]
    objects = [("1", "P01_01", 31, BOX), ("1", "P01_01", 91, BOX)]
    root = touch_videos(write_epic(tmp_path, actions, objects), "P01_01")
    assert [row["clip_id"] for row in read(root, classes=1)[0]] == ["P01_01_0"]
    both, _ = read(root, classes=1, synonyms=True)
    assert {(row["clip_id"], row["label"]) for row in both} == {("P01_01_0", "pan"), ("P01_01_1", "pan")}


@pytest.mark.parametrize(
    ("rate", "fps", "first"), [("30", 30, 30), ("60", 60, 60), ("30000/1001", 29.97002997002997, 30)]
)
def test_frames_are_those_that_decode_at_the_videos_own_rate(tmp_path, rate, fps, first):
    """The annotation's second second, and a box in the middle of it, at 60 a second."""
    write_numbered(tmp_path / "videos/train/P01/P01_01.MP4", 130, rate)
    objects = [("1", "P01_01", 91, "[(0, 0, 540, 960)]")]
    write_epic(tmp_path, [action(0, "P01_01", 61, 120)], objects, {"P01_01": ("1920x1080", 4.0, fps)})
    (segment,), (box,) = read(tmp_path, classes=1)
    length = round(fps)
    assert (segment["start"], segment["stop"]) == (first, first + length)
    assert box["frame"] == first + length // 2
    assert edges(box) == (0, 0, 64, 48)  # the file is 128 × 96
    path = Path(segment["path"])
    to = Geometry(*decoding.source_size(path), 48, 64)
    with decoding.decoded(path, to, start=segment["start"], stop=segment["stop"]) as frames:
        numbers = read_numbers(np.asarray(frames))
    seconds = [number / fps for number in numbers]
    assert len(numbers) == length
    assert seconds[0] == pytest.approx(1, abs=0.51 / fps)
    assert seconds[-1] == pytest.approx(119 / 60, abs=0.51 / fps)


def test_files_of_another_rate_than_the_annotations_are_told_by_an_option(root):
    segments, boxes = read(root, fps=30)
    assert min(row["start"] for row in segments) == 30
    assert max(row["frame"] for row in boxes) == 180


def test_folders_of_frames_count_60_a_second_whatever_the_video(tmp_path):
    objects = [("1", "P01_01", 31, "[(108, 192, 216, 384)]")]
    write_epic(tmp_path, [action(0, "P01_01", 21, 40)], objects, {"P01_01": ("1920x1080", 4.0, 29.97)})
    folder = pictures(tmp_path / "rgb/P01/P01_01", 60, (456, 256), "frame_{:010d}.jpg")
    (segment,), (box,) = read(tmp_path, classes=1, media="frames", files="rgb/{participant}/{video}")
    assert (segment["path"], segment["start"], segment["stop"]) == (str(folder), 20, 40)
    assert box["frame"] == 30  # frame_0000000031.jpg
    assert edges(box) == pytest.approx((45.6, 25.6, 136.8, 76.8))


@pytest.mark.parametrize(("distance", "frames"), [(0, [7]), (2, [7]), (3, [6, 7]), (60, list(range(16)))])
def test_a_sampled_picture_takes_the_boxes_within_the_distance(tmp_path, distance, frames):
    """80 frames, 16 parts of 5 whose middles are 2, 7, …, 77: the seventh picture is at 32, the eighth at 37."""
    write_epic(tmp_path, [action(7, "P01_01", 101, 180)], [("1", "P01_01", 138 if distance < 3 else 136, BOX)])
    pictures(tmp_path / "clips16/pan-take-P01_01_7", 16, (192, 108))
    (segment,), boxes = read(tmp_path, classes=1, sampled_box_distance=distance, **CLIPS)
    assert (segment["video_id"], segment["start"], segment["stop"]) == ("P01_01_7", None, None)
    assert [row["frame"] for row in boxes] == frames
    assert {edges(row) for row in boxes} == {(20, 10, 60, 40)}


def test_a_missing_clip_keeps_its_row_unless_the_data_are_partial(root):
    (root / "videos/train/P02/P02_01.MP4").unlink()
    assert Counter(row["video_id"] for row in read(root)[0]) == {"P01_01": 3, "P02_01": 2}
    assert {row["video_id"] for row in read(root, partial=True)[0]} == {"P01_01"}
    (root / "EPIC_video_info.csv").write_text("video,resolution,duration,fps\nP01_01,1920x1080,9,60\n")
    with pytest.raises(UsageError, match="column 'video_id': 'P02_01'"):
        read(root)


def test_bad_files_and_options_name_the_place_and_the_next_step(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for folder, options, text in (
        (tmp_path / "elsewhere", {}, "EPIC_video_info.csv: not there; put the files of .*epic-kitchens-55-annotations"),
        (root, {"annotations": "csv"}, "/csv/EPIC_video_info.csv: not there"),
        (root, {"classes": 3}, "option `classes`: 3 were asked for, the annotation has 2"),
        (root, {"per_class": 4}, "class 'cup' has 2 test clips to draw 4 from"),
        (root, {"train_per_class": 2}, "class 'cup' has 1 train clips to draw 2 from"),
        (root, {"files": "videos/{video}.avi"}, r"videos/\{video\}.avi: nothing there; set `root`, `media`"),
        (root, {"files": "videos/all.avi"}, r"option `files`: .* must name \{video\}"),
        (root, {"files": "{video}/{clip}"}, r"may name \{participant\}, \{video\}, \{uid\} alone"),
        (root, {"media": "clips"}, r"must name \{video\}, \{uid\}"),
    ):
        with pytest.raises(UsageError, match=text):
            read(folder, **options)


@pytest.mark.parametrize(
    "text", ["__import__('os').getcwd()", "[(1, 2, 3)]", "[(1, 2, 3, 'a')]", "(1, 2, 3, 4)", "[", "[" * 3000]
)
def test_boxes_are_data_and_never_a_program(root, text):
    path = root / "EPIC_train_object_labels.csv"
    path.write_text(f'noun_class,noun,participant_id,video_id,frame,bounding_boxes\n1,pan,P01,P01_01,91,"{text}"\n')
    with pytest.raises(UsageError, match=r"line 2, column 'bounding_boxes': no list of \(top, left, height, width\)"):
        read(root)


def test_the_draw_is_the_seeds_and_no_class_depends_on_another(root):
    assert read(root, seed=3) == read(root, seed=3)
    tested = [
        {row["clip_id"] for row in read(root, seed=seed)[0] if (row["split"], row["label"]) == ("test", "pan")}
        for seed in range(20)
    ]
    assert len(set(map(frozenset, tested))) > 1
    alone = {row["clip_id"] for row in read(root, classes=1, seed=3)[0] if row["split"] == "test"}
    assert alone == tested[3]


# The real files


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    return epic_files.official(tmp_path_factory.mktemp("epic"))


@pytest.fixture(scope="module")
def everything(official):
    return epic_object.read(official)


@pytest.fixture(scope="module")
def lists() -> dict[str, dict]:
    """The paper's own segments."""
    rows = read_csv(epic_files.real() / "segments" / "Valid_seg_top20.csv")
    return {f"{row['video_id']}_{row['seg_id']}": row for row in rows}


def test_the_clips_are_those_of_the_papers_lists_and_eight_of_half_a_second(everything, official, lists):
    """The paper trained on 8297: these 8797 but 500 that its authors held out, 25 of each class."""
    lines = read_csv(official / "EPIC_train_action_labels.csv")
    seconds = {f"{r['video_id']}_{r['uid']}": (int(r["stop_frame"]) - int(r["start_frame"])) / 60 for r in lines}
    mine = {row["clip_id"] for row in everything[0]}
    assert len(lists) == 8797 == 8297 + 500
    assert set(lists) <= mine
    assert [seconds[name] for name in mine - set(lists)] == [0.5] * 8
    assert min(seconds[name] for name in lists) > 0.5


def test_the_twenty_classes_are_the_papers(everything):
    segments, _ = everything
    named = read_csv(epic_files.real() / "segments" / "Valid_seg_top20_noun_labels.csv")
    labels = sorted(row["noun"] for row in named)
    assert {row["label"]: row["target"] for row in segments} == {label: labels.index(label) for label in labels}
    counts = Counter(row["label"] for row in segments)
    assert sum(counts[row["noun"]] - int(row["num"]) for row in named) == 8


def held_out(segments: list[dict]) -> Counter:
    return Counter(row["label"] for row in segments if row["split"] == "test")


def test_five_or_twenty_five_of_each_class_are_tested_and_the_others_trained_on(everything, official):
    segments, boxes = everything
    more, _ = epic_object.read(official, per_class=25)
    labels = {row["label"] for row in segments}
    assert held_out(segments) == dict.fromkeys(labels, 5)
    assert held_out(more) == dict.fromkeys(labels, 25)
    assert len(segments) == len(more) == 100 + 8705 == 500 + 8305
    assert find_problems(segments, boxes, trains=True) == []


def test_the_boxes_are_the_files_own_cut_to_the_videos_and_17_reach_beyond(everything, lists):
    infos = {row["video"]: row for row in read_csv(epic_files.real() / "EPIC_video_info.csv")}
    expected, beyond = set(), set()
    for row in lists.values():
        info = infos[row["video_id"]]
        width, height = map(int, info["resolution"].split("x"))
        for frame, found in ast.literal_eval(row["bounding_boxes"]).items():
            picture = round((frame - 1) / 60 * float(info["fps"]))
            for top, left, h, w in found:
                box = (left, top, min(left + w, width), min(top + h, height))
                expected.add((row["video_id"], row["noun"], picture, *box))
                if top + h > height:
                    beyond.add((row["video_id"], picture, left, top, left + w, top + h))
    assert {(row["video_id"], row["label"], row["frame"], *edges(row)) for row in everything[1]} == expected
    assert len(beyond) == 17
    assert {bottom for *_, bottom in beyond} == {1082}


def test_videos_of_720_and_1440_lines_keep_their_own_pixels(everything):
    lowest = {"P12_01": 0, "P12_02": 0, "P12_06": 0}
    for row in everything[1]:
        if row["video_id"] in lowest:
            lowest[row["video_id"]] = max(lowest[row["video_id"]], row["y1"])
    assert max(lowest["P12_01"], lowest["P12_02"]) <= 720
    assert lowest["P12_06"] > 720


@pytest.fixture(scope="module")
def real_clips(official):
    return epic_object.read(official, per_class=1, partial=True, **CLIPS)


def test_of_the_five_real_segments_three_have_an_object_of_the_twenty(real_clips, official):
    """One is of a saucepan, which is no pan by name, and one of food, which is no class of the 20."""
    segments, boxes = real_clips
    assert {row["clip_id"]: row["label"] for row in segments} == {
        "P12_06_18977": "cloth",
        "P30_06_37608": "spoon",
        "P30_06_37623": "cupboard",
    }
    assert find_problems(segments, boxes, trains=False) == []
    for row in segments:
        assert len(list(Path(row["path"]).glob("*.png"))) == 16
        assert decoding.source_size(Path(row["path"])) == (256, 344)


def test_their_boxes_are_those_of_the_nearest_annotated_frames(real_clips, lists):
    """By the package's own frame sampling, and with scales worked out by hand."""
    scales = {"P12_06_18977": (344 / 1920, 256 / 1440), "P30_06_37608": (344 / 1920, 256 / 1080)}
    scales["P30_06_37623"] = scales["P30_06_37608"]
    expected = set()
    for name, (across, down) in scales.items():
        listed = ast.literal_eval(lists[name]["bounding_boxes"])
        frames = middle_frames(int(lists[name]["start_frame"]), int(lists[name]["stop_frame"]) + 1, 16)
        for picture, frame in enumerate(frames):
            for top, left, height, width in listed.get(nearest_frame(frame, listed, 3), []):
                box = (left * across, top * down, (left + width) * across, (top + height) * down)
                expected.add((name, picture, *(round(edge, 6) for edge in box)))
    found = {(row["video_id"], row["frame"], *(round(edge, 6) for edge in edges(row))) for row in real_clips[1]}
    assert found == expected
    assert len(found) == 9


def test_the_white_cloth_lies_in_its_box_and_not_where_another_resolution_would_put_it(real_clips):
    """P12_06 is 1920 × 1440; read as 1920 × 1080 its boxes would lie a third lower."""
    boxes = [row for row in real_clips[1] if row["label"] == "cloth"]
    path = next(Path(row["path"]) for row in real_clips[0] if row["label"] == "cloth")
    for row in boxes:
        picture = np.asarray(Image.open(path / f"{row['frame'] + 1:09d}.png").convert("L"), dtype=float)
        x0, y0, x1, y1 = (round(edge) for edge in edges(row))
        lower = picture[round(y0 * 4 / 3) : round(y1 * 4 / 3), x0:x1]
        assert picture[y0:y1, x0:x1].mean() > max(lower.mean(), picture.mean()) + 15
