"""The user's own folders: where splits, segments and boxes come from, and what is said about mistakes."""

import re
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import pytest

from stepaudit.datasets import folder
from stepaudit.errors import UsageError


def touch(root: Path, *names: str) -> Path:
    """Empty files: a reader opens no video."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def splits(rows: list[dict]) -> dict[str, str]:
    return {row["clip_id"]: row["split"] for row in rows}


@pytest.fixture
def root(tmp_path) -> Path:
    return touch(
        tmp_path, *(f"{label}/s{scene}_{take}.mp4" for label in ("jump", "run") for scene in "1234" for take in "ab")
    )


def test_videos_of_every_kind_are_found_and_other_files_are_not(tmp_path):
    videos = ["a/1.mp4", "a/2.AVI", "a/3.mov", "b/4.mkv", "b/5.webm"]
    touch(tmp_path, *videos, "a/README.md", "a/.hidden.mp4", "b/frames/0001.png", ".git/x.mp4", "notes.txt")
    rows, boxes = folder.read(tmp_path)
    assert [row["video_id"] for row in rows] == [*videos, "b/frames"]
    assert [(row["label"], row["target"]) for row in rows] == [("a", 0)] * 3 + [("b", 1)] * 3
    assert [row["path"] for row in rows] == [str(tmp_path / row["video_id"]) for row in rows]
    assert {row[name] for row in rows for name in ("start", "stop", "action_start", "action_stop")} == {None}
    assert boxes == []


def test_folders_tell_the_split(tmp_path):
    touch(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "validation/a/2.mp4", "test/a/1.mp4")
    rows, _ = folder.read(tmp_path)
    assert splits(rows) == {
        "test/a/1.mp4": "test",
        "train/a/1.mp4": "train",
        "train/b/1.mp4": "train",
        "validation/a/2.mp4": "validation",
    }
    assert {row["label"]: row["target"] for row in rows} == {"a": 0, "b": 1}


def test_a_seed_draws_the_split_by_group(root):
    rows, _ = folder.read(root, group="(s[0-9])_", test_share=0.25, seed=5)
    assert Counter((row["label"], row["split"]) for row in rows) == {
        (label, split): count for label in ("jump", "run") for split, count in (("train", 6), ("test", 2))
    }
    groups = {split: {row["group"] for row in rows if row["split"] == split} for split in ("train", "test")}
    assert groups["train"].isdisjoint(groups["test"])
    assert folder.read(root, group="(s[0-9])_", seed=5)[0] == rows
    assert len({str(splits(folder.read(root, seed=seed)[0])) for seed in range(5)}) > 1


def test_without_groups_each_video_is_drawn_by_itself(root):
    rows, _ = folder.read(root, test_share=0.5)
    assert Counter((row["label"], row["split"]) for row in rows) == Counter(
        {(label, split): 4 for label in ("jump", "run") for split in ("train", "test")}
    )
    assert {row["group"] for row in rows} == {None}


def test_a_csv_tells_split_and_group(tmp_path):
    touch(tmp_path, "a/1.mp4", "a/2.mp4", "b/1.mp4")
    (tmp_path / "videos.csv").write_text(
        "\ufeffvideo,split,group\r\na/1.mp4,train,x\r\na/2.mp4, unused ,\r\nb/1.mp4,test,y\r\n", encoding="utf-8"
    )
    rows, _ = folder.read(tmp_path, videos="videos.csv")
    assert [(row["clip_id"], row["split"], row["group"]) for row in rows] == [
        ("a/1.mp4", "train", "x"),
        ("b/1.mp4", "test", "y"),
    ]


def test_a_csv_of_groups_alone_leaves_the_draw_to_the_seed(root):
    lines = [f"{label}/s{scene}_{take}.mp4,{scene}" for label in ("jump", "run") for scene in "1234" for take in "ab"]
    (root / "videos.csv").write_text("\n".join(["video,group", *lines]))
    rows, _ = folder.read(root, videos="videos.csv")
    assert {row["group"] for row in rows if row["split"] == "test"}.isdisjoint(
        row["group"] for row in rows if row["split"] == "train"
    )
    assert "test" in splits(rows).values()


def test_a_csv_of_segments_gives_a_row_for_each(tmp_path):
    touch(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "test/a/1.mp4", "test/b/1.mp4")
    (tmp_path / "segments.csv").write_text(
        "video,start,stop,action_start,action_stop\n"
        "test/a/1.mp4,0,40,10,20\n"
        "test/a/1.mp4,40,,,\n"
        "train/a/1.mp4,,32,,\n"
    )  # fmt: skip
    rows, _ = folder.read(tmp_path, segments="segments.csv")
    names = ("clip_id", "video_id", "start", "stop", "action_start", "action_stop")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("test/a/1.mp4:0-40", "test/a/1.mp4", 0, 40, 10, 20),
        ("test/a/1.mp4:40-", "test/a/1.mp4", 40, None, None, None),
        ("test/b/1.mp4", "test/b/1.mp4", None, None, None, None),
        ("train/a/1.mp4:0-32", "train/a/1.mp4", None, 32, None, None),
        ("train/b/1.mp4", "train/b/1.mp4", None, None, None, None),
    ]


def test_a_csv_of_boxes_gives_boxes_whose_label_is_the_class_unless_it_says_otherwise(tmp_path):
    touch(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "test/a/1.mp4")
    (tmp_path / "boxes.csv").write_text(
        "label,video,frame,x0,y0,x1,y1\n,test/a/1.mp4,3,1,2,30.5,40\nball,test/a/1.mp4,3,5,5,9,9\n"
    )
    _, boxes = folder.read(tmp_path, boxes="boxes.csv")
    keys = {"video_id": "test/a/1.mp4", "frame": 3}
    assert boxes == [
        {**keys, "label": "a", "x0": 1, "y0": 2, "x1": 30.5, "y1": 40},
        {**keys, "label": "ball", "x0": 5, "y0": 5, "x1": 9, "y1": 9},
    ]


def test_boxes_of_videos_that_are_left_out_are_left_out(tmp_path):
    touch(tmp_path, "a/1.mp4", "a/2.mp4")
    (tmp_path / "videos.csv").write_text("video,split\na/1.mp4,test\na/2.mp4,unused\n")
    (tmp_path / "boxes.csv").write_text("video,frame,x0,y0,x1,y1\na/2.mp4,0,1,1,2,2\n")
    assert folder.read(tmp_path, videos="videos.csv", boxes="boxes.csv")[1] == []


BAD_CSV = {
    ("videos", "vidoe,split\n"): r"f\.csv, line 1: no column 'video'",
    ("videos", "video,spilt\n"): r"f\.csv, line 1: unknown column 'spilt'; did you mean 'split'",
    ("videos", "video,split,split\n"): r"f\.csv, line 1: column 'split' stands twice",
    ("videos", "video,split\na/1.mp4,train\n"): r"f\.csv: no line for 'a/2\.mp4'; add it, with split 'unused'",
    ("videos", "video,split\na/1.mp4,tets\n"): r"f\.csv, line 2, column 'split': 'tets'; did you mean 'test'",
    ("videos", "video,split\na/1.mp4,\n"): r"f\.csv, line 2, column 'split': it is empty",
    (
        "videos",
        "video,split\na/9.mp4,test\n",
    ): r"f\.csv, line 2, column 'video': 'a/9\.mp4'; did you mean 'a/[12]\.mp4'",
    ("videos", "video,split\na/1.mp4,test\na/1.mp4,test\n"): r"line 3, column 'video': .* stands on an earlier line",
    ("videos", "video,split\na/1.mp4,test,x\n"): r"f\.csv, line 2: more cells than columns",
    ("videos", "video,split\na/1.mp4\n"): r"f\.csv, line 2: fewer cells than columns",
    ("videos", 'video,split\n"a/1.mp4'): r"f\.csv: no UTF-8 CSV file",
    ("segments", "video,start,stop\na/1.mp4,0,x\n"): r"line 2, column 'stop': 'x' is no whole number",
    ("segments", "video,start,stop\na/1.mp4,9,9\n"): r"line 2, column 'stop': 9 must be larger than start, 9",
    ("segments", "video,start\na/1.mp4,-1\n"): r"line 2, column 'start': -1 is negative",
    ("segments", "video,action_start\na/1.mp4,1\n"): r"line 2, column 'action_stop': give both",
    ("segments", "video,start\na/1.mp4,1\na/1.mp4,1\n"): r"line 3, column 'video': .* these frames on an earlier line",
    ("boxes", "video,frame,x0,y0,x1,y1\na/1.mp4,1,5,0,5,9\n"): r"line 2, column 'x1': 5 must be larger than x0, 5",
    ("boxes", "video,frame,x0,y0,x1,y1\na/1.mp4,1,0,0,5,nan\n"): r"line 2, column 'y1': 'nan' is no finite number",
    ("boxes", "video,frame,x0,y0,x1,y1\na/1.mp4,,0,0,5,9\n"): r"line 2, column 'frame': it is empty",
    ("boxes", "video,frame,x0,y0,x1,y1\na/1.mp4,-2,0,0,5,9\n"): r"line 2, column 'frame': -2 is negative",
    ("boxes", "video,frame,x0,y0,x1\n"): r"f\.csv, line 1: no column 'y1'",
}


@pytest.mark.parametrize(("option", "content"), BAD_CSV, ids=range(len(BAD_CSV)))
def test_a_mistake_in_a_csv_is_named_by_file_line_and_column(tmp_path, option, content):
    touch(tmp_path, "a/1.mp4", "a/2.mp4")
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(UsageError, match=BAD_CSV[option, content]):
        folder.read(tmp_path, **{option: "f.csv"})


def test_bytes_that_are_no_text_and_a_missing_csv_say_so(root):
    (root / "f.csv").write_bytes(b"video,split\n\xff\xfe")
    with pytest.raises(UsageError, match=r"f\.csv: no UTF-8 CSV file"):
        folder.read(root, videos="f.csv")
    with pytest.raises(UsageError, match=r"g\.csv: cannot be read"):
        folder.read(root, boxes="g.csv")


def test_bad_roots_and_options_say_what_to_do(root, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    mixed = touch(tmp_path_factory.mktemp("mixed"), "train/a/1.mp4", "a/1.mp4")
    loose = touch(tmp_path_factory.mktemp("loose"), "a/0001.png")
    deep = touch(tmp_path_factory.mktemp("deep"), "a/b/1.mp4")
    lone = touch(tmp_path_factory.mktemp("lone"), "a/1.mp4", "b/1.mp4", "b/2.mp4")
    said = touch(tmp_path_factory.mktemp("said"), "train/a/1.mp4", "test/a/1.mp4")
    (said / "f.csv").write_text("video,split\ntrain/a/1.mp4,test\n")
    for place, options, text in (
        (root / "no", {}, "/no: no such folder; set `root`"),
        (empty, {}, "no video in it; put video files"),
        (mixed, {}, "'a' stands beside 'train'"),
        (loose, {}, "frames lie in the class folder; put"),
        (deep, {}, "a/b: no folder of frames; have videos"),
        (lone, {}, "class 'a': its 1 group cannot be divided"),
        (said, {"videos": "f.csv"}, r"line 2, column 'split': 'test', but the video lies in train/"),
        (root, {"group": "scene(.)"}, r"'scene\(\.\)' finds none in 'jump/s1_a\.mp4'"),
        (root, {"group": "s."}, "is no regular expression with a group"),
        (root, {"group": "("}, "is no regular expression with a group"),
        (root, {"test_share": 1.0}, "between 0 and 1, got 1.0"),
    ):
        with pytest.raises(UsageError, match=text):
            folder.read(place, **options)


def test_other_endings_that_ffmpeg_reads_are_videos_too(tmp_path):
    names = ["dive/a.mpg", "dive/b.m4v", "dive/c.TS", "goal/d.wmv", "goal/e.3gp"]
    rows, _ = folder.read(touch(tmp_path, *names))
    assert [row["video_id"] for row in rows] == names


def test_videos_right_in_the_root_have_no_label(tmp_path):
    rows, _ = folder.read(touch(tmp_path, "b.mp4", "a.avi", "notes.txt"))
    assert [(row["clip_id"], row["label"], row["target"], row["split"]) for row in rows] == [
        ("a.avi", None, None, "test"),
        ("b.mp4", None, None, "test"),
    ]
    assert folder.left_out(tmp_path) == []


def test_beside_class_folders_they_are_taken_on_request_and_draw_no_split(root):
    labelled = folder.read(root)[0]
    touch(root, "cam1.mp4")
    assert folder.read(root)[0] == labelled
    (said,) = folder.left_out(root)
    assert "set the option `unlabelled: true`" in said
    assert folder.left_out(root, unlabelled=True, seed=3) == []
    rows = folder.read(root, unlabelled=True)[0]
    assert rows[:-1] == labelled
    assert (rows[-1]["label"], rows[-1]["target"], rows[-1]["split"]) == (None, None, "test")


def test_the_list_may_leave_a_video_without_a_label_out_and_its_boxes_need_names(root):
    touch(root, "cam1.mp4")
    names = [row["video_id"] for row in folder.read(root)[0]]
    (root / "f.csv").write_text("video,split\n" + "".join(f"{name},train\n" for name in names) + "cam1.mp4,unused\n")
    assert {row["video_id"] for row in folder.read(root, unlabelled=True, videos="f.csv")[0]} == set(names)
    (root / "b.csv").write_text("video,frame,x0,y0,x1,y1,label\ncam1.mp4,0,0,0,2,2,\n")
    with pytest.raises(UsageError, match=r"line 2, column 'label': 'cam1\.mp4' has no class; name what the box shows"):
        folder.read(root, unlabelled=True, boxes="b.csv")


SENTENCES = {
    ("dive/a.mp4", "goal/b.mp4", "train.csv"): [],
    ("dive/a.mp4", "goal/b.gif", "goal/c.mp4", "goal/d.gif", "goal/e.txt"): [
        r"left out: 2 \.gif, 1 \.txt in class folders, such as goal/b\.gif; convert them if they are videos \(.*\.mp4"
    ],
    ("dive/a.mp4", "goal/b.mp4", "x.mp4", "y.avi"): [
        r"left out: 2 videos lie beside the class folders \(x\.mp4, y\.avi\); move each"
    ],
    ("dive/a.mp4", "goal/readme"): [
        r"left out: class folders without a video \(goal\); add videos",
        r"left out: 1 without ending in class folders, such as goal/readme",
    ],
    ("dive/a.mp4", "dive/thumbs/1.png", "goal/b.mp4"): [
        r"folders of pictures beside video files count as videos of their own \(dive/thumbs\); move them out"
    ],
    ("dive/a.mp4", "dive/labels/a.xml", "goal/b.mp4"): [r"left out: 1 folders in class folders, such as dive/labels"],
    ("bus/a.mp4", "train/b.mp4", "plane/c.mp4"): [r"train: taken for a class, not for a split, since videos lie right"],
    ("Dive/a.mp4", "dive/b.mp4"): [r"classes whose names differ in capitals alone \(Dive, dive\); rename one"],
}


@pytest.mark.parametrize("names", SENTENCES, ids=range(len(SENTENCES)))
def test_what_is_left_out_of_a_folder_is_said_with_the_reason(tmp_path, names):
    said = folder.left_out(touch(tmp_path, *names))
    assert len(said) == len(SENTENCES[names])
    for sentence, expected in zip(said, SENTENCES[names], strict=True):
        assert re.match(expected, sentence), sentence


def test_split_folders_have_the_names_that_people_give_them(tmp_path):
    rows, _ = folder.read(touch(tmp_path, "Training/a/1.mp4", "val/a/2.mp4", "valid/b/3.mp4", "Test/a/4.mp4"))
    assert splits(rows) == {
        "Training/a/1.mp4": "train",
        "val/a/2.mp4": "validation",
        "valid/b/3.mp4": "validation",
        "Test/a/4.mp4": "test",
    }


def test_a_class_may_be_called_train_but_a_split_needs_class_folders(tmp_path):
    rows, _ = folder.read(touch(tmp_path / "a", "bus/a.mp4", "bus/b.mp4", "train/c.mp4", "train/d.mp4"))
    assert Counter((row["label"], row["split"]) for row in rows) == {
        (label, split): 1 for label in ("bus", "train") for split in ("train", "test")
    }
    for names in (("train/c.mp4", "test/d.mp4"), ("train/dive/c.mp4", "test/d.mp4")):
        with pytest.raises(UsageError, match=r"it holds videos, but no class folders; put each video in a folder of"):
            folder.read(touch(tmp_path / str(len(names[0])), *names))


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_separators_decimals_and_whole_numbers_are_read_as_spreadsheets_write_them(tmp_path, separator):
    decimal = "5,5" if separator == ";" else "5.5"
    lines = [["video", " frame", "x0", "y0", "x1", "y1"], ["a/1.mp4", "4.0", "1", "2.0", decimal, "7"]]
    text = "\ufeff" + "\r\n".join(separator.join(line) for line in lines)
    (touch(tmp_path, "a/1.mp4", "a/2.mp4") / "boxes.csv").write_text(text, encoding="utf-8")
    _, boxes = folder.read(tmp_path, boxes="boxes.csv")
    assert boxes == [{"video_id": "a/1.mp4", "frame": 4, "label": "a", "x0": 1, "y0": 2, "x1": 5.5, "y1": 7}]


def test_names_in_two_unicode_forms_are_the_same_name(tmp_path):
    composed, decomposed = (normalize(form, "Caf\u00e9/\u00fc_a.mp4") for form in ("NFC", "NFD"))
    touch(tmp_path, f"train/{decomposed}", f"test/{composed}")
    (tmp_path / "boxes.csv").write_text(f"video,frame,x0,y0,x1,y1\ntrain/{composed},1,2,3,4,5\n", encoding="utf-8")
    rows, boxes = folder.read(tmp_path, boxes="boxes.csv")
    assert [row["label"] for row in rows] == ["Caf\u00e9", "Caf\u00e9"]
    assert boxes[0]["video_id"] == rows[1]["video_id"] == f"train/{composed}"
    assert Path(rows[1]["path"]).is_file()
    touch(tmp_path, f"test/{decomposed}")
    with pytest.raises(UsageError, match="in two Unicode forms; rename one"):
        folder.read(tmp_path)


def test_labels_and_values_of_videos_without_a_class_folder_are_kept_and_drawn_for_training_too(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.mp4").touch()
    lines = [f"{number}.mp4,run{'|jump' * (number % 2)}" for number in range(8)]
    (tmp_path / "videos.csv").write_text("\n".join(["video,labels", *lines]))
    rows, _ = folder.read(tmp_path, videos="videos.csv")
    assert {row["label"] for row in rows} == {"run", "jump"}
    assert {row["split"] for row in rows} == {"train", "test"}
    assert sum(row["label"] == "jump" for row in rows) == 4
    (tmp_path / "videos.csv").write_text(
        "\n".join(["video,value", *(f"{number}.mp4,{number}" for number in range(7)), "7.mp4,"])
    )
    rows, _ = folder.read(tmp_path, videos="videos.csv")
    assert {row["video_id"]: row["value"] for row in rows} == {f"{n}.mp4": n for n in range(7)} | {"7.mp4": None}
    assert {row["split"] for row in rows if row["value"] is not None} == {"train", "test"}
    assert [row["split"] for row in rows if row["value"] is None] == ["test"]
