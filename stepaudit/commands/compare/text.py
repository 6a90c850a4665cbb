"""A comparison as text for the terminal: findings, notes, a table, and the verdicts on conditions."""

from collections.abc import Sequence

from stepaudit.commands.compare import findings
from stepaudit.commands.compare.comparison import Comparison
from stepaudit.commands.compare.conditions import Verdict, range_text
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.store.formats import format_rows

DETAILS = ("map_iou", "adversarial_increase", "vacuous_increase", "metric_increase")
MAX_METRIC_ROWS = 12  # differences of metrics in the short table
HEADERS = ("quantity", "A", "B", "value", "95 % interval", "p", "clips", "note")


def text(comparison: Comparison, *, everything: bool = False) -> str:
    """The sides, the findings, the notes and the table.

    Args:
        everything: all quantities, and not only those that matter most.
    """
    pair, quantities = comparison.pair, comparison.quantities
    head = [f"A: {pair.a}", f"B: {pair.b}", f"{len(pair.clips)} clips of {pair.dataset}; differences are B less A", ""]
    texts = [*findings.sentences(comparison), *(f"Note: {note}." for note in comparison.notes)]
    clear = sorted((each for each in quantities if each.name in DETAILS and is_shown(each)), key=findings.clearness)
    chosen = [each for each in quantities if everything or each.name not in DETAILS or each in clear[:MAX_METRIC_ROWS]]
    table = format_rows(HEADERS, [cells(each) for each in chosen], "table")
    hidden = len(quantities) - len(chosen)
    rest = f"\n{hidden} more: --list shows all, --out writes them.\n" if hidden else ""
    return "\n".join([*head, *texts, "", table + rest])


def is_shown(quantity: Quantity) -> bool:
    """False for IoU and for unclear differences of metrics and masks."""
    return quantity.name not in DETAILS or (quantity.name in DETAILS[1:] and findings.is_clear(quantity))


def cells(quantity: Quantity) -> list[str]:
    """A row of the table, in the order of `HEADERS`."""
    p, value_range = quantity.corrected_p, quantity.value_range()
    return [
        str(quantity),
        _number(quantity.a),
        _number(quantity.b),
        range_text(value_range) if value_range else "–",
        f"{_number(quantity.lower)} to {_number(quantity.upper)}" if quantity.lower is not None else "–",
        "–" if p is None else f"{p:.3g}",
        str(quantity.clips),
        quantity.note if quantity.note or value_range else quantity.reason or "",
    ]


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """A line for each condition: FAIL, ok or cannot tell, with the values of its names or the reasons."""
    lines = []
    for verdict in verdicts:
        values = ", ".join(f"{name} = {value}" for name, value in verdict.values.items())
        answer = {True: "FAIL", False: "ok", None: "cannot tell"}[verdict.holds]
        why = f": {'; '.join(verdict.reasons)}" if verdict.holds is None else f" ({values})"
        lines.append(f'{answer}: "{verdict.text}"{why}')
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")
