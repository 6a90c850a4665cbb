"""What a comparison found, in sentences made from its numbers."""

from collections.abc import Iterator, Sequence

from stepaudit.commands.compare.compare import Comparison
from stepaudit.commands.compare.quantities import Quantity

ALPHA = 0.05
NAMED = 3  # things that a sentence names


def sentences(comparison: Comparison) -> list[str]:
    """The findings, in the order in which a reader asks: right, needed, looked at, measured, failed."""
    found = {name: [each for each in comparison.quantities if each.name == name] for name in _names(comparison)}
    parts = (
        _accuracy(found["accuracy_increase"][0]),
        *map(_needs, found["needs_more"][:1], found["median_ratio_increase"][:1]),
        _maps(found.get("map_rank_correlation", [])),
        _metrics(found.get("metric_increase", [])),
        _failed(found["newly_failed"][0], comparison),
    )
    return [part for part in parts if part]


def is_clear(quantity: Quantity) -> bool:
    """Whether a difference is told from 0 by its interval, and by its test after Holm's correction if it has one."""
    p = quantity.p if quantity.holm_p is None else quantity.holm_p
    if quantity.lower is None or quantity.upper is None:
        return p is not None and p < ALPHA
    return not quantity.lower <= 0 <= quantity.upper and (p is None or p < ALPHA)


def clearness(quantity: Quantity) -> tuple[float, float]:
    """Sorts differences, the clearest first."""
    return quantity.holm_p, -abs(quantity.value)


def signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def _names(comparison: Comparison) -> Iterator[str]:
    return (each.name for each in comparison.quantities)


def _accuracy(quantity: Quantity) -> str:
    if quantity.value is None:
        return f"Accuracy: not compared, {quantity.reason}."
    points = [signed(100 * value, 1) for value in (quantity.value, quantity.lower, quantity.upper)]
    answer = (
        f"B is right {'more' if quantity.value > 0 else 'less'} often" if is_clear(quantity) else "no clear difference"
    )
    return (
        f"Accuracy: {100 * quantity.a:.1f} % in A, {100 * quantity.b:.1f} % in B ({points[0]} points, {points[1]} to "
        f"{points[2]}; {quantity.note}): {answer}."
    )


def _needs(decided: Quantity, medians: Quantity) -> str:
    if decided.value is None:
        return f"Needed of a clip: {_or_not(medians)}; not told apart, {decided.reason}."
    more = round(decided.value * decided.clips)
    answer = "no clear difference"
    if decided.p < ALPHA:
        answer = f"B needs {'more' if 2 * more > decided.clips else 'less'} of a clip"
    return (
        f"Needed of a clip ({', '.join(decided.of)}): {_or_not(medians)}; B needs more on {more} of "
        f"{decided.clips} decided clips (p = {decided.p:.2g}): {answer}."
    )


def _or_not(medians: Quantity) -> str:
    return f"median {medians.note}" if medians.note else "no median"


def _maps(quantities: Sequence[Quantity]) -> str:
    known = [each for each in quantities if each.value is not None]
    if not known:
        return ""
    least = min(known, key=lambda each: each.value)
    shown = list(dict.fromkeys([known[0], least]))
    texts = [f"{each.value:.2f} for {' at '.join(each.of)}" for each in shown]
    return f"Looked at: mean rank correlation of A's and B's map of a clip {', '.join(texts)} (1: the same order)."


def _metrics(quantities: Sequence[Quantity]) -> str:
    if not quantities:
        return ""
    clear = sorted(filter(is_clear, quantities), key=clearness)
    texts = [f"{each.of[0]} of {' at '.join(each.of[1:])} {each.a:.2f} → {each.b:.2f}" for each in clear[:NAMED]]
    rest = f", such as {'; '.join(texts)}" if texts else ""
    return f"Measured: {len(clear)} of {len(quantities)} differences of metrics are clear{rest}."


def _failed(quantity: Quantity, comparison: Comparison) -> str:
    clips = sorted({row["clip_id"] for row in comparison.failures if row["side"] == "B"})
    names = f" ({', '.join(clips[:NAMED])}{', …' if len(clips) > NAMED else ''})" if clips else ""
    return f"Failed in B alone: {int(quantity.value) or 'no'} clip{'' if quantity.value == 1 else 's'}{names}."
