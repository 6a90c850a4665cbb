"""Equal values are ordered by name; the order of rows and rounding decide nothing."""

import random

from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.store import database


def test_of_equally_frequent_texts_the_same_is_chosen_each_time(tmp_path):
    """And of equally frequent wrong answers, which decide if a model's classes may be in another order."""
    names = [f"c{index:02}" for index in range(24)]
    answers = [(0, 1)] * 4 + [(0, 2)] * 4 + [(1, 2)] * 8 + [(2, 0)] * 8  # label, answer
    rows, failed = clips(*names), []
    for number, (name, (target, _)) in enumerate(zip(names, answers, strict=True)):
        for row in (rows["segments"][number], rows["clips"][number]):
            row |= {"label": "abc"[target], "target": target}
        failed.append({"clip_id": name, "ratio": 0.1, "metric": "deletion_insertion", "status": "timed_out"})
        failed[-1] |= {"error": "xy"[number % 2]}
    predictions = [
        {
            "clip_id": name,
            "label": "abc"[target],
            "target": target,
            "probabilities": [float(k == answer) for k in range(3)],
        }
        for name, (target, answer) in zip(names, answers, strict=True)
    ]
    doubts, reasons = set(), set()
    for turn, order in enumerate((1, -1, 1, -1, 1)):
        tables = {**rows, "predictions": predictions[::order], "scores": failed[::order]}
        folder = write_audit(tmp_path / str(turn), tables, metrics={"deletion_insertion": {}})
        build_database.create(folder, config.load(folder / "config.yaml"), ["model_doubts", "faithfulness"])
        with database.connect(folder) as connection:
            doubts.add(connection.execute("select one_to_one, swapped from model_doubts").fetchall()[0])
            reasons |= {connection.execute("select reason from faithfulness").fetchall()[0][0] for _ in range(5)}
    assert doubts == {(True, "b for a")}
    assert reasons == {"timed_out: y"}


def test_of_floors_that_are_equal_but_for_rounding_the_last_by_name_is_the_best(tmp_path):
    names, scores, metrics = [f"c{index:02}" for index in range(12)], [], {}
    for number in range(8):
        draw = random.Random(number)
        values = [round(draw.random(), 2) for _ in names]
        methods = {"step": [round(draw.random(), 2) for _ in names], "aaa": values, "zzz": draw.sample(values, 12)}
        metrics[f"m{number}"] = {"use": "mass_in_box"}
        scores += [
            {"clip_id": name, "metric": f"m{number}", "method": method, "value": value}
            | {"ratio": 0.1 if method == "step" else None}
            for method, some in methods.items()
            for name, value in zip(names, some, strict=True)
        ]
    floors = {"step": {"ratios": [0.1]}, "aaa": {"use": "center"}, "zzz": {"use": "random_pixel"}}
    folder = write_audit(tmp_path, {**clips(*names), "scores": scores}, methods=floors, metrics=metrics)
    build_database.create(folder, config.load(folder / "config.yaml"), ["best_floors"])
    with database.connect(folder) as connection:
        found = connection.execute("select best_floor, count(*) from best_floors group by all").fetchall()
    assert found == [("zzz", 8)]
