"""Annotation files that were made to do harm, and what damaged ones once did: each ends in an error that names them."""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from epic_files import action, touch_videos, write_epic

from stepaudit.datasets import _epic, epic_action, epic_object, folder, ucf101_24
from stepaudit.errors import UsageError

HUGE = "9" * 12


def own(root: Path, **files: str) -> dict[str, str]:
    """Four videos of two classes, and CSV files. Returns the options that name those."""
    for name in ("a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    for option, content in files.items():
        (root / f"{option}.csv").write_text(content)
    return {option: f"{option}.csv" for option in files}


WRONG_CSV = {
    ("segments", f"video,start\na/1.mp4,{HUGE}\n"): f"column 'start': {HUGE} is larger than any video",
    ("segments", f"video,stop\na/1.mp4,{'9' * 5000}\n"): "column 'stop': '9{80}' is no whole number",
    ("boxes", f"video,frame,x0,y0,x1,y1\na/1.mp4,{HUGE},1,1,2,2\n"): "column 'frame': 9+ is larger than any video",
    ("boxes", "video,frame,x0,y0,x1,y1\na/1.mp4,1,1,1,2,1e300\n"): "column 'y1': 1e300 is larger than any video",
    ("boxes", "video,frame,x0,y0,x1,y1\na/1.mp4,1,-inf,1,2,2\n"): "column 'x0': '-inf' is no finite number",
    ("videos", "video,split\n../../secret.mp4,test\n"): "column 'video': '[.][.]/[.][.]/secret.mp4'",
    ("videos", f"video,split\n{'x' * 100_000},test\n"): "column 'video': 'x{80}'",
    (
        "videos",
        f"video,{','.join(map(str, range(100_000)))}\n",
    ): "100001 columns; the first line names",
    ("videos", f"video,{'x' * 200_000}\n"): "no UTF-8 CSV file .field larger than field limit",
}


@pytest.mark.parametrize(("option", "content"), WRONG_CSV, ids=range(len(WRONG_CSV)))
def test_a_csv_of_what_no_video_has_is_refused_at_once(tmp_path, option, content):
    options = own(tmp_path, **{option: content})
    began = time.process_time()
    with pytest.raises(UsageError, match=WRONG_CSV[option, content]) as raised:
        folder.read(tmp_path, **options)
    assert len(str(raised.value)) < 2000
    assert time.process_time() - began < 3


def test_a_csv_that_is_no_file_is_refused(tmp_path):
    own(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name, text in (("pipe.csv", "no file"), ("zero.csv", "no file"), ("a", "no file"), ("x\0y", "embedded null")):
        with pytest.raises(UsageError, match=text):
            folder.read(tmp_path, boxes=name)


# UCF101-24


def ucf(root: Path, lists: bytes) -> Path:
    content = {"A/v_A_g01_c01": {"annotations": [{"boxes": np.ones((2, 4), np.uint8), "sf": 0, "ef": 2}]}}
    (root / "a.pkl").write_bytes(pickle.dumps(content))
    (root / "UCF-101" / "A").mkdir(parents=True)
    for split in ("train", "test"):
        (root / f"{split}list01.txt").write_bytes(lists)
    return root


@pytest.mark.parametrize(
    "line",
    [
        "../../secret.avi",
        "/etc/passwd",
        "A/../../x.avi",
        "A/.avi",
        "A",
        "A/x.mp4",
        "A/\0.avi",
        "A/" + "x" * 300 + ".avi",
    ],
)
def test_a_list_names_no_file_outside_of_its_classes(tmp_path, line):
    root = ucf(tmp_path, f"A/v_A_g01_c01.avi 1\r\n{line} 1\r\n".encode())
    with pytest.raises(UsageError, match=r"list01\.txt: .* is no `Class/v_Class_gXX_cYY\.avi`; download"):
        ucf101_24.read(root, split_lists=".", annotations="a.pkl")


def test_a_list_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"trainlist01\.txt: no list of videos .*utf-8"):
        ucf101_24.read(ucf(tmp_path, b"A/v_A_g01_c01.avi\xff\n"), split_lists=".", annotations="a.pkl")


# EPIC-KITCHENS-55

ACTIONS = [action(0, "P01_01", 61, 120), action(1, "P01_01", 301, 360, noun="2", verb="1")]
BOXES = [("1", "P01_01", 91, "[(1, 2, 3, 4)]"), ("2", "P01_01", 310, "[(1, 2, 3, 4)]")]


def epic(root: Path, actions=ACTIONS, boxes=BOXES, videos=None) -> Path:
    return touch_videos(write_epic(root / "epic", actions, boxes, videos), "P01_01")


WRONG_ACTIONS = (
    (
        action(0, "../../secret", 1, 9),
        {"../../secret": ("1920x1080", 9, 60)},
        "column 'video': '../../secret' is no such",
    ),
    (action("../../1", "P01_01", 1, 9), None, "column 'uid': '../../1' is no such name"),
    (action("1\n2", "P01_01", 1, 9), None, "column 'uid': .* is no such name"),
    (action(0, "P01_01", 1, HUGE), None, "column 'stop_frame': 9+ is larger than any video"),
    (action(0, "P01_01", 1, 10**9), None, "column 'stop_frame': no video has 10+ frames"),
)


@pytest.mark.parametrize("number", range(len(WRONG_ACTIONS)))
def test_an_action_names_no_file_outside_and_no_frame_that_no_video_has(tmp_path, number):
    wrong, videos, text = WRONG_ACTIONS[number]
    root = epic(tmp_path, [*ACTIONS, wrong], videos={"P01_01": ("1920x1080", 60, 60)} | (videos or {}))
    with pytest.raises(UsageError, match=text):
        epic_action.read(root, classes=1, per_class=1, test="plain")


@pytest.mark.parametrize(
    ("info", "column"),
    [
        (("0x1080", 60, 60), "resolution"),
        (("1920x999999", 60, 60), "resolution"),
        (("9" * 5000 + "x1", 60, 60), "resolution"),
        (("1920x1080", "1e308", 60), "duration"),
        (("1920x1080", -1, 60), "duration"),
        (("1920x1080", 60, 0), "fps"),
        (("1920x1080", 60, 10**6), "fps"),
        (("1920x1080", 60, "nan"), "fps"),
    ],
)
def test_a_video_that_cannot_be_is_refused(tmp_path, info, column):
    with pytest.raises(UsageError, match=rf"{_epic.VIDEOS}, line 2, column '{column}': "):
        epic_action.read(epic(tmp_path, videos={"P01_01": info}), classes=1, per_class=1, test="plain")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "(" * 60_000,
        "-" * 60_000 + "1",
        "[(1, 2, 3, 1e999)]",
        "[(1, 2, NaN, 4)]",
        "[(1, 2, 3)]",
        "[('a', 'b', 'c', 'd')]",
        "['abcd']",
        "{'a': 1}",
        "__import__('os')",
        "[(1, 2, 3, " + "9" * 400 + ")]",
    ],
    ids=range(11),
)
def test_boxes_that_are_none_are_refused(tmp_path, text):
    root = epic(tmp_path, boxes=[*BOXES, ("1", "P01_01", 99, text)])
    with pytest.raises(UsageError, match="line 4, column 'bounding_boxes': no list of"):
        epic_object.read(root, classes=1, per_class=1)


@pytest.mark.parametrize("template", ["/{video}", "{video}}", "{", "", "{video!r}", "{video.__class__}"])
def test_a_template_that_cannot_be_looked_for_is_refused(tmp_path, template):
    with pytest.raises(UsageError, match="option `files`"):
        epic_action.read(epic(tmp_path), classes=1, per_class=1, test="plain", files=template)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_rate_that_cannot_be_is_refused(tmp_path, fps):
    with pytest.raises(UsageError, match="option `fps`"):
        epic_action.read(epic(tmp_path), classes=1, per_class=1, test="plain", fps=fps)
