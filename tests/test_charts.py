"""Charts: rows with known numbers in, known marks out, nothing of a name that a reader's browser would run."""

import json
import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
import vl_convert
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database, charts
from stepaudit.report.charts import drawing, looks
from stepaudit.report.charts.needs import need_clips
from stepaudit.report.charts.profiles import volume_profiles
from stepaudit.store import database, package_files

MODELS = {"r3d": {"use": "r2plus1d_18"}, "other": {"use": "r3d_18"}}
METHODS = {
    "step": {"ratios": [0.1, 0.3]},
    "grad_cam": {},
    "middle": {"use": "center"},
    "noise": {"use": "random_pixel"},
}
METRICS = dict.fromkeys(("spatial_pointing", "temporal_pointing", "mask_survival", "deletion_insertion"))
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028&'\""
LABELS = {"a": "one", "b": "one", "c": "two", "d": "two"}
# Names in the queries of all charts, and what these tests read beside them.
READ = {
    word for path in (package_files.reports() / "charts").glob("*.sql") for word in re.findall(r"\w+", path.read_text())
}
READ |= {"method_roles", "pointing_rates", "kaplan_meier"}


def drawn(folder, tables, **changes):
    """The charts of an audit with these tables and test clips a to d, of the labels one and two, by name."""
    segments = [{"clip_id": clip, "label": label} for clip, label in LABELS.items()]
    settings = {"models": MODELS, "methods": METHODS, "metrics": METRICS, "preserve": {"methods": ["step"]}, **changes}
    made = write_audit(folder, {**clips(*LABELS), "segments": segments, **tables}, **settings)
    loaded = config.load(made / "config.yaml")
    build_database.create(made, loaded, READ)
    with database.connect(made) as connection:
        return {chart.name: chart for chart in charts.all_charts(connection, loaded)}


def rows_of(chart, **wanted):
    """The chart's rows with these values; of all classes if no label is wanted."""
    wanted = {"label": None, **wanted} if "label" in chart.spec["usermeta"]["filters"] else wanted
    return [row for row in chart.spec["data"]["values"] if all(row.get(key) == each for key, each in wanted.items())]


def marks(spec, kind, **chosen):
    """Items of the drawing's scenegraph, of marks of a kind (`symbol`, `rule`, …), with a filter of the page."""
    params = [
        {**each, "value": chosen.get(each["name"], each.get("value"))}
        for each in spec["params"]
        if "select" not in each
    ]
    kept = [each for each in spec["params"] if "select" in each]
    found = vl_convert.vegalite_to_scenegraph({**spec, "params": [*kept, *params]})["scenegraph"]
    return [
        item
        for mark in _all_marks(found)
        if mark["marktype"] == kind and mark.get("role") == "mark"
        for item in mark["items"]
    ]


def _all_marks(node):
    for item in node.get("items", []):
        yield from ([item] if "marktype" in item else [])
        yield from _all_marks(item)


def text(svg):
    return "".join(ElementTree.fromstring(svg).itertext())


SEARCHES = [
    {"clip_id": "a", "ratio": 0.1, "lower": 0.05, "upper": 0.1},
    {"clip_id": "b", "ratio": 0.1, "lower": 0.05, "upper": 0.1, "censored": "left"},
    {"clip_id": "c", "lower": 0.2, "censored": "right"},
    {"clip_id": "d", "ratio": 0.3, "lower": 0.2, "upper": 0.3},
]
GRID = {"methods": ["step"], "grid": [0.05, 0.4], "bounds": ["probability"]}


def test_curves_of_the_minimum_ratio_step_where_clips_need_no_more_and_tick_where_they_are_censored(tmp_path):
    chart = drawn(tmp_path, {"preservation": SEARCHES}, preserve=GRID)["minimum-ratio"]
    (row,) = rows_of(chart)
    assert row["ratio"] == [0, 0.1, 0.2, 0.3, 0.4]
    assert row["percent"] == [0, 50, 50, 100, 100]  # d is alone when c has left
    assert row["at_risk"] == [4, 4, 2, 1, 0]
    assert (row["right_censored"], row["left_censored"]) == ([0, 0, 1, 0, 0], [0, 1, 0, 0, 0])
    assert [each["shape"] for each in marks(chart.spec, "symbol") if each.get("opacity")] == ["triangle-left"]
    assert len(marks(chart.spec, "rect")) == 1
    assert [rows_of(chart, label=label)[0]["percent"] for label in ("one", "two")] == [[0, 100, 100], [0, 0, 100, 100]]
    assert len(marks(chart.spec, "rect", chosen_label="one")) == 0
    assert len(marks(chart.spec, "rect", chosen_label="two")) == 1


def test_curves_of_thousands_of_steps_are_drawn_with_as_many_as_can_be_seen(tmp_path):
    names = [f"{number:04d}" for number in range(3000)]
    made = clips(*names)
    found = [
        {"clip_id": name, "ratio": 0.05 + number / 10_000, "lower": 0.0, "upper": 0.05 + number / 10_000}
        if number % 7
        else {"clip_id": name, "lower": 0.05 + number / 10_000, "censored": "right"}
        for number, name in enumerate(names)
    ]  # fmt: skip
    chart = drawn(tmp_path, {**made, "preservation": found}, preserve=GRID)["minimum-ratio"]
    (row,) = rows_of(chart)
    with database.connect(tmp_path / "tiny") as connection:
        whole = {each["ratio"]: each for each in database.records(connection, "from kaplan_meier")}
    assert len(whole) == 3000 > 400 > len(row["ratio"]) > 250
    expected = [
        100 - 100 * whole[min(whole, key=lambda known: abs(known - ratio))]["survival"] for ratio in row["ratio"][1:-1]
    ]
    assert row["percent"][1:-1] == pytest.approx(expected, abs=0.05 + 1e-9)  # of one decimal
    assert sum(row["right_censored"]) == sum(each["censored"] for each in whole.values()) == len(names[::7])
    assert len(chart.svg) < 200_000


def kept(clip, ratio, probability, **others):
    return {"clip_id": clip, "ratio": ratio, "target_probability": 0.8, "kept_probability": probability, **others}


def test_preservation_curves_mark_the_clips_that_are_censored_at_either_end(tmp_path):
    found = [kept(clip, 0.1, value) for clip, value in zip("abcd", (0.8, 0.4, 0.4, 0.0), strict=True)]
    found += [kept(clip, 0.3, value) for clip, value in zip("abcd", (0.8, 0.8, 0.4, 0.8), strict=True)]
    chart = drawn(tmp_path, {"maps": found}, preserve={"methods": ["step"], "share": 0.9})["preservation-curves"]
    (row,) = rows_of(chart)
    assert (row["ratio"], row["percent"], row["clips"]) == ([0.1, 0.3], [50, 87.5], [4, 4])
    assert (row["below"], row["above"]) == ([1, 0], [0, 1])
    shapes = [item.get("shape") for item in marks(chart.spec, "symbol")]
    assert sorted(shapes) == ["circle", "circle", "triangle-left", "triangle-right"]
    assert rows_of(chart, label="one")[0]["above"] == [0, 0]


def test_where_each_method_has_one_ratio_the_probability_kept_is_drawn_as_dots(tmp_path):
    found = [kept(clip, 0.1, value) for clip, value in zip("abcd", (0.8, 0.4, 0.4, 0.0), strict=True)]
    chart = drawn(tmp_path, {"maps": found})["preservation-curves"]
    (row,) = rows_of(chart)
    assert (row["contender"], row["percent"], row["below"], row["above"]) == ("step 0.1", 50, 1, 3)
    assert len(marks(chart.spec, "symbol")) == 3
    assert "step 0.1" in text(chart.svg)


def hits(metric, method, ratio=None, **of_clip):
    return [
        {"clip_id": clip, "method": method, "ratio": ratio, "metric": metric, "value": float(value), "frame": frame}
        for clip, values in of_clip.items()
        for frame, value in (enumerate(values) if isinstance(values, list) else [(None, values)])
    ]


def test_pointing_rates_stand_beside_their_floors_in_all_and_in_each_class(tmp_path):
    found = [
        *hits("spatial_pointing", "step", 0.1, a=[1, 1], b=[1, 0], c=[0, 0]),
        *hits("spatial_pointing", "middle", a=[1, 0], b=[0, 0], c=[1, 1]),
        *hits("spatial_pointing", "noise", a=[0, 0], b=[0, 1], c=[0, 0]),
        *hits("temporal_pointing", "step", 0.3, a=1, d=0),
    ]
    made = drawn(tmp_path, {"scores": found})
    (row,) = rows_of(made["spatial-pointing"], contender="step 0.1")
    assert [row[name] for name in ("percent", "floor0", "floor1", "floor2")] == [
        50,
        50,
        50,
        16.7,
    ]  # best, centre, random
    assert (row["frames"], row["clips"]) == (6, 3)
    with database.connect(tmp_path / "tiny") as connection:
        (rate,) = database.records(connection, "from pointing_rates where method = 'step' and ratio = 0.1")
    assert (row["low"], row["high"]) == (round(100 * rate["rate_low"], 1), round(100 * rate["rate_high"], 1))
    (row,) = rows_of(made["spatial-pointing"], contender="step 0.1", label="one")
    assert (row["percent"], row["floor1"], row["floor0"], row["clips"]) == (75, 25, 25, 2)
    (row,) = rows_of(made["temporal-pointing"])
    assert (row["percent"], row["clips"], row.get("floor0")) == (50, 2, None)
    assert len(marks(made["spatial-pointing"].spec, "symbol")) == 3 + 3 * 3  # dots, and three strokes beside each
    assert made["spatial-pointing"].svg.count("best trivial pointer") == 1


def test_gains_are_shown_for_one_metric_at_a_time(tmp_path):
    found = [
        *hits("spatial_pointing", "step", 0.1, a=[1, 1], b=[1, 0], c=[0, 0]),
        *hits("spatial_pointing", "middle", a=[1, 0], b=[0, 0], c=[1, 1]),
        *hits("temporal_pointing", "step", 0.1, a=1, b=1, c=0, d=0),
        *hits("temporal_pointing", "middle", a=0, b=0, c=0, d=0),
    ]
    chart = drawn(tmp_path, {"scores": found})["gains"]
    (menu,) = [each for each in chart.spec["params"] if each["name"] == "metric"]
    assert menu["bind"]["options"] == ["spatial_pointing", "temporal_pointing"]
    assert [(row["metric"], row["gain"]) for row in chart.spec["data"]["values"]] == [
        ("spatial_pointing", 0),
        ("temporal_pointing", 0.5),
    ]
    assert len(marks(chart.spec, "symbol")) == len(marks(chart.spec, "symbol", metric="temporal_pointing")) == 1


def test_volume_profiles_are_mean_shares_of_the_maps_and_leave_floors_out(tmp_path):
    found = [
        {"clip_id": "a", "ratio": 0.1, "frame_volume": [0.4, 0.0, 0.0, 0.0]},
        {"clip_id": "b", "ratio": 0.1, "frame_volume": [0.1, 0.1, 0.1, 0.1]},
        {"clip_id": "c", "ratio": 0.1, "frame_volume": [0.0, 0.0, 0.0, 0.0]},  # has no shares
        {"clip_id": "a", "ratio": 0.3, "frame_volume": [0.3, 0.3, 0.3, 0.3]},  # is farther from 0.1
        {"clip_id": "a", "method": "middle", "frame_volume": [0.1, 0.1, 0.1, 0.1]},
        {"clip_id": "a", "method": "grad_cam", "frame_volume": [0.0, 0.5, 0.5, 0.0]},
    ]
    chart = drawn(tmp_path, {"maps": found})["volume-profiles"]
    cam, step = rows_of(chart)
    assert (cam["contender"], cam["percent"]) == ("grad_cam", [0, 50, 50, 0])
    assert (step["contender"], step["frame"]) == ("step 0.1", [0, 1, 2, 3])
    assert (step["percent"], step["clips"], step["even"]) == ([62.5, 12.5, 12.5, 12.5], [2, 2, 2, 2], 25)
    assert len(marks(chart.spec, "line")) >= 2 * 4
    assert len(marks(chart.spec, "symbol", chosen_method="step")) == 4


def survival(clip, model, peer, **parts):
    base = {"clip": 0.9, "empty.blur": 0.1, f"peer.{peer}": 0.5, f"peer_clip.{peer}": 0.8, f"peer_empty.{peer}": 0.2}
    return [
        {"clip_id": clip, "model": model, "ratio": 0.1, "metric": f"mask_survival.{part}", "value": value}
        for part, value in (base | parts).items()
    ]


def test_transfer_has_a_cell_for_each_mask_and_asked_model(tmp_path):
    found = [*survival("a", "r3d", "other"), *survival("c", "r3d", "other", **{"peer.other": 0.7})]
    found += survival("a", "other", "r3d", **{"peer.r3d": 0.1})
    of_maps = [
        {"clip_id": clip, "model": model, "ratio": 0.1, "kept_probability": 0.95, "perturbation": "blur:sigma=10"}
        for clip, model in (("a", "r3d"), ("c", "r3d"), ("a", "other"))
    ]
    chart = drawn(tmp_path, {"scores": found, "maps": of_maps})["transfer"]
    cells = {(row["model"], row["asked"]): (row["kept"], row["whole"], row["clips"]) for row in rows_of(chart)}
    assert cells == {
        ("r3d", "r3d"): (0.95, 0.9, 2),
        ("r3d", "other"): (0.6, 0.8, 2),
        ("other", "other"): (0.95, 0.9, 1),
        ("other", "r3d"): (0.1, 0.8, 1),
    }
    assert sorted(item["text"] for item in marks(chart.spec, "text")) == ["0.10", "0.60", "0.95", "0.95"]
    assert len(marks(chart.spec, "rect", chosen_label="two")) == 2


def test_the_same_chart_has_the_same_drawing_and_gradients_of_its_own():
    """Vega numbers gradients over all drawings of a process."""
    field = {"field": "a", "type": "quantitative"}
    specs = [
        {"data": {"values": [{"a": 1}, {"a": top}]}, "layer": [{"mark": "rect", "encoding": {"color": field}}]}
        for top in (2, 3)
    ]
    first, other, again = (drawing.still(spec) for spec in (*specs, specs[0]))
    assert again == first
    names = [re.search(r'id="(gradient[^"]*)"', text)[1] for text in (first, other)]
    assert names[0] != names[1]
    assert all(f"url(#{name})" in text for name, text in zip(names, (first, other), strict=True))


def test_faithfulness_curves_stand_beside_a_random_order(tmp_path):
    parts = {
        f"deletion.{fill}.blocks.{share}": value for fill in ("blur", "fade") for share, value in ((0, 0.8), (0.5, 0.2))
    }
    parts |= {
        f"random.{fill}.blocks.{seen}": value for fill in ("blur", "fade") for seen, value in ((1, 0.8), (0.5, 0.6))
    }
    found = [
        {"clip_id": clip, "ratio": 0.1, "metric": f"deletion_insertion.{part}", "value": value}
        for clip in "ac"
        for part, value in parts.items()
    ]
    made = [{"clip_id": "a", "ratio": 0.1, "perturbation": "blur:sigma=10"}]
    chart = drawn(tmp_path, {"scores": found, "maps": made})["faithfulness-curves"]
    row = rows_of(chart, fill="fade")[0]
    assert (row["share"], row["percent"], row["random"], row["clips"]) == ([0, 50], [80, 20], [80, 60], [2, 2])
    (menu,) = [each for each in chart.spec["params"] if each["name"] == "fill"]
    assert menu["bind"]["options"] == ["fade", "blur"]  # its maps were made on blur
    assert len(marks(chart.spec, "symbol")) == 2
    assert len(marks(chart.spec, "symbol", fill="gone")) == 0


def test_the_sanity_check_is_drawn_over_the_layers_that_are_random(tmp_path):
    models = {
        "r3d": {"use": "r2plus1d_18"},
        "half": {"of": "r3d", "randomise": 0.5},
        "all": {"of": "r3d", "randomise": 1.0},
    }
    found = [
        {"clip_id": clip, "model": model, "method": "grad_cam", "metric": "similarity.model.rank", "value": value}
        for model, values in (("half", (0.8, 0.6)), ("all", (0.2, 0.0)))
        for clip, value in zip("ab", values, strict=True)
    ]
    made = drawn(tmp_path, {"scores": found}, models=models, metrics={"similarity": {}})
    (row,) = rows_of(made["sanity-randomisation"])
    assert (row["randomised"], row["rank"], row["clips"], row["model"]) == ([50, 100], [0.7, 0.1], [2, 2], "r3d")


def test_training_is_drawn_with_the_epoch_that_was_kept(tmp_path):
    log = [
        {"epoch": epoch, "train_accuracy": 0.5, "validation_accuracy": share, "best": epoch == 2}
        for epoch, share in ((1, 0.25), (2, 0.75), (3, 0.5))
    ]
    chart = drawn(tmp_path, {"training_log": log})["training"]
    validation = rows_of(chart, views="validation")[0]
    assert (validation["percent"], validation["kept"]) == ([25, 75, 50], [False, True, False])
    seen = [item for item in marks(chart.spec, "symbol") if item.get("opacity", 1) > 0]
    assert len(seen) == 1


def test_training_views_are_dashed_also_where_there_are_no_validation_clips(tmp_path):
    log = [{"epoch": epoch, "train_accuracy": 0.5, "best": epoch == 2} for epoch in (1, 2)]
    chart = drawn(tmp_path, {"training_log": log})["training"]
    assert {row["views"] for row in rows_of(chart)} == {"training"}
    assert "[7, 3]" in str([item.get("strokeDash") for item in marks(chart.spec, "line")])


def test_an_audit_without_results_has_no_chart(tmp_path):
    assert drawn(tmp_path, {}) == {}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Most charts, which tests only read."""
    return drawn(tmp_path_factory.mktemp("full"), full_tables())


def test_every_chart_can_be_filtered_and_is_split_by_class_only_where_it_says_so(full):
    assert set(full) >= {"minimum-ratio", "preservation-curves", "spatial-pointing", "gains", "volume-profiles"}
    for chart in full.values():
        names = [param["name"] for param in chart.spec["params"]]
        assert {"chosen_dataset", "chosen_model", "chosen_method", "chosen_label"} <= set(names)
        kinds = chart.spec["usermeta"]["filters"]
        assert set(kinds) <= set(chart.spec["data"]["values"][0])
        filters = json.dumps(chart.spec["transform"])
        assert all((f"chosen_{kind}" in filters) == (kind in kinds) for kind in drawing.KEYS)
    assert "label" in full["spatial-pointing"].spec["usermeta"]["filters"]
    assert "label" not in full["gains"].spec["usermeta"]["filters"]


def full_tables(rename=lambda name: name):
    """Some rows for most charts."""
    scores = [
        *hits("spatial_pointing", "step", 0.1, a=[1, 1], b=[1, 0], c=[0, 0]),
        *hits("spatial_pointing", "middle", a=[1, 0], b=[0, 0], c=[1, 1]),
    ]
    made = {
        "preservation": SEARCHES,
        "maps": [kept(clip, ratio, 0.5, frame_volume=[0.1, 0.2]) for clip in "abcd" for ratio in (0.1, 0.3)],
        "scores": scores,
        "training_log": [{"epoch": 1, "train_accuracy": 0.5, "validation_accuracy": 0.6}],
    }
    return {
        table: [{**row, "clip_id": rename(row["clip_id"])} if "clip_id" in row else row for row in rows]
        for table, rows in made.items()
    }


def test_names_are_text_in_the_drawing_and_in_the_data(tmp_path):
    rows = full_tables()
    labels = [{"clip_id": clip, "label": f"{label}{HOSTILE}"} for clip, label in LABELS.items()]
    made = drawn(tmp_path, {**rows, "segments": labels})
    bad = {"model": HOSTILE, "method": HOSTILE, "dataset": HOSTILE, "label": None}
    points = [
        {
            **bad,
            "contender": HOSTILE,
            "frame": [0, 1],
            "percent": [1, 2],
            "low": [0, 1],
            "high": [2, 3],
            "clips": [1, 1],
        }
    ]
    chart = volume_profiles([*points, {**points[0], "model": "b", "method": "c"}], looks.Looks([HOSTILE], [HOSTILE]))
    for each in (*made.values(), chart):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(each.svg).iter()}
        assert tags <= {
            "svg",
            "g",
            "path",
            "text",
            "rect",
            "line",
            "title",
            "defs",
            "clipPath",
            "style",
            "linearGradient",
            "stop",
            "tspan",
            "circle",
        }
        assert "<img" not in each.svg
        assert not re.search(r'(href|src)="', each.svg)
    assert "onerror" in text(chart.svg)  # the premise: the name is there
    assert chart.spec["data"]["values"][0]["model"] == HOSTILE


def test_thousands_of_series_stay_small_and_the_chart_says_what_is_left_out():
    names = [f"method {number:04d}" for number in range(2000)]
    row = {"frame": list(range(16)), **{key: [6.25] * 16 for key in ("percent", "low", "high")}, "clips": [9] * 16}
    rows = [
        {"dataset": "d", "model": "m", "method": name, "contender": name, "label": label, **row}
        for name in names
        for label in (None, "one", "two")
    ]
    chart = volume_profiles(rows, looks.Looks(names))
    assert len(json.dumps(chart.spec)) < 500_000
    assert re.search(r"The first \d+ of 2000 series; the CSV has all\.$", chart.title)
    assert chart.spec["usermeta"]["filters"] == ["dataset", "model", "method"]  # the split by class goes first


def test_a_series_of_tens_of_thousands_of_clips_is_drawn_with_as_many_as_can_be_seen():
    count = 30_000
    row = {"dataset": "d", "model": "m", "method": "ep3d", "asked": "own piece", "label": None}
    lists = {
        "clip": [f"clip {number:06d}" for number in range(count)],
        "percent": [0.001 * (1 + n) for n in range(count)],
    }
    chart = need_clips([{**row, **lists}, {**row, "label": "one", **lists}], looks.Looks(["m"]))
    assert chart.title.endswith(" Of longer series 400 points, evenly spaced.")
    (drawn,) = chart.spec["data"]["values"]
    assert (len(drawn["percent"]), len(drawn["clip"])) == (400, 400)
    assert (drawn["percent"][0], drawn["percent"][-1]) == (lists["percent"][0], lists["percent"][-1])
    assert max(np.diff(drawn["percent"])) < 0.08
    short = need_clips([{**row, "clip": ["a"], "percent": [2.0]}], looks.Looks(["m"]))
    assert "evenly" not in short.title


def test_more_panels_than_a_reader_looks_at_are_left_out():
    row = {"frame": [0, 1], "percent": [50, 50], "low": [40, 40], "high": [60, 60], "clips": [9, 9], "label": None}
    rows = [{"dataset": "d", "model": f"m{number}", "method": "a", "contender": "a", **row} for number in range(90)]
    chart = volume_profiles(rows, looks.Looks(["a"]))
    assert len(rows_of(chart)) == drawing.MAX_PANELS
    assert "The first 24 of 90 series" in chart.title


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("paper", ["#ffffff", "#14171a"])
def test_every_colour_stands_out_from_the_light_and_the_dark_page(paper):
    """3 : 1, what the Web Content Accessibility Guidelines ask of graphics."""
    for colour in (*charts.SERIES, looks.SOFT):
        low, high = sorted((luminance(colour), luminance(paper)))
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def test_a_method_looks_the_same_in_all_charts_and_no_two_look_alike_even_in_grey():
    names = [f"m{number}" for number in range(8)]
    every = looks.Looks(names, ["r3d", "other"], {"m3"})
    assert every.scales("method", {"m5"})["colour"].to_dict() == {
        "domain": ["m5"],
        "range": [every.method("m5").colour],
    }
    for one, other in combinations([name for name in names if name != "m3"], 2):
        assert every.method(one).shape != every.method(other).shape
        assert every.method(one).dash != every.method(other).dash
        assert every.method(one).colour != every.method(other).colour
    assert every.method("m3").colour == looks.SOFT
    assert every.model("r3d").colour != every.model("other").colour


def test_the_still_drawing_takes_the_colour_of_the_page_and_its_width(full):
    for chart in full.values():
        assert chart.svg.startswith('<svg style="max-width:')
        assert "currentColor" in chart.svg
        assert not re.search(r'^<svg [^>]* width="', chart.svg)


def test_the_bundle_may_stand_in_a_page_and_names_one_thing():
    text = charts.vega_bundle()
    assert 500_000 < len(text) < 1_200_000
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert text.count("window.stepauditVega=") == 1
    assert charts.vega_bundle() is text
