"""EPIC-Action: test clips joined with background, on small files where all is known and on the real ones."""

from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import epic_files
import pytest
from epic_files import action, read_csv, touch_videos, write_epic

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry, middle_frames
from stepaudit.datasets import _epic_draw, epic_action
from stepaudit.datasets._epic import Action
from stepaudit.errors import UsageError
from stepaudit.stages.index import find_problems

STRETCH = ("start", "stop", "action_start", "action_stop")
CLIPS = {"media": "clips", "files": "clips16/*-{video}_{uid}", "test": "plain"}


def held_out(segments: list[dict]) -> list[dict]:
    return [row for row in segments if row["split"] == "test"]


def side(row: dict) -> str:
    """Where the background lies."""
    assert (row["start"] == row["action_start"]) != (row["stop"] == row["action_stop"])
    return "after" if row["start"] == row["action_start"] else "before"


def in_action(row: dict, count: int = 16) -> int:
    frames = middle_frames(row["start"], row["stop"], count)
    return sum(row["action_start"] <= frame < row["action_stop"] for frame in frames)


def write(folder: Path, *actions: dict, seconds: float = 600.5) -> Path:
    names = sorted({line["video_id"] for line in actions})
    videos = dict.fromkeys(names, ("1920x1080", seconds, 60))
    return touch_videos(write_epic(folder, list(actions), videos=videos), *names)


@pytest.fixture
def root(tmp_path) -> Path:
    """Ten actions of each of two verbs, 100 frames long and 200 frames apart."""
    verbs = ["0", "1"] * 10
    return write(tmp_path, *(action(n, "P01_01", 300 * n + 201, 300 * n + 300, verb=v) for n, v in enumerate(verbs)))


def read(root, **options):
    return epic_action.read(root, **{"classes": 2, "per_class": 4, **options})


def test_rows_are_sound_and_have_no_boxes(root):
    segments, boxes = read(root)
    assert boxes == []
    assert find_problems(segments, boxes, trains=True) == []
    assert Counter((row["split"], row["label"]) for row in segments) == {
        (split, label): count for split, count in (("test", 4), ("train", 6)) for label in ("take", "put")
    }


@pytest.mark.parametrize("seed", range(10))
def test_a_test_clip_joins_a_part_of_the_action_with_the_frames_beside_it(root, seed):
    for row in held_out(read(root, seed=seed)[0]):
        number = int(row["clip_id"].split("_")[-1])
        first, last = 300 * number + 200, 300 * number + 300
        assert row["stop"] - row["start"] == 100
        if side(row) == "after":
            assert row["action_stop"] == last
        else:
            assert row["action_start"] == first
        assert first <= row["action_start"] < row["action_stop"] <= last
        assert 25 <= row["action_stop"] - row["action_start"] <= 75


def test_the_part_is_random_and_the_same_for_a_seed(root):
    assert read(root, seed=1) == read(root, seed=1)
    parts = [
        row["action_stop"] - row["action_start"] for seed in range(20) for row in held_out(read(root, seed=seed)[0])
    ]
    assert len(set(parts)) > 30
    assert 45 < sum(parts) / len(parts) < 55  # uniform from 25 to 75
    assert {min(parts) < 30, max(parts) > 70} == {True}


@pytest.mark.parametrize("per_class", [1, 2, 3, 5])
def test_the_background_is_on_each_side_in_half_of_the_clips(root, per_class):
    for seed in range(5):
        sides = Counter(side(row) for row in held_out(read(root, per_class=per_class, seed=seed)[0]))
        assert sides == {"before": per_class, "after": per_class}


def test_training_clips_are_whole_actions_and_none_is_held_out(root):
    segments, _ = read(root)
    for row in segments:
        if row["split"] == "train":
            assert row["stop"] - row["start"] == 100
            assert (row["start"], row["stop"]) == (row["action_start"], row["action_stop"])
    assert len({row["clip_id"] for row in segments}) == len(segments) == 20


def test_plain_clips_are_the_same_actions_whole_and_leave_the_training_as_it_is(root):
    joined, plain = read(root)[0], read(root, test="plain")[0]
    whole = {row["clip_id"]: row for row in plain}
    assert [row["clip_id"] for row in joined] == [row["clip_id"] for row in plain]
    assert [row for row in joined if row["split"] == "train"] == [row for row in plain if row["split"] == "train"]
    for row in held_out(joined):
        other = whole[row["clip_id"]]
        assert (other["start"], other["stop"]) == (other["action_start"], other["action_stop"])
        assert other["start"] <= row["action_start"] < row["action_stop"] <= other["stop"]


BUSY = [(100, 200), (150, 260), (300, 400), (500, 600)]


@pytest.mark.parametrize(
    ("stretch", "before", "after"),
    [
        ((100, 200), 100, 0),  # another action begins within it
        ((150, 260), 0, 40),
        ((300, 400), 40, 100),
        ((500, 600), 100, 400),
        ((120, 130), 0, 0),  # within another
        ((260, 300), 0, 0),  # right between two
        ((400, 990), 0, 10),  # 600 to 990 is its own
        ((900, 1010), 300, 0),  # the video ends at 1000
    ],
)
def test_background_is_what_no_annotated_action_covers(stretch, before, after):
    """Counted frame by frame."""
    mine = Action("0", "P01_01", "take", False, *stretch)
    others = [Action(str(n), "P01_01", "put", False, *other) for n, other in enumerate(BUSY, 1) if other != stretch]
    found = _epic_draw.background(mine, [mine, *others], 1000)
    assert found == {"before": before, "after": after}
    covered = {frame for other in others for frame in range(other.start, other.stop)}
    assert not covered & {*range(mine.start - before, mine.start), *range(mine.stop, mine.stop + after)}
    assert mine.start - before - 1 in covered | {-1} or not before
    assert mine.stop + after in covered | {1000} or not after


@pytest.mark.parametrize("room", [25, 40, 60, 1000])
def test_the_background_takes_no_more_than_there_is(room):
    mine = Action("0", "P01_01", "take", False, 200, 300)
    for seed in range(50):
        for where in ("before", "after"):
            start, stop = _epic_draw.join(mine, where, room, Random(seed))
            assert stop - start == 100
            outside = sum(not 200 <= frame < 300 for frame in range(start, stop))
            assert 25 <= outside <= min(room, 75)


def test_actions_without_background_beside_them_are_not_drawn(tmp_path):
    """One after the other without a gap; only the last has room behind it, and only the first before it."""
    root = write(tmp_path, *(action(n, "P01_01", 1001 + 100 * n, 1100 + 100 * n) for n in range(6)))
    rows = held_out(read(root, classes=1, per_class=2)[0])
    assert {(row["clip_id"], side(row)) for row in rows} == {("P01_01_0", "before"), ("P01_01_5", "after")}
    with pytest.raises(UsageError, match="class 'take' has 2 of 4 clips with background beside them, half before"):
        read(root, classes=1)


def test_other_verbs_cover_frames_too_also_those_of_other_words_and_classes(tmp_path):
    gap = [action(1, "P01_01", 201, 1000, verb="2"), action(2, "P01_01", 1101, 1300, verb="1", verb_word="lay")]
    root = write(tmp_path, action(0, "P01_01", 1001, 1100), *gap, action(3, "P02_01", 1001, 1100))
    rows = held_out(read(root, classes=1, per_class=1)[0])
    assert [row["clip_id"] for row in rows] == ["P02_01_3"]


def test_the_last_half_second_of_a_video_is_no_background(tmp_path):
    """Ten seconds, 600 frames, an action up to frame 545: 25 frames would be needed, and 24 are free."""
    with pytest.raises(UsageError, match="0 of 1 clips with background"):
        read(write(tmp_path / "a", action(0, "P01_01", 447, 546), seconds=10.0), classes=1, per_class=1)
    root = write(tmp_path / "b", action(0, "P01_01", 446, 545), seconds=10.0)
    (row,) = read(root, classes=1, per_class=1)[0]
    assert (row["start"], row["stop"], row["action_start"], row["action_stop"]) == (470, 570, 470, 545)


def test_another_rate_moves_all_four_ends(tmp_path):
    root = write(tmp_path, action(0, "P01_01", 2001, 2100))
    (row,), (half,) = (read(root, classes=1, per_class=1, fps=fps)[0] for fps in (None, 30))
    assert all(2 * half[name] - row[name] in (0, 1) for name in STRETCH)


def test_pictures_of_the_action_alone_cannot_be_joined(tmp_path):
    root = write(tmp_path, action(0, "P01_01", 2001, 2100))
    (root / "clips16/door-take-P01_01_0").mkdir(parents=True)
    (row,) = read(root, classes=1, per_class=1, **CLIPS)[0]
    assert (row["video_id"], row["start"], row["stop"]) == ("P01_01_0", None, None)
    with pytest.raises(UsageError, match="shows the action alone; set `media` to videos or frames, or `test` to plain"):
        read(root, classes=1, per_class=1, **{**CLIPS, "test": "joined"})


# The real files


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    return epic_files.official(tmp_path_factory.mktemp("epic"))


@pytest.fixture(scope="module")
def everything(official) -> list[dict]:
    return epic_action.read(official)[0]


@pytest.fixture(scope="module")
def lines(official) -> list[dict]:
    return read_csv(official / "EPIC_train_action_labels.csv")


def test_the_official_files_hold_25949_clips_of_20_verbs_15458_of_them_in_the_class_words(official, everything):
    """The paper trained on 9242. Its lists hold only clips that are narrated by the class's own word, last at most
    about four seconds and have an object box: see the next test. That leaves less than 11997 of these."""
    with_synonyms, _ = epic_action.read(official, synonyms=True)
    assert len(with_synonyms) == 25949
    assert len(everything) == 15458
    for segments in (with_synonyms, everything):
        assert find_problems(segments, [], trains=True) == []
        assert Counter(Counter(row["label"] for row in held_out(segments)).values()) == {5: 20}


def test_the_papers_own_list_has_only_the_class_words_and_short_clips(everything, lines):
    own = read_csv(epic_files.real() / "segments" / "Valid_seg_top20_verb_500_val_new.csv")
    spoken = {line["uid"]: line for line in lines}
    names = {row["verb"] for row in read_csv(epic_files.real() / "segments" / "Valid_seg_top20_verb_labels_new.csv")}
    assert len(own) == 491
    assert all(spoken[row["seg_id"]]["verb"] == row["verb"] for row in own)
    assert all(row["bounding_boxes"] != "{}" for row in own)
    length = [int(row["stop_frame"]) - int(row["start_frame"]) for row in own]
    assert (min(length), max(length)) == (31, 248)
    short = [line for line in lines if line["verb"] in names and frames_of(line) <= 250]
    assert 9242 + len(own) < len(short) == 11997
    assert len(names & {row["label"] for row in everything}) == 18  # insert and scoop have fewer clips of that word


def frames_of(line: dict) -> int:
    return int(line["stop_frame"]) - int(line["start_frame"])


@pytest.mark.parametrize("seed", [0, 1])
def test_half_of_the_hundred_clips_have_the_background_on_each_side(official, seed):
    rows = held_out(epic_action.read(official, seed=seed)[0])
    assert Counter(map(side, rows)) == {"before": 50, "after": 50}
    assert all(1 <= in_action(row) <= 15 for row in rows)
    share = sum(in_action(row) for row in rows) / (16 * len(rows))
    assert 0.45 < share < 0.6  # the chance level; on the paper's own clips it is about 0.51


def test_no_frame_of_the_background_lies_in_any_annotated_action(everything, lines, official):
    rates = {row["video"]: float(row["fps"]) for row in read_csv(official / "EPIC_video_info.csv")}
    covered = defaultdict(list)
    for line in lines:
        rate = rates[line["video_id"]] / 60
        covered[line["video_id"]].append(((int(line["start_frame"]) - 1) * rate, int(line["stop_frame"]) * rate))
    for row in held_out(everything):
        after = side(row) == "after"
        first, last = (row["action_stop"], row["stop"]) if after else (row["start"], row["action_start"])
        assert last - first >= 7
        for start, stop in covered[row["video_id"]]:
            assert stop <= first + 1 or start >= last - 1  # frames are rounded to the video's own


def test_of_the_five_real_segments_four_are_of_the_twenty_verbs(official):
    """To stir is to mix in another word."""
    options = {**CLIPS, "per_class": 1, "partial": True}
    segments, _ = epic_action.read(official, **options)
    words = {"P12_06_18977": "take", "P26_21_32526": "take", "P30_06_37608": "put", "P30_06_37623": "open"}
    assert {row["clip_id"]: row["label"] for row in segments} == words
    assert Counter(row["split"] for row in segments) == {"test": 3, "train": 1}
    more, _ = epic_action.read(official, synonyms=True, **options)
    assert {row["clip_id"]: row["label"] for row in more} == {**words, "P03_05_6751": "mix"}
    for row in more:
        with decoding.decoded(Path(row["path"]), Geometry(256, 344, 64, 86)) as frames:
            assert len(frames) == 16
