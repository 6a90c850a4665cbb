"""Charts of how much of a clip models need, from rows whose numbers are known."""

import math
import re

import pytest
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.report import build_database, charts
from stepaudit.report.charts import needs
from stepaudit.report.charts.looks import Looks
from stepaudit.store import database

NEEDS = {"a": 0.02, "b": 0.08, "c": 0.0}
LABELS = {"a": "one", "b": "two", "c": "two"}


def search(clip, need, random=None):
    logs = {"log2_ratio": math.log2(need), "random_log2_ratio": math.log2(random)} if need else {}
    levels = dict.fromkeys(("ratio", "ratio_75", "ratio_90"), need)
    curve = {"volumes": [need], "shares": [0.95]} if need else {}
    keys = {"clip_id": clip, "bound": "sufficiency", "asked_class": "label", "vacuous": not need}
    return {**keys, **levels, **logs, **curve}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    tables = {"segments": [], "clips": []}
    for clip, label in LABELS.items():
        for name, rows in clips(clip, label=label).items():
            tables[name] += rows
    rows = [search(clip, need, 0.5) for clip, need in NEEDS.items()]
    folder = write_audit(
        tmp_path_factory.mktemp("drawn"), {**tables, "preservation": rows}, preserve={"methods": ["step"]}
    )
    loaded = config.load(folder / "config.yaml")
    build_database.create(folder, loaded)
    with database.connect(folder) as connection:
        return {chart.name: chart for chart in charts.all_charts(connection, loaded)}


def rows_of(chart, **wanted):
    return [row for row in chart.spec["data"]["values"] if all(row.get(key) == each for key, each in wanted.items())]


def test_a_stroke_stands_for_each_clip_that_needs_something_and_a_class_has_its_own(drawn):
    chart = drawn["need-clips"]
    (own,) = rows_of(chart, asked="own piece", label=None)
    assert (own["clip"], own["percent"]) == (["a", "b"], [2, 8])
    assert rows_of(chart, asked="random pieces", label=None)[0]["percent"] == [50, 50]
    assert rows_of(chart, asked="own piece", label="two")[0]["clip"] == ["b"]
    assert not rows_of(chart, asked="runner-up class")
    assert chart.spec["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"


def test_the_curve_is_the_mean_of_what_the_best_piece_of_a_size_keeps(drawn):
    (row,) = rows_of(drawn["need-curves"])
    kept = dict(zip(row["size"], row["percent"], strict=True))
    # of pieces of 2^-5.5 = 2.21 % one clip keeps 95 %, the other none; of 8.84 % both do
    assert (kept[1.56], kept[2.21], kept[8.84], kept[100]) == (0, 47.5, 95, 100)
    assert set(row["clips"]) == {2}


def test_curves_of_soft_masks_are_not_drawn_where_crisp_ones_were_searched(drawn):
    assert "minimum-ratio" not in drawn


def test_the_band_of_a_curve_has_its_colour():
    line = {"size": [1, 100], "percent": [20, 100], "low": [10, 100], "high": [30, 100], "clips": [5, 5]}
    looks = Looks(models=["one", "two"])
    rows = [{"dataset": "d", "model": model, "method": "ep3d", **line} for model in looks.models]
    drawing = needs.need_curves(rows, looks).svg
    colours = [looks.model(name).colour for name in looks.models]
    bands = re.findall(r'<path [^>]*fill="(#\w+)" fill-opacity="0.2"', drawing)
    lines = re.findall(r'<path [^>]*stroke="(#\w+)" stroke-width="2"', drawing)
    assert bands == lines == colours
