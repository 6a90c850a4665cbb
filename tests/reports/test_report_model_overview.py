"""The table of models beside the findings: accuracy beside the commonest class, and answers to blurred clips."""

import pytest
from scipy import stats
from tiny_audit import answer, clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.store import database

LABELS = ["a"] * 5 + ["b"] * 3 + ["c"] * 2
MODELS = {"conv": {"use": "r2plus1d_18"}, "random": {"of": "conv", "randomise": 1.0}}


def predictions(answers, blurred, model="conv"):
    return [
        {"clip_id": f"c{i}", "model": model, "label": label, "rank": 1 + (first != label), "predicted": first,
         "predicted_when_blurred": other}
        for i, (label, first, other) in enumerate(zip(LABELS, answers, blurred, strict=True))
    ]  # fmt: skip


def overview(folder, rows):
    names = [f"c{i}" for i in range(len(LABELS))]
    tables = {**clips(*names), "predictions": rows}
    return answer(write_audit(folder, tables, models=MODELS), "model_overview")


def wilson(share, count):
    ends = stats.binomtest(round(share * count), count).proportion_ci(method="wilson")
    return [pytest.approx(100 * end, abs=0.06) for end in (ends.low, ends.high)]


def test_accuracy_stands_beside_the_commonest_class_and_blurred_answers_beside_chance(tmp_path):
    """By hand: 7 of 10 right, 5 of one class; 6 of 10 the same, 0.6 · 0.5 + 0.4 · 0.5 by chance."""
    (row,) = overview(tmp_path, predictions("aaaaabbaab", "aaabbbabba"))
    assert row["clips"] == 10
    assert (row["top1_percent"], row["commonest_class_percent"]) == (70, 50)
    same = sum(one == other for one, other in zip("aaaaabbaab", "aaabbbabba", strict=True)) / 10
    firsts, others = ("aaaaabbaab".count("a") / 10, "aaabbbabba".count("a") / 10)
    assert row["same_when_blurred_percent"] == pytest.approx(100 * same)
    assert row["by_chance_percent"] == pytest.approx(100 * (firsts * others + (1 - firsts) * (1 - others)))
    assert [row["top1_percent_low"], row["top1_percent_high"]] == wilson(0.7, 10)
    assert [row["same_when_blurred_percent_low"], row["same_when_blurred_percent_high"]] == wilson(same, 10)


def test_answers_that_never_agree_have_no_chance_to_do_so(tmp_path):
    (row,) = overview(tmp_path, predictions("a" * 10, "b" * 10))
    assert (row["same_when_blurred_percent"], row["by_chance_percent"]) == (0, 0)


def test_clips_without_an_answer_are_counted_and_no_part_of_the_accuracy(tmp_path):
    rows = predictions("aaaaabbaab", "aaabbbabba")
    for row in rows[8:]:
        row |= {"status": "upstream", "rank": None, "predicted": None, "predicted_when_blurred": None}
    (row,) = overview(tmp_path, rows)
    assert (row["clips"], row["failed_clips"], row["top1_percent"]) == (8, 2, 87.5)


def test_controls_are_left_out(tmp_path):
    rows = [*predictions("a" * 10, "a" * 10), *predictions("a" * 10, "a" * 10, model="random")]
    assert [row["model"] for row in overview(tmp_path, rows)] == ["conv"]


def test_an_audit_of_before_these_columns_has_its_accuracy_and_nothing_on_blurred_clips(tmp_path):
    """Its files lack the columns, and are read as they are."""
    rows = [
        {key: value for key, value in row.items() if "predicted" not in key}
        for row in predictions("abc" * 3 + "a", "a" * 10)
    ]
    folder = write_audit(tmp_path, {**clips(*(f"c{i}" for i in range(10))), "predictions": rows}, models=MODELS)
    _drop(folder / "predictions", ["predicted", "predicted_when_blurred"])
    build_database.create(folder, config.load(folder / "config.yaml"), ["model_overview"])
    with database.connect(folder) as connection:
        (row,) = database.records(connection, "from model_overview")
    assert row["top1_percent"] == 40
    assert (row["same_when_blurred_percent"], row["by_chance_percent"]) == (None, None)


def _drop(folder, columns):
    """Rewrite the files of a table without columns, with the metadata that they had."""
    import pyarrow.parquet as pq

    for path in folder.rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(path).read().drop_columns(columns), path)
