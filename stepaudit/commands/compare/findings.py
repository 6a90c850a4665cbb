"""The findings of a comparison, in sentences made from its numbers."""

from collections.abc import Sequence

from stepaudit.commands.compare.comparison import Comparison
from stepaudit.commands.compare.quantities import Quantity
from stepaudit.store.formats import two_digits

ALPHA = 0.05
NAMED = 3  # names in a sentence; the others are counted


def sentences(comparison: Comparison) -> list[str]:
    """The findings, in the order: accuracy, part needed of a clip, maps, metrics, failures."""
    named: dict[str, list[Quantity]] = {}
    for each in comparison.quantities:
        named.setdefault(each.name, []).append(each)
    parts = (
        _accuracy_text(named["accuracy_increase"][0]),
        *map(_need_factor_text, named.get("need_times", []), named.get("needless_increase", [])),
        "" if "need_times" in named else _needs_more_text(named["needs_more"][0], named["median_ratio_increase"][0]),
        _maps_text(named["map_rank_correlation"]),
        _metrics_text(named.get("metric_increase", [])),
        _failed_text(comparison),
    )
    return [part for part in parts if part]


def is_clear(quantity: Quantity) -> bool:
    """True if the interval excludes 0 and the test, after Holm's correction, is significant; either may be missing."""
    p = quantity.corrected_p
    if quantity.lower is None or quantity.upper is None:
        return p is not None and p < ALPHA
    return not quantity.lower <= 0 <= quantity.upper and (p is None or p < ALPHA)


def clearness(quantity: Quantity) -> tuple[float, float]:
    """Sort key of differences, the clearest first."""
    return quantity.holm_p or 0, -abs(quantity.value or 0)


def _accuracy_text(quantity: Quantity) -> str:
    value, a, b = quantity.value, quantity.a, quantity.b
    if value is None or a is None or b is None:
        return f"Accuracy: not compared, {quantity.reason}."
    points = [f"{100 * (each or 0):+.1f}".replace("-", "−") for each in (value, quantity.lower, quantity.upper)]
    answer = f"B is right {'more' if value > 0 else 'less'} often" if is_clear(quantity) else "no clear difference"
    return (
        f"Accuracy: {100 * a:.1f} % in A, {100 * b:.1f} % in B ({points[0]} points, {points[1]} to {points[2]}; "
        f"{quantity.note}): {answer}."
    )


def _need_factor_text(times: Quantity, needless: Quantity) -> str:
    """Factor of B's need over A's, and the clips that need nothing."""
    head = f"Needed of a clip ({', '.join(times.of)})"
    nothing = ""
    if needless.a is not None and needless.b is not None:
        counts = [round(share * needless.clips) for share in (needless.a, needless.b)]
        nothing = f" Of {needless.clips} clips {counts[0]} need nothing in A, {counts[1]} in B."
    if times.value is None:
        return f"{head}: not compared, {times.reason}.{nothing}"
    if times.lower is None or times.upper is None or times.corrected_p is None:
        return (
            f"{head}: B needs {two_digits(times.value)} times as much as A ({times.clips} clips that need something in "
            f"both, without an interval).{nothing}"
        )
    answer = "no clear difference"
    if times.corrected_p < ALPHA:
        answer = f"B needs {'more' if times.value > 1 else 'less'} of a clip"
    return (
        f"{head}: B needs {two_digits(times.value)} times as much as A ({two_digits(times.lower)} to "
        f"{two_digits(times.upper)}; p = {times.corrected_p:.2g}; {times.clips} clips that need something in "
        f"both): {answer}.{nothing}"
    )


def _needs_more_text(decided: Quantity, medians: Quantity) -> str:
    median = f"median {medians.note}" if medians.note else "no median"
    if decided.value is None or decided.p is None:
        return f"Needed of a clip: {median}; no decision between A and B, {decided.reason}."
    more, answer = round(decided.value * decided.clips), "no clear difference"
    if decided.p < ALPHA:
        answer = f"B needs {'more' if 2 * more > decided.clips else 'less'} of a clip"
    return (
        f"Needed of a clip ({', '.join(decided.of)}): {median}; B needs more on {more} of {decided.clips} "
        f"decided clips (p = {decided.p:.2g}): {answer}."
    )


def _maps_text(quantities: Sequence[Quantity]) -> str:
    texts = [
        (each.value, f"{each.value:.2f} for {' at '.join(each.of)}") for each in quantities if each.value is not None
    ]
    if not texts:
        return ""
    shown = dict.fromkeys((texts[0][1], min(texts, key=lambda each: each[0])[1]))
    return f"Maps: mean rank correlation of A's and B's map of a clip {', '.join(shown)} (1: the same order)."


def _metrics_text(quantities: Sequence[Quantity]) -> str:
    if not quantities:
        return ""
    clear = sorted(filter(is_clear, quantities), key=clearness)
    texts = [f"{each.of[0]} of {' at '.join(each.of[1:])} {each.a:.2f} → {each.b:.2f}" for each in clear[:NAMED]]
    examples = f", such as {'; '.join(texts)}" if texts else ""
    return f"Measured: {len(clear)} of {len(quantities)} differences of metrics are clear{examples}."


def _failed_text(comparison: Comparison) -> str:
    clips = sorted({row["clip_id"] for row in comparison.failures if row["side"] == "B"})
    names = f" ({', '.join(clips[:NAMED])}{', …' if len(clips) > NAMED else ''})" if clips else ""
    return f"Failed in B alone: {len(clips) or 'no'} clip{'' if len(clips) == 1 else 's'}{names}."
