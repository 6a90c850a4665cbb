"""More than two sides, such as an audit a week: each compared with the one before, or with the first; a line each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from stepaudit.commands.compare import findings, sides
from stepaudit.commands.compare.comparison import Comparison, compared
from stepaudit.commands.compare.pair import NothingInCommonError
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.report.statistics.intervals import holm
from stepaudit.store.formats import format_rows, two_digits

Against = Literal["previous", "first"]
HEADERS = ("side", "clips", "accuracy", "change, points", "needed", "change", "newly failed")
TIMES, MEDIAN = "need_times", "median_ratio_increase"


@dataclass(frozen=True)
class Step:
    """A side of a series, compared with an earlier one.

    Args:
        side: `results/audit:model`.
        reference: the earlier side, likewise.
        clips: that both have.
        accuracy: its increase over the reference.
        need: how much more of a clip it needs, by the first method that both searched with alike: as a factor
            (`need_times`), or by the paper's searches (`median_ratio_increase`); None without any.
        failed: clips that newly fail.
        notes: what was not compared, a sentence each.
    """

    side: str
    reference: str
    clips: int = 0
    accuracy: Quantity | None = None
    need: Quantity | None = None
    failed: Quantity | None = None
    notes: tuple[str, ...] = ()


def steps(
    names: Sequence[str],
    against: Against = "previous",
    dataset: str | None = None,
    use: Callable[[Comparison, int], object] = lambda comparison, place: None,
) -> list[Step]:
    """Each side but the first, compared with the one before or with the first.

    Args:
        names: the sides, see `comparison.compared`; `:model` is of the audit named before it.
        dataset: by default the only one.
        use: called with each comparison, while its databases are open, and the place of its second side from 0.

    Raises:
        UsageError: as `compared`; sides without any clip in common are a step that says so.
    """
    texts, made = sides.with_folders(names), []
    for place in range(1, len(texts)):
        before = 0 if against == "first" else place - 1
        try:
            with compared(texts[before], texts[place], dataset) as comparison:
                texts[before], texts[place] = str(comparison.pair.a), str(comparison.pair.b)
                use(comparison, place)
                made.append(_step_of(comparison))
        except NothingInCommonError as error:
            made.append(Step(texts[place], texts[before], notes=(str(error),)))
    return _holm_corrected(made)


def text(made: Sequence[Step], against: Against) -> str:
    """The findings, what was not compared, and a table with a line for each side."""
    before = "the first" if against == "first" else "the one before"
    head = f"{len(made) + 1} sides, each against {before}; changes with 95 % intervals."
    sentences = [sentence for name in ("accuracy", "need") if (sentence := _change_sentence(made, name))]
    notes = [f"Note: {step.side} (B) against {step.reference} (A): {note}." for step in made for note in step.notes]
    return "\n".join([head, "", *sentences, *notes, "", format_rows(HEADERS, lines(made), "table")])


def lines(made: Sequence[Step]) -> list[list[str]]:
    """Cells of `HEADERS` for each side, in order; the first has no change."""
    first = made[0]
    start = [first.reference, str(first.clips), _value(first.accuracy, "a"), "–", _value(first.need, "a"), "–", "–"]
    return [start, *(_table_line(step) for step in made)]


def _table_line(step: Step) -> list[str]:
    failed = "–" if step.failed is None or step.failed.value is None else f"{step.failed.value:.0f}"
    return [
        step.side,
        str(step.clips),
        _value(step.accuracy, "b"),
        _change(step.accuracy),
        _value(step.need, "b"),
        _change(step.need),
        failed,
    ]


def _step_of(comparison: Comparison) -> Step:
    named: dict[str, Quantity] = {}
    for each in comparison.quantities:
        named.setdefault(each.name, each)
    accuracy, need = named["accuracy_increase"], named.get(TIMES, named[MEDIAN])
    if need.name == MEDIAN:
        need = replace(need, p=named["needs_more"].p)  # the median itself has no test
    reasons = {"accuracy": accuracy, "how much is needed": need}
    missing = [f"{name} is not compared: {each.why_not()}" for name, each in reasons.items() if each.value is None]
    return Step(
        str(comparison.pair.b),
        str(comparison.pair.a),
        len(comparison.pair.clips),
        accuracy,
        need,
        named["newly_failed"],
        (*comparison.notes, *missing),
    )


def _holm_corrected(made: Sequence[Step]) -> list[Step]:
    """The steps with p values of accuracy and need after Holm's correction over all steps."""
    corrected = list(made)
    for name in ("accuracy", "need"):
        quantities = [getattr(step, name) for step in corrected]
        values = [None if each is None else each.p for each in quantities]
        adjusted = holm(np.array([np.nan if p is None else p for p in values], float))
        for place, (each, p) in enumerate(zip(quantities, adjusted, strict=True)):
            if each is not None:
                changed = replace(each, holm_p=None if np.isnan(p) else float(p))
                corrected[place] = replace(corrected[place], **{name: changed})
    return corrected


def _change_sentence(made: Sequence[Step], name: str) -> str:
    """Sentence on the steps at which a quantity clearly changes; empty if it was measured at none."""
    measured = [(step, each) for step in made if (each := getattr(step, name)) is not None and each.value is not None]
    if not measured:
        return ""
    clear = [f"{step.side} ({_change(each)})" for step, each in measured if is_clear(each)]
    head = "Accuracy" if name == "accuracy" else f"Needed of a clip ({', '.join(measured[0][1].of)})"
    steps = f"{len(measured)} step{'s' * (len(measured) > 1)}"
    if not clear:
        return f"{head}: no clear change in {steps}."
    return f"{head}: clear change in {len(clear)} of {steps}: {', '.join(clear)}."


def is_clear(quantity: Quantity) -> bool:
    """True if the interval leaves out no change, and the test over all steps is significant."""
    if quantity.name != TIMES:
        return findings.is_clear(quantity)
    p = quantity.corrected_p
    return None not in (quantity.lower, quantity.upper) and p is not None and p < findings.ALPHA


def _value(quantity: Quantity | None, side: str) -> str:
    value = None if quantity is None else getattr(quantity, side)
    return "–" if value is None else f"{100 * value:.3g} %"


def _change(quantity: Quantity | None) -> str:
    """A change with its interval: points, or a factor."""
    if quantity is None or quantity.value is None:
        return "–"
    shown = _factor if quantity.name == TIMES else _points_text
    if quantity.lower is None or quantity.upper is None:
        return f"{shown(quantity.value)}, without an interval"
    return f"{shown(quantity.value)}, {shown(quantity.lower)} to {shown(quantity.upper)}"


def _points_text(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _factor(value: float) -> str:
    return f"× {two_digits(value)}"
