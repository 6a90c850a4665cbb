"""A chart of the page from rows and layers: panels, filters, a limited size, the still drawing."""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256

import altair as alt
import vl_convert

from stepaudit.report.charts.looks import settings
from stepaudit.report.page import page

KEYS = ("dataset", "model", "method", "label")  # filters of the page
MAX_DATA_BYTES = 400_000  # of a chart's data
MAX_PANELS = 24
MAX_POINTS = 400  # of a series, where not all fit
GRADIENT = re.compile(r"gradient_\d+")  # Vega's names
WIDTHS = (440, 300)  # of one panel alone, and of several side by side

LICENCE = (
    "/*! Vega, Vega-Lite, Vega-Embed: Copyright (c) 2015-2025, University of Washington Interactive Data Lab and "
    "contributors, BSD-3-Clause. D3: Copyright 2010-2023 Mike Bostock, ISC. */\n"
)


def chart(
    name: str,
    section: str,
    title: str,
    rows: Sequence[dict],
    layers: Callable[[Sequence[dict]], Sequence[alt.Chart]],
    *,
    panels: Sequence[str],
    height: float | alt.Step = 220,
    menus: Sequence[dict] = (),
) -> page.Chart | None:
    """A chart for the page; None if there are no rows.

    Args:
        name: in the page's HTML.
        section: the report under which it stands.
        title: a sentence with its content.
        rows: one for each line, with lists of its points' values; rows with a `label` are shown only if the
            page is filtered by that class.
        layers: makes the layers from the rows that fit; the one named `hover` is not in the still drawing.
        panels: columns with a panel for each value.
        height: of a panel, or of each of its rows, px.
        menus: columns of which the page shows one value at a time, see `menu`.
    """
    if not rows:
        return None
    fitting, left_out = fitted(_add_panels(rows, panels))
    count = len({row["panel"] for row in fitting})
    spec = alt.layer(*layers(fitting)).properties(width=WIDTHS[count > 1], height=height).to_dict(validate=False)
    spec = _replace_layers(spec, [{key: layer[key] for key in layer if key != "data"} for layer in spec["layer"]])
    spec = _facet_by_panel(spec) if count > 1 else spec
    spec["params"] = [*spec.get("params", []), *({"name": f"chosen_{key}", "value": None} for key in KEYS), *menus]
    columns = _columns(fitting)
    lists = [key for key in fitting[0] if any(isinstance(row[key], list) for row in fitting)]
    spec["transform"] = [
        *({"filter": _filter_expression(key)} for key in columns),
        *({"filter": f"datum.{param['name']} === {param['name']}"} for param in menus),
        *([{"flatten": lists}] if lists else []),
        *spec.get("transform", []),
    ]
    spec["data"] = {"values": [_compact(row) for row in fitting]}
    spec["config"] = settings()
    spec["usermeta"] = {"filters": columns}
    return page.Chart(name, section, title + left_out, still(spec), spec)


def menu(column: str, values: Sequence[str], words: str) -> dict:
    """A menu for the value of a column; the first value is the default."""
    choice = {"input": "select", "options": list(values), "name": f"{words} "}
    return {"name": column, "value": next(iter(values), None), **({"bind": choice} if len(values) > 1 else {})}


def fitted(rows: Sequence[dict]) -> tuple[list[dict], str]:
    """The rows that fit on the page, if need be without classes and with fewer points; sentences about the others."""
    if _json_bytes(rows) > MAX_DATA_BYTES:
        rows = [{key: row[key] for key in row if key != "label"} for row in rows if row.get("label") is None]
    fitting, said = [row for row in rows if row["panel_place"] < MAX_PANELS], ""
    if _json_bytes(fitting) > MAX_DATA_BYTES and any(_points(row) > MAX_POINTS for row in fitting):
        fitting = list(map(_subsampled, fitting))
        said = f" Of longer series {MAX_POINTS} points, evenly spaced."
    while _json_bytes(fitting) > MAX_DATA_BYTES:
        fitting = fitting[: len(fitting) * 3 // 4]
    if len(fitting) < len(rows):
        said += f" The first {len(fitting)} of {len(rows)} series; the CSV has all."
    return fitting, said


def _points(row: dict) -> int:
    return max((len(value) for value in row.values() if isinstance(value, list)), default=0)


def _subsampled(row: dict) -> dict:
    """A series with no more than `MAX_POINTS` of its points, evenly spaced, the first and the last among them.

    Args:
        row: lists of one length hold a value a point; other values are of the whole series.
    """
    points = _points(row)
    if points <= MAX_POINTS:
        return row
    indices = [index * (points - 1) // (MAX_POINTS - 1) for index in range(MAX_POINTS)]
    return {
        key: [value[index] for index in indices] if isinstance(value, list) else value for key, value in row.items()
    }


def still(spec: dict) -> str:
    """A chart's first view as an SVG element in the colours of the page around it, as wide as that allows."""
    parts = spec.get("spec", spec)
    shown = [layer for layer in parts["layer"] if layer.get("name") != "hover"]
    return resized(vl_convert.vegalite_to_svg(_replace_layers(spec, shown)))


def svg(drawing: alt.TopLevelMixin) -> str:
    """An Altair chart as an SVG element in the colours of the page around it, as wide as that allows."""
    spec = drawing.properties(width=WIDTHS[0], height=220).to_dict()
    return resized(vl_convert.vegalite_to_svg({**spec, "config": settings()}))


def resized(text: str) -> str:
    """An SVG element that grows with the page, up to a fifth beyond its own size."""
    text = _with_unique_gradient_ids(text)
    width = re.search(r'<svg [^>]*?width="([\d.]+)"', text)
    limit = f'style="max-width:{round(1.2 * float(width[1]))}px" ' if width else ""
    return re.sub(r'<svg ([^>]*?)width="[\d.]+" height="[\d.]+"', rf"<svg {limit}\1", text, count=1)


def _with_unique_gradient_ids(text: str) -> str:
    """An SVG whose gradients are named by what it shows: Vega counts them over all pictures of a process."""
    places = {name: str(place) for place, name in enumerate(dict.fromkeys(GRADIENT.findall(text)))}
    plain = GRADIENT.sub(lambda match: places[match[0]], text)
    digest = sha256(plain.encode()).hexdigest()[:8]
    return GRADIENT.sub(lambda match: f"gradient-{digest}-{places[match[0]]}", text)


def interval(low: str = "low", high: str = "high", form: str = ".1f") -> str:
    """Vega expression: a point's interval as text; empty if there is none."""
    ends = [f"isValid(datum.{end}) ? format(datum.{end}, '{form}') : '?'" for end in (low, high)]
    return f"isValid(datum.{low}) || isValid(datum.{high}) ? ({ends[0]}) + ' to ' + ({ends[1]}) : ''"


def _facet_by_panel(spec: dict) -> dict:
    """The layers of one panel in a panel for each value of `panel`, two beside each other."""
    top = {key: spec.pop(key) for key in ("$schema", "params", "config") if key in spec}
    order = {"field": "panel_place", "op": "min"}  # names in a list would become an expression, which not all can
    facet = {"field": "panel", "type": "nominal", "title": None, "sort": order}
    return {**top, "facet": facet, "columns": 2, "spec": spec}


def _add_panels(rows: Sequence[dict], keys: Sequence[str]) -> list[dict]:
    """Rows with the name and the place of their panel; columns with one value are left out of the name."""
    telling = [key for key in keys if len({row[key] for row in rows}) > 1]
    names = [" · ".join(str(row[key]) for key in telling) for row in rows]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return [{**row, "panel": name, "panel_place": places[name]} for row, name in zip(rows, names, strict=True)]


def _columns(rows: Sequence[dict]) -> list[str]:
    """Filters of the page that apply to the rows."""
    split = any(row.get("label") is not None for row in rows)
    return [key for key in KEYS if key in rows[0] and (key != "label" or split)]


def _filter_expression(key: str) -> str:
    """Vega expression: true for rows that the page's filter by a column lets through."""
    if key == "label":  # a row without a class is of all of them
        return "datum.label === chosen_label"
    return f"chosen_{key} === null || datum.{key} === chosen_{key}"


def _compact(row: dict) -> dict:
    """A row without missing values, except for the class, because filters compare it."""
    return {key: value for key, value in row.items() if value is not None or key == "label"}


def _json_bytes(rows: Sequence[dict]) -> int:
    return len(json.dumps(rows, separators=(",", ":")))


def _replace_layers(spec: dict, layers: Sequence[dict]) -> dict:
    if "spec" in spec:
        return {**spec, "spec": {**spec["spec"], "layer": list(layers)}}
    return {**spec, "layer": list(layers)}


@cache
def vega_bundle() -> str:
    """JavaScript, about 0.9 MB, that defines `window.stepauditVega = {embed}` and no other name.

    It holds no `</script` and no `<!--`, so that it may stand in a page.
    """
    text = vl_convert.javascript_bundle("window.stepauditVega = {embed: vegaEmbed};")
    inline = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")  # the same in strings and patterns
    return f'{LICENCE}(function () {{ "use strict";\n{inline}\n}})();\n'
