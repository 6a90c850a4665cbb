"""Looks of charts: the same colour, dash and shape for a method or model everywhere; text in the page's colour."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

# At least 3 : 1 against white and against the page's black, and as far apart as that allows, also for the colour-blind.
SERIES = ("#2d69a5", "#c38769", "#00783c", "#963ce1", "#0096ff", "#87870f", "#e169b4")
SOFT = "#7d858d"  # of what ignores the model: floors and random orders
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [2, 5], [6, 2, 2, 2, 2, 2])
TEXT = {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal"}
LINES = {"domainColor": "#8888", "tickColor": "#8888", "gridColor": "#8883"}


@dataclass(frozen=True)
class Look:
    """Colour, dash and shape of a name."""

    colour: str
    dash: Sequence[int]
    shape: str


@dataclass(frozen=True)
class Looks:
    """The looks of an audit's methods and models, by their place in the configuration: the same in all charts.

    Args:
        methods: in the configuration's order.
        models: likewise; they take the colours from the other end.
        floors: methods that ignore the model; they are all grey.
    """

    methods: Sequence[str] = ()
    models: Sequence[str] = ()
    floors: Collection[str] = field(default_factory=frozenset)

    def method(self, name: str) -> Look:
        """The look of a method. An unknown name looks like the first."""
        if name in self.floors:
            return _look(_place(name, sorted(self.floors)), SOFT)
        place = _place(name, [other for other in self.methods if other not in self.floors])
        return _look(place, SERIES[place % len(SERIES)])

    def model(self, name: str) -> Look:
        """The look of a model. An unknown name looks like the first."""
        place = _place(name, self.models)
        return _look(place, SERIES[-1 - place % len(SERIES)])

    def scales(self, kind: str, names: Collection[str]) -> dict[str, alt.Scale]:
        """Scales of `colour`, `dash` and `shape` for those methods or models that a chart shows."""
        order = [*(self.methods if kind == "method" else self.models), *sorted(names)]
        shown = [name for name in dict.fromkeys(order) if name in names]
        looks = [self.method(name) if kind == "method" else self.model(name) for name in shown]
        return {
            part: alt.Scale(domain=shown, range=[getattr(look, part) for look in looks])
            for part in ("colour", "dash", "shape")
        }


def settings() -> dict[str, Any]:
    """Vega-Lite's settings: text in the page's colour, quiet lines, nothing behind."""
    return {
        "background": "transparent",
        "padding": {"left": 8, "right": 8, "top": 5, "bottom": 5},
        "font": "Arial, Helvetica, Liberation Sans, sans-serif",  # as wide as what the still drawing is measured with
        "aria": False,  # the figure around it says what it shows
        "view": {"stroke": None},
        "axis": {**TEXT, **LINES, "labelLimit": 170},
        "header": {"labelColor": "currentColor", "labelFontSize": 12, "labelLimit": 320},
        "legend": {**TEXT, "orient": "top", "direction": "horizontal", "columns": 4, "labelLimit": 170},
    }


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else 0


def _look(place: int, colour: str) -> Look:
    return Look(colour, DASHES[place % len(DASHES)], SHAPES[place % len(SHAPES)])
