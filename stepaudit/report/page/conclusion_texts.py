"""Sentences of a report's findings from rows of its views; each claims no more than its interval."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stepaudit.errors import some
from stepaudit.report.page.gallery_sources import ADVERSARIAL, SMALLEST
from stepaudit.report.page.grids import number
from stepaudit.report.page.summary import plural

NAMED = 3  # names in a sentence; the others are counted


@dataclass(frozen=True)
class Conclusion:
    """A finding: its conclusion, the numbers for it, the report with these numbers, and a rule of the gallery.

    A clip of that rule can stand beside the finding; without a rule none does.
    """

    lead: str
    numbers: str
    section: str
    rule: str = ""


def gains_finding(rows: Sequence[dict], does: str) -> Conclusion:
    """Comparison of methods with the best pointer that ignores the model.

    Args:
        rows: of `method_gains`, one metric, the greatest gain first.
        does: the task of the metric, in the infinitive, with a comparative: "point at the object more often".
    """
    compared = [row for row in rows if row["answer"]]
    if not compared:
        lead = f"Whether methods {does} than a trivial pointer was not measured."
        numbers = "No pointer that ignores the model, such as center, was measured on the same frames."
        return Conclusion(lead, numbers, "method_gains")
    above, below = ([row for row in compared if row["answer"] == answer] for answer in ("yes", "no"))
    missed = len(compared) - len(above)
    if not above:
        lead = f"No method was shown to {does} than the best trivial pointer."
    elif missed:
        lead = (
            f"Shown to {does} than the best trivial pointer: {_use_names(above, compared)}; not shown of "
            f"{plural(missed, 'other')}{f', of which {len(below)} {_are(len(below))} clearly below it' * bool(below)}."
        )
    else:
        lead = f"All methods that could be compared {does} than the best trivial pointer."
    others = len(compared) - len(above) - len(below)
    rest = f"; for {others} the difference is not clear" if others else ""
    counts = (
        f"By {', '.join(sorted({row['metric'] for row in compared}))}, of {plural(len(compared), 'combination')} of "
        f"method, ratio and model {len(above)} {_are(len(above))} clearly "
        f"above it and {len(below)} clearly below{rest} (Holm's correction over all)."
    )
    least = f"; least: {_gain(compared[-1], compared)}" if compared[1:] else ""
    return Conclusion(lead, f"{counts} Greatest gain: {_gain(compared[0], compared)}{least}.", "method_gains", SMALLEST)


def masks_finding(classes: Counter, place: dict, shares: Sequence[dict]) -> Conclusion:
    """Numbers of masks that are evidence, and that are an accident of the optimiser.

    Args:
        classes: number of masks of each class of `mask_classes`; None: without a class.
        place: of the masks that were put to the question, how many are `annotated`; of the focused ones, how many lie
            on the annotation clearly more than by chance (`more`), and the means of the share `inside` and of the
            share of the clip that the annotation marks (`marked`).
        shares: rows of `evidence`, the greatest share of adversarial masks first.
    """
    known = classes.total() - classes[None]
    asked = known - classes["vacuous"] - classes["insufficient"]
    if not asked:
        lead = "No mask could be put to the question whether it is evidence."
    else:
        lead = (
            f"Of {plural(asked, 'mask')} that could be put to the question {classes['adversarial']} "
            f"{_are(classes['adversarial'])} adversarial{_pointing(classes['focused'], asked, place['annotated'])}."
        )
    texts = [
        _annotation_sentence(classes["focused"], place),
        f"{classes['vacuous']} of all {known} masks prove nothing, for their fill alone leaves the answer (vacuous)."
        * bool(classes["vacuous"]),
        f"{classes['insufficient']} do not keep the target." * bool(classes["insufficient"]),
        f"{plural(classes[None], 'mask')} could not be measured." * bool(classes[None]),
        _extremes([row for row in shares if row["clips"]]),
    ]
    return Conclusion(lead, " ".join(filter(None, texts)), "evidence", ADVERSARIAL)


def _pointing(focused: int, asked: int, annotated: int) -> str:
    """End of a sentence: how many of the masks point to the annotation, if there is one."""
    if not annotated:
        return "; where the others should lie is not annotated"
    most = "" if annotated == asked else f" of the {annotated} with an annotation"
    return f" and {focused}{most} {'points' if focused == 1 else 'point'} to the annotation"


def _annotation_sentence(focused: int, place: dict) -> str:
    """Place of the masks that point to the annotation: not always for the most part on it."""
    if not focused:
        return ""
    fewer = focused - place["more"]
    texts = [
        f"{place['more']} {'lies' if place['more'] == 1 else 'lie'} on it clearly more than by chance"
        * bool(place["more"]),
        f"{fewer} {'does' if fewer == 1 else 'do'} not, but without the part on it the target is lost" * bool(fewer),
    ]
    mean = f"{_percent(place['inside'])} of such a mask and {_percent(place['marked'])} of the clip lie inside"
    return f"Of those that point to the annotation {', '.join(filter(None, texts))}; in the mean {mean}."


def changes_finding(rows: Sequence[dict]) -> Conclusion:
    """Change of the maps when the model's weights are random.

    Args:
        rows: of `sanity_randomisation` with an answer and a correlation, the one whose maps change least first.
    """
    same = [row for row in rows if row["answer"] != "yes"]
    row = rows[0]
    least_random = min(each["randomised"] for each in rows)
    random = "the model's weights" if least_random == 1 else f"{_percent(least_random)} of the model's layers or more"
    interval = f"95 % interval {number(row['rank_low'])} to {number(row['rank_high'])}; {_clips(row['clips'])}"
    least = (
        f"Least changes {_use_text(row, rows)}: rank correlation {number(row['rank'])} with the trained model's maps "
        f"({interval}); below {number(row['threshold'])} counts as changed."
    )
    if not same:
        return Conclusion(
            f"All maps that were compared change when {random} are random.", least, "sanity_randomisation"
        )
    lead = f"Not shown to change when {random} are random: the maps of {_use_names(same, rows)}."
    counts = f"{len(same)} of {len(rows)} combinations of method, ratio and model."
    return Conclusion(lead, f"{counts} {least}", "sanity_randomisation")


def failures_finding(asked: int, lost: int, partly: int, causes: Sequence[dict]) -> Conclusion:
    """Number of test clips that failed, and the reasons.

    Args:
        asked: number of test clips.
        lost: number of those that failed, for a reason of their own, and that no method explained.
        partly: number of those that failed with some model or method, and that another explained.
        causes: rows with the number of `clips` of a `status`, `before` the methods or in a later stage.
    """
    if not lost + partly:
        return Conclusion(f"None of {_clips(asked, 'test')} failed.", "", "coverage")
    early, late = ([row for row in causes if row["before"] is before] for before in (True, False))
    texts = [
        f"Before the methods: {_statuses(early)}." if early else "",
        f"Later: {_statuses(late)}." if late else "",
        "Missing annotations, maps without a peak, and methods that do not suit a model are not counted here.",
    ]
    whole = f"{lost} of {_clips(asked, 'test')} failed" + (f", and {partly} in part" if partly else "")
    lead = f"{whole}." if lost else f"{partly} of {_clips(asked, 'test')} failed in part."
    return Conclusion(lead, " ".join(filter(None, texts)), "failures")


def _statuses(causes: Sequence[dict]) -> str:
    return ", ".join(f"{row['clips']} {row['status']}" for row in causes)


def _extremes(shares: Sequence[dict]) -> str:
    """The largest shares of adversarial masks and of masks that point to the annotation."""
    if not shares:
        return ""
    annotated = [row for row in shares if row["annotated_clips"]]
    best = max(annotated, key=lambda row: row["focused_percent"], default=None)
    focused = f" The largest share pointing to the annotation has {_use_text(best, shares)}: " if best else ""
    focused += f"{_rate(best, 'focused', 'annotated_clips')}." if best else ""
    worst = shares[0]
    if worst["adversarial_percent"] > 0:
        worst_rate = _rate(worst, "adversarial", "clips")
        return f"The largest share of adversarial masks has {_use_text(worst, shares)}: {worst_rate}.{focused}"
    widest = max(shares, key=lambda row: row["adversarial_percent_high"])
    most = f"{number(widest['adversarial_percent_high'], '_percent')} % of the masks"
    few = f"{_use_text(widest, shares)}, {_clips(widest['clips'])}"
    return f"So few clips leave room for {most} to be adversarial ({few}).{focused}"


def _use_names(rows: Sequence[dict], among: Sequence[dict]) -> str:
    """Methods of rows with their ratios and models, the first ones by name; see `_use_text`."""
    return some(dict.fromkeys(_use_text(row, among) for row in rows), NAMED)


def _gain(row: dict, among: Sequence[dict]) -> str:
    ends = f"{number(100 * row['gain_low'], '_percent')} to {number(100 * row['gain_high'], '_percent')}"
    value = number(100 * row["gain"], "_percent")
    clips = _clips(row["gain_clips"])
    return f"{_use_text(row, among)}, {value} points against {row['best_floor']} (95 % interval {ends}; {clips})"


def _use_text(row: dict, among: Sequence[dict]) -> str:
    """Name of a row: method, ratio and model, and what else differs among the rows that it is one of."""
    ratio = "" if row["ratio"] is None else f" (ratio {row['ratio']:g})"
    others = [f", {row[key]}" for key in ("dataset", "metric") if len({each.get(key) for each in among}) > 1]
    return f"{row['method']}{ratio} on {row['model']}{''.join(others)}"


def _rate(row: dict, name: str, counted: str) -> str:
    low, high = (number(row[f"{name}_percent_{end}"], "_percent") for end in ("low", "high"))
    share = number(row[f"{name}_percent"], "_percent")
    return f"{share} % of {_clips(row[counted])} (95 % interval {low} to {high})"


def _percent(share: float) -> str:
    return f"{number(100 * share)} %"


def _clips(count: int, kind: str = "") -> str:
    return plural(count, f"{kind} clip".strip())


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
