"""The paper's numbers beside ours. The tables below are written out as the paper prints them, a second time."""

import ast

import pytest
from tiny_audit import answer, clips, write_audit

from stepaudit.audit import config, registry
from stepaudit.report import build_database
from stepaudit.store import database

DATASETS = {name: {"root": "data", "use": use} for name, use in (("real", "ucf101_24"), ("generated", "planted"))}
MODELS = {"conv": {"use": "r2plus1d_18"}, "lstm": {"use": "vgg16_lstm"}}
METHODS = {
    "step": {"ratios": [0.1]},
    "plain": {"use": "ep3d", "ratios": [0.1]},
    "smooth": {"use": "ep3d_gaussian", "ratios": [0.1]},
    "smooth3": {"use": "ep3d_gaussian", "ratios": [0.1], "options": {"reach": 3}},
    "cam": {"use": "grad_cam"},
    "middle": {"use": "center"},
}
CONV, LSTM = "r2plus1d_18", "vgg16_lstm"
ACCURACY = {  # R(2+1)D top 1, top 5; V16L top 1, top 5
    "ucf101_24": ((100, 100), (97, 100)),
    "epic_object": ((57, 85), (55, 84)),
    "epic_action": ((77, 97), (81, 100)),
}
RATIOS = {"epic_object": (0.064, 0.157), "ucf101_24": (0.170, 0.280)}
SPATIAL = {  # EPIC-Object: R(2+1)D, V16L; UCF101-24: R(2+1)D, V16L
    ("grad_cam", None): (7.1, 6.1, 47.5, 35.5),
    ("saliency_tubes", None): (6.6, None, 41.4, None),
    ("excitation_backprop", None): (None, 6.9, None, 46.5),
    ("ep3d", None): (8.1, 6.1, 47.6, 47.2),
    ("step", None): (9.0, 9.1, 56.7, 52.7),
    ("ep3d_evenly", None): (7.9, 8.7, 47.4, 53.2),
    ("ep3d_gaussian", 1): (8.4, 7.4, 48.5, 51.1),
    ("ep3d_gaussian", 2): (8.1, 8.1, 47.9, 52.6),
    ("ep3d_gaussian", 3): (7.7, 7.1, 50.3, 54.3),
}
TEMPORAL = {  # R(2+1)D, V16L
    ("excitation_backprop", None): (None, 57.0),
    ("ep3d", None): (34.0, 31.0),
    ("ep3d_gaussian", 1): (46.0, 39.0),
    ("ep3d_gaussian", 2): (46.0, 47.0),
    ("ep3d_gaussian", 3): (41.0, 45.0),
    ("step", None): (47.0, 49.0),
}


def printed():
    """Every number of the tables by quantity, data set, model, method and reach."""
    found = {}
    for dataset, rows in ACCURACY.items():
        for model, (top1, top5) in zip((CONV, LSTM), rows, strict=True):
            found["top1_percent", dataset, model, None, None] = top1
            found["top5_percent", dataset, model, None, None] = top5
    for dataset, row in RATIOS.items():
        found |= {("min_ratio", dataset, model, "ep3d", None): row[i] for i, model in enumerate((CONV, LSTM))}
    places = [(dataset, model) for dataset in ("epic_object", "ucf101_24") for model in (CONV, LSTM)]
    for (method, reach), row in SPATIAL.items():
        found |= {("spatial_percent", *place, method, reach): row[i] for i, place in enumerate(places)}
    for (method, reach), row in TEMPORAL.items():
        found |= {("temporal_percent", "epic_action", m, method, reach): row[i] for i, m in enumerate((CONV, LSTM))}
    return found


def audit(folder, rows):
    return write_audit(folder, rows, datasets=DATASETS, models=MODELS, methods=METHODS)


def test_every_number_of_the_five_tables_is_there_once(tmp_path):
    folder = audit(tmp_path, {})
    build_database.create(folder, config.load(folder / "config.yaml"), ["paper_numbers"])
    names = "quantity, dataset_use, model_use, method_use, reach"
    rows = database.query(folder, f"select {names}, printed::double from paper_numbers")[1]
    assert {tuple(row[:5]): row[5] for row in rows} == printed()
    assert len(rows) == len(printed())


def test_a_smoothing_without_a_reach_is_the_paper_s_with_the_method_s_own_default(tmp_path):
    default = ast.literal_eval(registry.components("methods")["ep3d_gaussian"].options["reach"][1])
    assert default == 1
    folder = audit(tmp_path, {})
    build_database.create(folder, config.load(folder / "config.yaml"), ["paper_values"])
    sql = "select method, printed from paper_values where quantity = 'spatial_percent' and model = 'lstm' order by all"
    assert dict(database.query(folder, sql)[1]) == {
        "step": 52.7, "plain": 47.2, "smooth": 51.1, "smooth3": 54.3, "cam": 35.5,
    }  # fmt: skip


def test_accuracy_stands_beside_the_paper_s_where_data_set_and_model_are_the_same(tmp_path):
    rows = [{"clip_id": "a", "dataset": dataset, "model": model, "rank": 1} for dataset in DATASETS for model in MODELS]
    found = {(row["dataset"], row["model"]): row for row in answer(audit(tmp_path, {"predictions": rows}), "accuracy")}
    shown = {key: (row["paper_top1_percent"], row["paper_top5_percent"]) for key, row in found.items()}
    assert shown == {
        ("real", "conv"): (100, 100),
        ("real", "lstm"): (97, 100),
        ("generated", "conv"): (None, None),
        ("generated", "lstm"): (None, None),
    }


def test_the_minimum_ratio_stands_beside_the_paper_s_for_ep3d_and_its_bound_alone(tmp_path):
    base = {"clip_id": "a", "dataset": "real", "model": "lstm", "ratio": 0.1, "lower": 0.05, "upper": 0.1}
    rows = [base | {"method": method} for method in ("plain", "step")]
    rows += [base | {"method": "plain", "bound": "top1"}, base | {"method": "plain", "dataset": "generated"}]
    preserve = {"methods": ["plain", "step"], "bounds": ["probability", "top1"]}
    folder = write_audit(
        tmp_path, {"preservation": rows}, datasets=DATASETS, models=MODELS, methods=METHODS, preserve=preserve
    )
    shown = {(row["dataset"], row["method"], row["bound"]): row["paper_ratio"] for row in answer(folder, "min_ratio")}
    assert shown == {
        ("generated", "plain", "probability"): None,
        ("real", "plain", "probability"): 0.28,
        ("real", "plain", "top1"): None,
        ("real", "step", "probability"): None,
    }


@pytest.mark.parametrize(
    ("report", "metric", "frame", "expected"),
    [
        ("spatial_pointing", "spatial_pointing", 0, {"step": 56.7, "plain": 47.6, "smooth3": 50.3, "middle": None}),
        ("temporal_pointing", "temporal_pointing", None, dict.fromkeys(("step", "plain", "smooth3", "middle"))),
    ],
)
def test_pointing_stands_beside_the_paper_s(tmp_path, report, metric, frame, expected):
    base = {"clip_id": "a", "dataset": "real", "model": "conv", "metric": metric, "frame": frame, "value": 1.0}
    rows = [base | {"method": method} for method in expected]
    tables = clips("a", dataset="real") | {"scores": rows}
    shown = {row["method"]: row["paper_percent"] for row in answer(audit(tmp_path, tables), report)}
    assert shown == expected


def test_where_the_paper_prints_a_slash_our_row_has_its_reason(tmp_path):
    """A method that suits no clip of a model is a row without a number, never left out."""
    methods = {"step": {"ratios": [0.1]}, "cam": {"use": "grad_cam"}}
    reason = {"status": "not_applicable", "error": "the method's own map has 2 temporal steps for 16 frames"}
    base = {"dataset": "real", "model": "conv", "metric": "temporal_pointing", "method": "cam"}
    whole = {"status": "no_annotation", "error": "the action covers 16 of 16 frames"}
    fates = {"a": whole, "b": reason, "c": whole, "d": whole}
    tables = clips(*fates, dataset="real") | {"scores": [base | {"clip_id": c} | fate for c, fate in fates.items()]}
    folder = write_audit(tmp_path, tables, datasets=DATASETS, models=MODELS, methods=methods)
    (row,) = answer(folder, "temporal_pointing")
    assert (row["method"], row["clips_asked"], row["hit_percent"], row["paper_percent"]) == ("cam", 4, None, None)
    assert row["reason"] == "not_applicable: the method's own map has 2 temporal steps for 16 frames"
