"""One number, one interval: whatever report, chart or question shows an estimand, it says the same of it."""

import random

import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database, sql_files
from stepaudit.report.charts import _queries
from stepaudit.store import database, package_files

NAMES = [f"c{number:02}" for number in range(14)]
MODELS = {
    "conv": {"use": "r2plus1d_18"},
    "lstm": {"use": "vgg16_lstm"},
    "hand": {"use": "planted_white_box", "options": {"looks_at": "background"}},
    "noise": {"of": "conv", "shuffle_labels": True},
}
METHODS = {
    "step": {"ratios": [0.1]},
    "ep3d": {"ratios": [0.1]},
    "grad_cam": {},
    "center": {},
    "edges": {},
    "lines": {"use": "my_floors:attribute"},
}
METRICS = {
    "spatial_pointing": {},
    "spatial_pointing_released": {},
    "temporal_pointing": {},
    "mass_in_box": {},
    "box_share": {},
    "mask_survival": {},
    "deletion_insertion": {},
    "similarity": {},
}
POINTER = """
from stepaudit.methods.edges import attribute

ignores_model = True
"""
# By estimand: where it stands (a report, `chart` and its name, or a question's file), which rows, column, and factor.
STEP = "model = 'conv' and method = 'step'"
SAME = {
    "hits": [
        ("spatial_pointing", STEP, "hit_percent", 1),
        ("smoothness", STEP, "hit_percent", 1),
        ("method_gains", f"{STEP} and metric = 'spatial_pointing'", "value", 100),
        ("chart pointing", f"{STEP} and metric = 'spatial_pointing' and label is null", "percent low high", 1),
    ],
    "released hits": [
        ("spatial_pointing_released", STEP, "released_percent", 1),
        ("method_gains", f"{STEP} and metric = 'spatial_pointing_released'", "value", 100),
    ],
    "temporal hits": [
        ("temporal_pointing", STEP, "hit_percent", 1),
        ("method_gains", f"{STEP} and metric = 'temporal_pointing'", "value", 100),
        ("chart pointing", f"{STEP} and metric = 'temporal_pointing' and label is null", "percent low high", 1),
    ],
    "gain over the best floor": [
        ("spatial_pointing", STEP, "gain_points", 1),
        ("method_gains", f"{STEP} and metric = 'spatial_pointing'", "gain", 100),
        ("chart gains", f"{STEP} and metric = 'spatial_pointing'", "gain low high", 100),
    ],
    "temporal gain": [
        ("temporal_pointing", STEP, "gain_points", 1),
        ("method_gains", f"{STEP} and metric = 'temporal_pointing'", "gain", 100),
    ],
    "STEP less EP-3D": [
        ("smoothness", STEP, "over_ep3d_points", 1),
        ("claim_step_beats_ep3d", "model = 'conv'", "gain_points", 1),
        ("method_comparisons", "method = 'ep3d' and other_method = 'step' and metric = 'spatial_pointing'",
         "difference difference_high difference_low", -100),
    ],
    "mass": [
        ("mass_in_box", STEP, "mass_percent", 1),
        ("method_gains", f"{STEP} and metric = 'mass_in_box'", "value", 100),
    ],
    "accuracy": [
        ("accuracy", "model = 'conv'", "top1_percent", 1),
        ("planted_shortcut", "model = 'conv'", "top1_percent", 1),
    ],
    "accuracy of a control": [
        ("accuracy", "model = 'noise'", "top1_percent", 1),
        ("sanity_labels", "control = 'noise'", "test_percent", 1),
    ],
    "who needs less": [
        ("model_pairs", "model = 'conv' and other_model = 'lstm' and bound = 'probability'", "less_percent", 1),
        ("claim_larger_ratio", "r2plus1d = 'conv' and bound = 'probability'", "larger_percent", 1),
    ],
    "kept of the own": [
        ("preservation_curves", STEP, "kept_percent", 1),
        ("chart preservation_curves", f"{STEP} and label is null", "percent[1] low[1] high[1]", 1),
    ],
    "kept by pieces of 8.84 %": [
        ("need_curves", f"{STEP} and size_need_percent = 8.84", "kept_percent", 1),
        ("chart need_curves", f"{STEP} and size[12] = 8.84", "percent[12] low[12] high[12]", 1),
    ],
    "deletion curve": [
        ("faithfulness_curves", f"{STEP} and share = 0.5 and direction = 'deletion'", "probability_percent", 1),
        ("chart faithfulness_curves", f"{STEP} and label is null and direction = 'deletion'",
         "percent[2] low[2] high[2]", 1),
    ],
    "ends in the only class of `few`": [
        ("claim_head_and_tail", "model = 'conv'", "step_ends_percent", 1),
        ("chart ends", STEP, "ends_percent", 1),
    ],
    "own probability": [
        ("mask_survival", STEP, "own_probability", 1),
        ("chart transfer", f"{STEP} and asked = 'conv' and label is null", "kept low high", 1),
    ],
}  # fmt: skip


def rows():
    """Fourteen clips of two classes, whose values are drawn: no number is the same by chance."""
    draw = random.Random(1)
    scores, maps, searches, predictions = [], [], [], []
    for number, clip in enumerate(NAMES):
        hand = number % 2
        for model in MODELS:
            answers = [draw.random() for _ in range(2)] if model != "hand" else [1.0 - hand, float(hand)]
            rank = 1 if answers[0] > answers[1] else 2
            probabilities = [value / sum(answers) for value in answers]
            predictions.append(
                {"clip_id": clip, "model": model, "rank": rank, "target_probability": probabilities[0]}
                | {"probabilities": probabilities}
            )
        for model, low in (("conv", 0.05), ("lstm", 0.06)):
            start = low * draw.choice([1, 2, 3])
            searches.append(
                {
                    "clip_id": clip,
                    "model": model,
                    "method": "step",
                    "ratio": start,
                    "lower": start - 0.01,
                    "upper": start,
                }
            )
            curve = {"volumes": [start, 2 * start], "shares": [draw.random() / 2, 0.5], "ratio": 2 * start}
            searches.append(
                {"clip_id": clip, "model": model, "method": "step", "bound": "sufficiency", "vacuous": False}
                | {"asked_class": "label", "log2_ratio": -draw.random(), **curve}
            )
        for method, ratio in (("step", 0.1), ("ep3d", 0.1), ("grad_cam", None), ("center", None), ("lines", None)):
            base = {"clip_id": clip, "model": "conv", "method": method, "ratio": ratio}
            own, masked = draw.uniform(0.6, 0.9), draw.uniform(0.3, 0.9)
            maps.append(base | {"frame_volume": [draw.random() for _ in range(16)], "volume": 0.1})
            if ratio:
                maps[-1] |= {"target_probability": own, "kept_probability": masked, "perturbation": "blur:sigma=5"}
            for frame in range(draw.randint(3, 16)):
                for metric in ("spatial_pointing", "spatial_pointing_released"):
                    scores.append(base | {"metric": metric, "frame": frame, "value": float(draw.random() < 0.6)})
            for metric in ("temporal_pointing", "mass_in_box", "box_share"):
                value = draw.random() if metric != "temporal_pointing" else float(draw.random() < 0.5)
                scores.append(base | {"metric": metric, "value": value})
            parts = {"clip": own, "rival_clip": 0.05, "empty.blur": 0.1, "hard.blur": draw.random()}
            parts |= {
                "peer.lstm": draw.random(),
                "peer_clip.lstm": 0.9,
                "peer_rival.lstm": 0.05,
                "peer_empty.lstm": 0.1,
            }
            scores += [base | {"metric": f"mask_survival.{part}", "value": value} for part, value in parts.items()]
            for name in ("deletion", "insertion", "random"):
                points = {f"{name}.blur.voxels.{share}": draw.random() for share in (0.0, 0.5, 1.0)}
                points[f"{name}.blur.voxels.area"] = draw.random()
                scores += [
                    base | {"metric": f"deletion_insertion.{point}", "value": value} for point, value in points.items()
                ]
            for part in ("model.rank", "model.iou"):
                scores.append(base | {"model": "noise", "metric": f"similarity.{part}", "value": draw.random()})
    labelled = {"segments": [], "clips": []}
    for number, clip in enumerate(NAMES):
        for name, some in clips(clip, label="ab"[number % 2]).items():
            labelled[name] += some
    tables = {"scores": scores, "maps": maps, "preservation": searches, "predictions": predictions}
    return {**labelled, **tables}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The audit's database; `lines` is a floor of the user's own module."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "my_floors.py").write_text(POINTER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        changes = {
            "models": MODELS,
            "methods": METHODS,
            "metrics": METRICS,
            "preserve": {"methods": ["step"], "bounds": ["probability", "sufficiency"]},
        }
        audit = write_audit(folder, rows(), **changes)
        build_database.create(audit, config.load(audit / "config.yaml"))
    return audit


def _sql(place):
    if place == "chart ends":  # both classes together, as no report shows them
        return (
            "select dataset, model, method, 100 * ends as ends_percent, 100 * ends_low as ends_percent_low, "
            "100 * ends_high as ends_percent_high from end_means where label is null"
        )
    kind, _, name = place.rpartition(" ")
    if kind:
        return _queries()[name]
    return next(report.sql for report in sql_files.all_reports() if report.name == name)


def _shown(connection, place, where, columns, factor):
    names = columns.split() if " " in columns else [columns, f"{columns}_low", f"{columns}_high"]
    (row,) = connection.execute(f"select distinct {', '.join(names)} from ({_sql(place)}) where {where}").fetchall()
    return tuple(factor * value for value in row)


@pytest.mark.parametrize("estimand", SAME)
def test_every_report_that_shows_an_estimand_shows_the_same_interval(made, estimand):
    with database.connect(made) as connection:
        first, *others = (_shown(connection, *place) for place in SAME[estimand])
    assert first[1] < first[0] < first[2]  # the premise: there is an interval
    for place, other in zip(SAME[estimand][1:], others, strict=True):
        assert other == pytest.approx(first, abs=0.1 + 1e-9), place  # of one decimal, or three


def test_no_sql_file_estimates_by_itself():
    """Intervals and p values come from the tables that stepaudit/report/statistics computes."""
    words = ("1.96", "1.959", "stddev_samp(", "wilson", "sqrt(count", "** 2", "lgamma", "quantile_cont")
    allowed = {
        ("ratio_seeds.sql", "stddev_samp("),
        ("questions/seed_effects.sql", "stddev_samp("),
    }  # spreads, no errors
    reports = package_files.reports()
    offenders = {
        (str(path.relative_to(reports)), word)
        for path in reports.rglob("*.sql")
        for word in words
        if word in "\n".join(line.partition("--")[0] for line in path.read_text().splitlines()).lower()
    }
    assert offenders - allowed == set()


def test_a_floor_of_a_users_own_module_is_one(made):
    floors = {("center",), ("edges",), ("lines",)}
    assert set(database.query(made, "select method from method_roles where is_floor")[1]) == floors
    optimisers = database.query(made, "select name from methods where optimises_masks order by name")[1]
    assert optimisers == [("ep3d",), ("step",)]
    compared = database.query(
        made, "select distinct other_method from comparisons where family = 'floor' order by all"
    )[1]
    assert compared == [("center",), ("lines",)]
    listed = database.query(made, "select floors from method_gains where method = 'step' and floors is not null")[1]
    assert listed
    assert all("lines " in floors and "center " in floors for (floors,) in listed)
