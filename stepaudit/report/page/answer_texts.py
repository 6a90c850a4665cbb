"""Sentences on models that guess, and on models that a complete blur or another order of the frames does not bother."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from stepaudit.report.page.conclusion_texts import NAMED, Conclusion
from stepaudit.report.page.gallery_sources import BACKGROUND, WRONG
from stepaudit.report.page.grids import number
from stepaudit.report.page.summary import listed, plural

MOSTLY = 50.0  # percent of the clips
ORDERS = {
    "shuffled": "frames are shuffled",
    "reversed": "frames are reversed",
    "frozen": "all frames are the middle one",
}


def guesses_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Models that are not shown to be right more often than the commonest class; None if there is none.

    Args:
        rows: of `model_overview`, with the share of right answers on validation clips, in percent, as
            `validation_percent`, and its lower end, each None if not known.
    """
    answered = [row for row in rows if row["top1_percent"] is not None]
    guessing = [row for row in answered if row["top1_percent_low"] <= row["commonest_class_percent"]]
    finding = _not_shown(guessing, rows, "do better than naming one class for every clip", _guess, "model_overview")
    return finding and replace(finding, rule=WRONG)


def labels_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Models with a sigmoid for each label that find labels no better than chance, as far as shown; None without any.

    Args:
        rows: of `label_precision`, the means over labels.
    """
    known = [row for row in rows if row["average_precision_percent_low"] is not None]
    guessing = [row for row in known if row["average_precision_percent_low"] <= row["chance_percent"]]
    return _not_shown(
        guessing, rows, "find the labels of clips better than a random order", _precision, "label_precision"
    )


def values_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Regressions that are not shown to be less off than the mean of the training clips; None if there is none.

    Args:
        rows: of `value_errors`.
    """
    known = [row for row in rows if row["gain_low"] is not None]
    guessing = [row for row in known if row["gain_low"] <= 0]
    return _not_shown(
        guessing, rows, "be nearer to the values than the mean of the training clips", _error, "value_errors"
    )


def _not_shown(
    guessing: Sequence[dict], rows: Sequence[dict], to: str, text: Callable[[dict, Sequence[dict]], str], section: str
) -> Conclusion | None:
    """Finding that some models are not shown to do something, with a text on each; None without any of them."""
    if not guessing:
        return None
    verb = "is" if len(guessing) == 1 else "are"
    lead = f"{_model_names(guessing, rows)} {verb} not shown to {to}."
    return Conclusion(lead, " ".join(text(row, rows) for row in guessing[:NAMED]), section)


def blurred_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Models whose answers a complete blur mostly leaves as they are; None if there is none.

    Args:
        rows: of `model_overview`, with the clips of that share as `blurred_clips`, some of which may have no label.
    """
    measured = [row for row in rows if row["same_when_blurred_percent"] is not None]
    same = [row for row in measured if row["same_when_blurred_percent_low"] > max(MOSTLY, row["by_chance_percent"])]
    if not same:
        return None
    verb, whose = ("gives", "its") if len(same) == 1 else ("give", "their")
    lead = (
        f"{_model_names(same, rows)} {verb} most clips the same answer when they are completely blurred: large areas "
        f"of colour, brightness or motion are enough for {whose} answers, right or wrong."
    )
    others = [row for row in measured if row not in same]
    rest = [_blur_in_short(row, rows) for row in others[:NAMED]]
    texts = [_blur_sentences(row, rows) for row in same[:NAMED]]
    numbers = " ".join([*texts, f"Of the others, {'; '.join(rest)}."] if rest else texts)
    return Conclusion(lead, numbers, "model_overview", BACKGROUND)


def frame_orders_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Models to which the order of the frames hardly matters; None if there is none.

    Args:
        rows: of `time_use`, one for each model and order of the frames.
    """
    models: dict[tuple[str, str], dict[str, dict]] = {}
    for row in rows:
        models.setdefault((row["dataset"], row["model"]), {})[row["frame_order"]] = row
    still = {key: orders for key, orders in models.items() if _is_unchanged(orders, "shuffled", "reversed")}
    if not still:
        return None
    named = _model_names([orders["shuffled"] for orders in still.values()], rows)
    also = ", or on what changes between them" * all(_is_unchanged(orders, "frozen") for orders in still.values())
    verb = "depends" if len(still) == 1 else "depend"
    texts = [_order_changes(orders, rows) for orders in list(still.values())[:NAMED]]
    others = [orders for key, orders in models.items() if key not in still and _orders_that_change(orders)]
    if others:
        changes = [_one_order_change(_orders_that_change(each)[0], rows) for each in others[:NAMED]]
        texts.append(f"Of the others, {'; '.join(changes)}.")
    return Conclusion(f"{named} hardly {verb} on the order of the frames{also}.", " ".join(texts), "time_use")


def _is_unchanged(orders: dict[str, dict], *names: str) -> bool:
    """True if probabilities are shown to change by few points in all these orders of the frames."""
    return all(name in orders and orders[name]["answer"] == "no" for name in names)


def _orders_that_change(orders: dict[str, dict]) -> list[dict]:
    """Orders of the frames that are shown to change probabilities, the greatest change first."""
    return sorted(
        (row for row in orders.values() if row["answer"] == "yes"), key=lambda row: row["change_points"], reverse=True
    )


def _order_changes(orders: dict[str, dict], rows: Sequence[dict]) -> str:
    """Change of a model's probabilities in each order of the frames."""
    known = [orders[name] for name in ORDERS if name in orders and orders[name]["change_points"] is not None]
    parts = [
        f"{number(row['change_points'], '_points')} points when {ORDERS[row['frame_order']]} (95 % interval "
        f"{number(row['change_points_low'], '_points')} to {number(row['change_points_high'], '_points')})"
        for row in known
    ]
    clips = plural(known[0]["clips"], "clip")
    return f"The probabilities of {_name(known[0], rows)} change by {', '.join(parts)}; {clips}."


def _one_order_change(row: dict, rows: Sequence[dict]) -> str:
    return f"{_name(row, rows)}: {number(row['change_points'], '_points')} points when {ORDERS[row['frame_order']]}"


def _guess(row: dict, rows: Sequence[dict]) -> str:
    """Accuracy of a model beside the commonest class, and beside that on validation clips if it was clearly more."""
    right = f"{_name(row, rows)} is right on {_percent(row, 'top1_percent')}"
    commonest = f"the commonest class is {number(row['commonest_class_percent'], '_percent')} % of them"
    gap = row["validation_percent_low"] is not None and row["validation_percent_low"] > row["top1_percent_high"]
    known = f"{number(row['validation_percent'], '_percent')} % of the validation clips" if gap else ""
    learned = f" It was right on {known}: what it has learned does not hold for the test clips." if gap else ""
    return f"{right}; {commonest}.{learned}"


def _precision(row: dict, rows: Sequence[dict]) -> str:
    precision = _percent(row, "average_precision_percent").replace(" of ", " over ", 1)
    chance = number(row["chance_percent"], "_percent")
    return f"The mean average precision of {_name(row, rows)} is {precision}; that of a random order is {chance} %."


def _error(row: dict, rows: Sequence[dict]) -> str:
    low, high = number(row["gain_low"]), number(row["gain_high"])
    less = f"{number(row['gain'])} less (95 % interval {low} to {high}; {plural(row['videos'], 'video')})"
    return f"{_name(row, rows)} is off by {number(row['error'])}, which is {less} than that mean."


def _blur_sentences(row: dict, rows: Sequence[dict]) -> str:
    """Share of a model's clips with the same answer, and where its masks lie if they are not on the boxes."""
    same = f"{_name(row, rows)} gives the same answer to {_percent(row, 'same_when_blurred_percent', 'blurred_clips')}"
    chance = f"answers as frequent as these agree on {number(row['by_chance_percent'], '_percent')} % by chance"
    return f"{same}; {chance}.{_off_boxes(row)}"


def _blur_in_short(row: dict, rows: Sequence[dict]) -> str:
    share, chance = (number(row[name], "_percent") for name in ("same_when_blurred_percent", "by_chance_percent"))
    return f"{_name(row, rows)}: {share} %, by chance {chance} %"


def _off_boxes(row: dict) -> str:
    """Sentence on a model's masks if they are not shown to lie on the boxes; else empty."""
    low, high = row["on_box_times_low"], row["on_box_times_high"]
    if low is None or low > 1:
        return ""
    interval = f" (95 % interval {number(low, 'times')} to {number(high, 'times')})"
    share = f"{number(row['on_box_times'], 'times')} times what an even map has there"
    return f" Its masks are not shown to lie on the annotated object: {share}{interval}."


def _percent(row: dict, name: str, counted: str = "clips") -> str:
    """A share of the test clips, whose number stands in the column `counted`, with its interval."""
    low, high = (number(row[f"{name}_{end}"], "_percent") for end in ("low", "high"))
    clips = plural(row[counted], "test clip")
    return f"{number(row[name], '_percent')} % of {clips} (95 % interval {low} to {high})"


def _model_names(chosen: Sequence[dict], among: Sequence[dict]) -> str:
    return listed([_name(row, among) for row in chosen])


def _name(row: dict, among: Sequence[dict]) -> str:
    """A model's name, with the data set if there are several."""
    several = len({each["dataset"] for each in among}) > 1
    return f"{row['model']} on {row['dataset']}" if several else row["model"]
