"""The ten worked questions: their answers over rows that were written by hand."""

from pathlib import Path

import pytest
import questioned_audit
from questioned_audit import CLIPS, NAMES
from tiny_audit import interval, write_audit

from stepaudit.audit import config
from stepaudit.errors import UsageError
from stepaudit.report import build_database, sql_files, worked_questions
from stepaudit.store import database

QUESTIONS = list(worked_questions.all_questions())
SHORT = {name: clip for clip, name in NAMES.items()}


@pytest.fixture
def audit(questioned) -> Path:
    return questioned / "results/demo"


@pytest.fixture
def ask(audit):
    def rows(name: str) -> list[dict]:
        found, values = database.query(audit, worked_questions.find(name).sql)
        rows = [dict(zip(found, row, strict=True)) for row in values]
        return [{**row, "clip_id": SHORT.get(row.get("clip_id"))} for row in rows]

    return rows


def of(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_there_are_ten_and_none_is_named_like_a_report():
    assert len(QUESTIONS) == 10
    assert not set(QUESTIONS) & {report.name for report in sql_files.all_reports()}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_says_how_to_read_its_answer_and_how_not(name):
    question = worked_questions.find(name)
    assert question.asks.endswith("?")
    assert question.answer.endswith(".")
    assert question.beware.endswith(".")
    assert "--" not in question.sql


def test_an_audit_without_rows_gives_none(tmp_path):
    folder = write_audit(tmp_path)
    build_database.create(folder, config.load(folder / "config.yaml"))
    for name in QUESTIONS:
        names, rows = database.query(folder, worked_questions.find(name).sql)
        assert names
        assert rows == [], name


def test_right_with_little_leaves_out_what_is_wrong_needs_more_or_is_not_known(ask):
    # c7 is wrong, c2 needs 10 %, c3 is right-censored, and mean_over_time needs 60 % of c0, on which it is wrong
    columns = ("model", "clip_id", "at_most_percent", "more_than_percent", "censored")
    assert of(ask("right_with_little"), *columns) == [
        ("max_over_time", "c1", 2, 0, "left"),
        ("max_over_time", "c0", 4, 3, None),
    ]


def test_questions_on_ratios_are_answered_where_only_crisp_masks_were_searched(tmp_path):
    """The same searches as those of the paper's bound, under the other name; runner-up rows do not count."""
    made = questioned_audit.write(tmp_path, bound="sufficiency")

    def asked(name):
        return database.query(made, worked_questions.find(name).sql)

    names, rows = asked("right_with_little")
    assert [row[names.index("clip_id")] for row in rows] == [NAMES[clip] for clip in ("c1", "c0")]
    names, rows = asked("rows_for_statistics")
    assert {row[names.index("ratio_bound")] for row in rows} == {"sufficiency", None}
    names, rows = asked("models_disagree")
    assert max(row[names.index("ratio_apart")] or 0 for row in rows) == pytest.approx(0.46)  # 0.5 less 0.04


def test_background_classes_compares_what_lies_beside_the_boxes_with_the_room_there(ask):
    ball, club = ask("background_classes")
    # cross-vertical: 1 − mean(0.1, 0.12, 0.08, 0.14)
    assert (ball["label"], ball["leans"], ball["beside_percent"], ball["background_percent"]) == (
        "cross-vertical",
        "yes",
        89,
        50,
    )
    ends = (ball["beside_percent_low"], ball["beside_percent_high"])
    assert ends == pytest.approx([100 * end for end in interval([0.9, 0.88, 0.92, 0.86])], abs=0.06)
    assert (club["label"], club["leans"], club["beside_percent"], club["clips"]) == ("disc-horizontal", "no", 11, 4)


def test_head_and_tail_gives_the_share_of_the_first_and_last_two_of_sixteen_frames(ask):
    rows = {(row["method"], row["label"]): row for row in ask("head_and_tail")}
    assert len(rows) == 4
    early, even = rows["step", "cross-vertical"], rows["step", "disc-horizontal"]
    assert (early["head_percent"], early["tail_percent"], early["even_percent"], early["clips"]) == (80, 20, 12.5, 4)
    assert early["frames_percent"] == [40, 40, *[0] * 12, 10, 10]
    assert (even["head_percent"], even["tail_percent"]) == (12.5, 12.5)
    assert sum(even["frames_percent"]) == pytest.approx(100, abs=1)
    assert rows["center", "cross-vertical"]["head_percent"] == 12.5


def test_models_disagree_puts_the_greatest_difference_of_probability_first(ask):
    first, second, *others = ask("models_disagree")
    columns = ("clip_id", "target_probability", "other_target_probability", "difference", "rank", "other_rank")
    assert of([first], *columns) == [("c0", 0.9, 0.1, 0.8, 1, 2)]
    assert first["ratio_apart"] == 0.46  # from 0.04 to 0.5
    assert of([second], "clip_id", "difference", "ratio_apart") == [("c7", 0.7, None)]
    assert {row["difference"] for row in others} == {0}
    assert len(others) == len(CLIPS) - 2


def test_floors_that_beat_names_only_the_floor_that_is_known_to_be_better(ask):
    (row,) = ask("floors_that_beat")
    assert of([row], "metric", "method", "floor", "value", "floor_value", "difference", "worse_clips", "clips") == [
        ("spatial_pointing", "step", "center", 0, 1, -1, 8, 8)
    ]
    assert row["difference_high"] < 0
    assert row["holm_p"] == pytest.approx(2 * 2 / 2**8, abs=1e-4)  # all eight signs, both sides, two floors


def test_masks_of_one_model_lists_what_another_model_loses(ask):
    columns = ("clip_id", "kept_probability", "peers_kept", "peers", "class")
    assert of(ask("masks_of_one_model"), *columns) == [("c0", 0.9, 0, 1, "focused")]


def test_failures_by_reason_counts_errors_that_differ_in_numbers_as_one(ask):
    (row,) = ask("failures_by_reason")
    assert of([row], "stage", "status", "error", "rows", "clips", "models") == [
        (
            "clips",
            "bad_video",
            "11 of 16 frames decoded",
            6,
            2,
            "max_over_time, mean_over_time",
        )  # 2 clips, and 2 predictions of each model
    ]


def test_slowest_clips_names_what_took_the_time(ask):
    first, *others = ask("slowest_clips")
    columns = ("clip_id", "seconds", "maps", "slowest_method", "of_it_percent", "steps", "masks_searched")
    assert of([first], *columns) == [("c3", 18.5, 3, "step", 97.3, 100, 7)]  # 9 + 9 + 0.5 seconds
    assert {row["seconds"] for row in others} == {2.5}


def test_seed_effects_tells_the_spread_over_seeds_from_that_over_clips(ask):
    rows = {row["metric"]: row for row in ask("seed_effects")}
    assert set(rows) == {"mass_in_box", "box_share", "spatial_pointing"}
    mass = rows["mass_in_box"]
    assert mass["seed_deviation"] == pytest.approx(0.02 / 2**0.5, abs=1e-4)
    assert mass["largest_range"] == pytest.approx(0.02)
    assert mass["clip_deviation"] == pytest.approx(0.4176, abs=1e-4)  # of 0.1 0.12 0.08 0.14 0.9 0.88 0.92 0.86
    assert (mass["seeds"], mass["clips"], mass["same_clips"]) == (2, 8, 0)
    assert (rows["box_share"]["same_clips"], rows["box_share"]["seed_deviation"]) == (8, 0)


def test_rows_for_statistics_has_one_row_per_clip_model_method_and_ratio(ask):
    rows = {(row["clip_id"], row["method"]): row for row in ask("rows_for_statistics")}
    assert len(rows) == len(ask("rows_for_statistics")) == 2 * len(CLIPS)
    row = rows["c0", "step"]
    assert of([row], "label", "is_right", "seeds", "ratio_lower", "ratio_upper", "ratio_censored") == [
        ("cross-vertical", True, 2, 0.03, 0.04, None)
    ]
    assert row["mass_in_box_score"] == pytest.approx(0.1)
    assert (row["spatial_pointing_score"], row["kept_probability"]) == (0, 0.9)
    assert rows["c7", "step"]["is_right"] is False
    assert (rows["c0", "center"]["mass_in_box_score"], rows["c0", "center"]["spatial_pointing_score"]) == (None, 1)


def test_a_file_without_the_three_comments_is_no_question(tmp_path):
    path = tmp_path / "q.sql"
    for text in ("select 1", "-- Question: x?\nselect 1", "-- Answer: a.\n-- Question: x?\n-- Beware: b.\nselect 1"):
        path.write_text(text)
        with pytest.raises(UsageError, match="must begin with comments"):
            worked_questions.read(path)
    path.write_text("-- Question: x?\n-- Answer: a\n--   b.\n-- Beware: c.\nselect 1\n")
    assert worked_questions.read(path) == worked_questions.Question("q", "x?", "a b.", "c.", "select 1")


def test_an_unknown_question_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'seed_effects'"):
        worked_questions.find("seed_effect")
