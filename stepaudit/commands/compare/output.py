"""A comparison as text for the terminal: findings, what to know before, a table, and what became of conditions."""

from collections.abc import Sequence

from stepaudit.commands.compare import findings
from stepaudit.commands.compare.compare import Comparison
from stepaudit.commands.compare.conditions import Verdict, shown
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.store.database import format_rows

DETAILS = ("map_iou", "adversarial_increase", "vacuous_increase", "metric_increase")
MOST = 12  # differences of metrics in the short table
HEADERS = ("quantity", "A", "B", "value", "95 % interval", "p", "clips", "note")


def text(comparison: Comparison, *, everything: bool = False) -> str:
    """What was compared, the findings, what to know before, and the table.

    Args:
        everything: all quantities, and not only those that matter most.
    """
    pair = comparison.pair
    head = [f"A: {pair.a}", f"B: {pair.b}", f"{len(pair.clips)} clips of {pair.dataset}; differences are B less A", ""]
    told = [*findings.sentences(comparison), *(f"Note: {note}." for note in comparison.notes)]
    chosen = comparison.quantities if everything else short(comparison.quantities)
    table = format_rows(HEADERS, [cells(each) for each in chosen], "table")
    hidden = len(comparison.quantities) - len(chosen)
    rest = f"\n{hidden} more: --list shows all, --out writes them.\n" if hidden else ""
    return "\n".join([*head, *told, "", table + rest])


def is_shown(quantity: Quantity) -> bool:
    """Whether a quantity matters: all do but what does not differ clearly of metrics, masks and IoU."""
    return quantity.name not in DETAILS or (quantity.name in DETAILS[1:] and findings.is_clear(quantity))


def short(quantities: Sequence[Quantity]) -> list[Quantity]:
    """What matters, of metrics the `MOST` clearest."""
    shown = list(filter(is_shown, quantities))
    clear = sorted((each for each in shown if each.name in DETAILS), key=findings.clearness)[:MOST]
    return [each for each in shown if each.name not in DETAILS or each in clear]


def cells(quantity: Quantity) -> list[str]:
    """A row of the table, in the order of `HEADERS`."""
    p = quantity.p if quantity.holm_p is None else quantity.holm_p
    told = quantity.note if quantity.note or quantity.bounds() else quantity.reason or ""
    return [
        str(quantity),
        _number(quantity.a),
        _number(quantity.b),
        shown(quantity.bounds()) if quantity.bounds() else "–",
        f"{_number(quantity.lower)} to {_number(quantity.upper)}" if quantity.lower is not None else "–",
        "–" if p is None else f"{p:.3g}",
        str(quantity.clips),
        told,
    ]


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """What became of each condition, a line each."""
    lines = []
    for verdict in verdicts:
        values = ", ".join(f"{name} = {value}" for name, value in verdict.values.items())
        answer = {True: "FAIL", False: "ok", None: "cannot tell"}[verdict.holds]
        why = f": {'; '.join(verdict.reasons)}" if verdict.holds is None else ""
        lines.append(f'{answer}: "{verdict.text}"{why or f" ({values})"}')
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")
