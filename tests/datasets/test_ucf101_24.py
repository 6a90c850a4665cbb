"""UCF101-24 as it really is: each trap that its files hold has a test. Needs the real files, see `data`."""

import os
import pickle
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.datasets import ucf101_24
from stepaudit.datasets._pickle import load_arrays
from stepaudit.errors import UsageError

CLASSES = ["BasketballDunk", "Surfing"]


@pytest.fixture(scope="module")
def data() -> Path:
    """The real files, or a part of them, in the layout of the reader's defaults."""
    folder = Path(os.environ.get("STEPAUDIT_TEST_DATA", "not set"))
    if not (folder / "UCF101-24" / "pyannot.pkl").is_file():
        pytest.skip("STEPAUDIT_TEST_DATA names no folder with UCF-101, ucfTrainTestlist and UCF101-24")
    return folder


@pytest.fixture(scope="module")
def tubes(data) -> dict:
    return load_arrays(data / "UCF101-24" / "pyannot.pkl")


@pytest.fixture(scope="module")
def layout(data, tmp_path_factory) -> Path:
    """The real lists and annotation, with empty folders of all 101 classes: a reader opens no video."""
    folder = tmp_path_factory.mktemp("ucf")
    for name in ("ucfTrainTestlist", "UCF101-24"):
        (folder / name).symlink_to(data / name)
    for line in (data / "ucfTrainTestlist" / "classInd.txt").read_text().split("\n"):
        if line.strip():
            (folder / "UCF-101" / line.split()[1]).mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def everything(layout) -> tuple[list[dict], list[dict]]:
    return ucf101_24.read(layout)


def decode(path: Path) -> int:
    with decoding.decoded(path, Geometry(*decoding.source_size(path), 16, 16)) as frames:
        return len(frames)


def test_all_listed_videos_of_the_24_classes_have_a_row(everything):
    segments, _ = everything
    assert len({row["label"] for row in segments}) == 24
    assert len(segments) == len({row["clip_id"] for row in segments}) == 3194 + 13
    assert Counter(row["split"] for row in segments) == {"test": 914, "train": 2293}


def test_thirteen_videos_have_no_annotation_four_of_them_in_the_test_list(everything):
    segments, found = everything
    bare = [row for row in segments if row["action_start"] is None]
    assert len(bare) == 13
    assert all(row["action_stop"] is None for row in bare)
    assert sum(row["split"] == "test" for row in bare) == 4
    assert not {row["video_id"] for row in bare} & {row["video_id"] for row in found}


def test_boxes_of_uint8_do_not_wrap_around(everything, tubes):
    """The literal annotation, in Python's own integers."""
    expected = Counter()
    wrapping = 0
    for name, annotated in tubes.items():
        for tube in annotated["annotations"]:
            wrapping += bool((tube["boxes"][:, 0] + tube["boxes"][:, 2] < tube["boxes"][:, 0]).any())
            for index, (x, y, w, h) in enumerate(tube["boxes"].tolist()):
                expected[name.split("/")[1], tube["sf"] + index, x - 1, y - 1, x - 1 + w, y - 1 + h] += 1
    keys = ("video_id", "frame", "x0", "y0", "x1", "y1")
    assert wrapping > 1000  # the trap is there
    assert Counter(tuple(row[key] for key in keys) for row in everything[1]) == expected


def test_boxes_count_their_pixels_from_one_and_lie_in_the_frame(everything):
    boxes = np.array([[row[key] for key in ("x0", "y0", "x1", "y1")] for row in everything[1]])
    assert boxes.min(axis=0)[:2].tolist() == [0, 0]
    assert boxes.max(axis=0)[2:].tolist() == [319, 239]  # the widest is 319, from pixel 1; so not one reaches the edge
    assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_tubes_begin_at_their_first_frame_and_end_before_their_last(everything, tubes):
    segments, found = everything
    frames = defaultdict(set)
    for row in found:
        frames[row["video_id"]].add(row["frame"])
    for row in segments:
        if row["action_start"] is not None:
            assert row["action_start"] == min(frames[row["video_id"]])
            assert row["action_stop"] == max(frames[row["video_id"]]) + 1
    assert tubes["BasketballDunk/v_BasketballDunk_g01_c01"]["annotations"][0]["sf"] == 32
    assert min(frames["v_BasketballDunk_g01_c01"]) == 32
    assert max(frames["v_BasketballDunk_g01_c01"]) == 60


def test_a_frame_may_have_several_boxes_or_none(everything):
    per_frame = Counter((row["video_id"], row["frame"]) for row in everything[1])
    assert max(per_frame.values()) == 6
    covered = defaultdict(set)
    for name, frame in per_frame:
        covered[name].add(frame)
    spans = {row["video_id"]: row["action_stop"] - row["action_start"] for row in everything[0] if row["action_stop"]}
    assert any(len(covered[name]) < span for name, span in spans.items())  # gaps inside the action, too


def test_targets_are_positions_in_the_alphabet_as_in_the_annotation_and_not_the_lists_numbers(everything, tubes):
    for row in everything[0]:
        name = f"{row['label']}/{row['video_id']}"
        assert name not in tubes or tubes[name]["label"] == row["target"]
    surfing = {row["target"] for row in everything[0] if row["label"] == "Surfing"}
    assert surfing == {19}  # 88 in classInd.txt


def test_boxes_carry_the_name_of_their_class(everything):
    labels = {row["video_id"]: row["label"] for row in everything[0]}
    assert all(row["label"] == labels[row["video_id"]] for row in everything[1])


def test_targets_of_a_selection_count_from_zero(layout):
    segments, _ = ucf101_24.read(layout, classes=["Surfing", "BasketballDunk"])
    assert {(row["label"], row["target"]) for row in segments} == {("BasketballDunk", 0), ("Surfing", 1)}


def test_line_ends_of_the_lists_leave_no_trace(data, layout, everything):
    assert b"\r\n" in (data / "ucfTrainTestlist" / "testlist01.txt").read_bytes()
    assert not [row for row in everything[0] if not row["path"].endswith(".avi")]


def test_the_folder_handstandpushups_holds_files_of_another_spelling(layout):
    segments, found = ucf101_24.read(layout, classes=["HandstandPushups", "Surfing"])
    pushups = [row for row in segments if row["label"] == "HandstandPushups"]
    assert len(pushups) == 128
    assert pushups[0]["path"].endswith("UCF-101/HandstandPushups/v_HandStandPushups_g08_c01.avi")
    assert {row["target"] for row in pushups} == {0}
    assert len({row["group"] for row in pushups}) == 25
    assert {row["label"] for row in found} == {"Surfing"}  # the class is not annotated


def test_no_group_is_both_in_training_and_in_test(everything):
    splits = defaultdict(set)
    for row in everything[0]:
        assert re.fullmatch(rf"{row['label']}_g\d\d", row["group"])
        splits[row["group"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) == 24 * 25


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_official_list_divides_the_same_videos(layout, number):
    segments, _ = ucf101_24.read(layout, classes=CLASSES, split_list=number)
    assert len({row["clip_id"] for row in segments}) == 131 + 126
    tested = {row["group"][-3:] for row in segments if row["split"] == "test"}
    assert tested == {f"g{group:02d}" for group in range(7 * number - 6, 7 * number + 1)}


def test_the_annotations_frame_count_is_one_more_than_decodes(data, tubes):
    assert tubes["Surfing/v_Surfing_g03_c01"]["numf"] == 126
    assert decode(data / "UCF-101" / "Surfing" / "v_Surfing_g03_c01.avi") == 125


def test_so_segments_end_where_the_video_ends(everything):
    assert {(row["start"], row["stop"]) for row in everything[0]} == {(0, None)}


def test_videos_of_25_and_2997_frames_a_second_give_all_their_frames(data):
    """Counted by imageio-ffmpeg, too."""
    by_rate = {}
    for name in ("Surfing", "Biking"):
        path = min((data / "UCF-101" / name).glob("*.avi"))
        frames = imageio_ffmpeg.read_frames(str(path))
        by_rate[next(frames)["fps"]] = path
        frames.close()
    assert set(by_rate) == {25, 29.97}
    for path in by_rate.values():
        assert decode(path) == imageio_ffmpeg.count_frames_and_secs(str(path))[0]


def test_the_shortest_basketball_dunk_still_makes_a_clip(data):
    frames = [decode(path) for path in sorted((data / "UCF-101" / "BasketballDunk").glob("*.avi"))]
    assert len(frames) == 50
    assert min(frames) == 35
    assert sorted(frames)[25] == 72


class Trap:
    """Runs a program when it is unpickled."""

    def __reduce__(self):
        return subprocess.check_call, (["touch", "sprung"],)


def test_a_pickle_that_runs_a_program_is_refused(layout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"Surfing/v_Surfing_g01_c01": {"annotations": [Trap()], "numf": 1, "label": 0}}
    Path("trap.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UsageError, match=r"trap\.pkl: not a pickle of numpy arrays alone \(it asks for subprocess\."):
        ucf101_24.read(layout, annotations=str(Path("trap.pkl").absolute()))
    assert not Path("sprung").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_arrays_of_every_protocol_are_read(tmp_path, protocol):
    content = {np.str_("a"): {"boxes": np.arange(8, dtype=np.uint8).reshape(2, 4), "numf": np.uint16(300)}}
    (tmp_path / "arrays.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    read = load_arrays(tmp_path / "arrays.pkl")
    assert (read["a"]["boxes"] == content["a"]["boxes"]).all()
    assert read["a"]["numf"] == 300


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2])[:-3]])
def test_a_damaged_pickle_says_so(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.pkl: not a pickle"):
        load_arrays(tmp_path / "a.pkl")


def test_a_pickle_of_something_else_says_so(layout, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": [1]}))
    with pytest.raises(UsageError, match=r"no dict of videos with `annotations`"):
        ucf101_24.read(layout, annotations=str(tmp_path / "a.pkl"))


def test_the_papers_five_a_class_are_drawn_by_seed_from_annotated_test_videos(layout, tubes):
    first, again, other = ([row["clip_id"] for row in ucf101_24.read(layout, per_class=5, seed=seed)[0]
                            if row["split"] == "test"] for seed in (0, 0, 1))  # fmt: skip
    assert first == again != other
    segments, _ = ucf101_24.read(layout, per_class=5)
    tested = [row for row in segments if row["split"] == "test"]
    assert Counter(row["label"] for row in tested) == dict.fromkeys({row["label"] for row in segments}, 5)
    assert all(f"{row['label']}/{row['clip_id']}" in tubes for row in tested)
    assert sum(row["split"] == "train" for row in segments) == 2293


def test_training_videos_are_drawn_when_asked(layout):
    segments, _ = ucf101_24.read(layout, classes=CLASSES, train_per_class=7)
    counts = Counter((row["split"], row["label"]) for row in segments)
    assert counts["train", "Surfing"] == counts["train", "BasketballDunk"] == 7
    assert counts["test", "Surfing"] == 33


def test_the_draw_of_a_class_does_not_depend_on_the_others(layout):
    drawn = [
        {row["clip_id"] for row in ucf101_24.read(layout, classes=classes, per_class=5)[0] if row["label"] == "Surfing"}
        for classes in (["Surfing", "Diving"], CLASSES)
    ]
    assert drawn[0] == drawn[1]


def test_a_missing_video_keeps_its_row_unless_the_data_are_partial(data):
    segments, _ = ucf101_24.read(data, classes=CLASSES)
    assert len(segments) == 131 + 126
    there, found = ucf101_24.read(data, classes=CLASSES, partial=True)
    assert len(there) == 50 + 39
    assert all(Path(row["path"]).is_file() for row in there)
    assert {row["video_id"] for row in found} <= {row["video_id"] for row in there}


def test_bad_roots_and_options_name_the_path_and_the_next_step(data, layout, tmp_path):
    for root, options, text in (
        (tmp_path, {}, r"pyannot\.pkl: cannot be read"),
        (layout, {"split_list": 4}, r"trainlist04\.txt: not there; unpack"),
        (layout, {"videos": "UCF"}, r"/UCF: not there; unpack UCF101\.rar"),
        (layout, {"classes": ["Surfin"]}, "no class 'Surfin'; did you mean 'Surfing'"),
        (data, {}, r"no folder CliffDiving, .*name the classes to use, such as `classes: \[Basketball, BasketballDunk"),
        (layout, {"classes": CLASSES, "per_class": 40}, "class 'BasketballDunk' has 37 test videos to draw 40 from"),
    ):
        with pytest.raises(UsageError, match=text):
            ucf101_24.read(root, **options)
