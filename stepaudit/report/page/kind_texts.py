"""Sentences on kinds of clips that models fail on, and on classes that a text or a border gives away."""

from collections.abc import Sequence

from stepaudit.report.page.conclusion_texts import NAMED, Conclusion
from stepaudit.report.page.gallery_sources import CLASS
from stepaudit.report.page.grids import number
from stepaudit.report.page.summary import plural

KINDS = {  # of clips with less and with more of a property
    "brightness": ("that are darker", "that are brighter"),
    "contrast": ("that have less contrast", "that have more contrast"),
    "motion": ("that have less motion", "that have more motion"),
    "cuts": ("that have fewer cuts", "that have more cuts"),
    "frozen_frames": ("that repeat fewer frames", "that repeat more frames"),
    "borders": ("that have narrower flat borders", "that have wider flat borders"),
    "still_edges": ("that have less text or other still edges", "that have more text or other still edges"),
    "box_share": ("that have smaller boxes", "that have larger boxes"),
    "length": ("that are shorter", "that are longer"),
    "source_pixels": ("that come from smaller pictures", "that come from larger pictures"),
}
FAULTS = {
    "wrong answers": "{model} is wrong more often",
    "share needed": "{model} needs a larger share",
    "map on the object": "{model}'s maps lie less on the object",
}
ON_OBJECT = "map on the object"  # the outcome of which less is worse
CUES = {
    "frozen_frames": "repeated frames",
    "borders": "flat borders",
    "still_edges": "text or other edges that never change",
    "source_pixels": "the size of its videos",
}


def kinds_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Kinds of clips on which models do worse than on others of their class; None if none is shown.

    Args:
        rows: of `kinds_of_clips`, the clearest first.
    """
    shown = [row for row in rows if row["answer"] == "yes" and row["less_percent"] != row["more_percent"]]
    if not shown:
        return None
    model, kind = _model(shown[0], rows), _kind(shown[0])
    fault = f"{FAULTS[shown[0]['outcome']].format(model=model)} {_of_or_on(shown[0])}"
    lead = f"{fault} clips {kind} than most of their class."
    others = [
        f"{FAULTS[row['outcome']].format(model=_model(row, rows))} {_of_or_on(row)} clips {_kind(row)}"
        for row in shown[1:NAMED]
    ]
    rest = f" Also shown: {'; '.join(others)}." if others else ""
    more = f" The table has {len(shown) - NAMED} more." if len(shown) > NAMED else ""
    cause = "They go together; the one need not cause the other."
    return Conclusion(lead, f"{_numbers(shown[0])} {_count(rows)} {cause}{rest}{more}", "kinds_of_clips")


def cues_finding(rows: Sequence[dict]) -> Conclusion | None:
    """Classes that can be recognised without their action; None if none is shown.

    Args:
        rows: of `class_cues`, the greatest difference from chance first.
    """
    shown = [row for row in rows if row["answer"] == "yes"]
    if not shown:
        return None
    row = shown[0]
    lead = f"{row['label']} can be recognised by {CUES[row['property']]}."
    others = [f"{each['label']} by {CUES[each['property']]}" for each in shown[1:NAMED]]
    rest = f" Also shown: {', '.join(others)}." if others else ""
    chance = f"A video of it has {'more' if row['auc_percent'] > 50 else 'less'} than one of another class with chance"
    share = number(max(row["auc_percent"], 100 - row["auc_percent"]), "_percent")
    numbers = f"{chance} {share} % ({_clips(row)}). {_count(rows)} A model may answer by this instead of the action."
    return Conclusion(lead, f"{numbers}{rest}", "class_cues", CLASS)


def _of_or_on(row: dict) -> str:
    return "of" if row["outcome"] == "share needed" else "on"


def _kind(row: dict) -> str:
    """The kind of clips with the worse outcome."""
    return KINDS[row["property"]][_more_is_worse(row)]


def _more_is_worse(row: dict) -> bool:
    return (row["more_percent"] > row["less_percent"]) != (row["outcome"] == ON_OBJECT)


def _numbers(row: dict) -> str:
    worse, better = ("more", "less") if _more_is_worse(row) else ("less", "more")
    unit = " points more than an even map" if row["outcome"] == ON_OBJECT else " %"
    name = row["outcome"].capitalize()
    return f"{name}: {_half(row, worse, unit)} against {_half(row, better, unit)} of the others ({_clips(row)})."


def _half(row: dict, half: str, unit: str) -> str:
    """Outcome of one half of the clips (`more` or `less` of the property) with its interval."""
    value = f"{number(row[f'{half}_percent'], '_percent')}{unit}"
    low, high = row[f"{half}_percent_low"], row[f"{half}_percent_high"]
    if low is None or high is None:
        return value
    return f"{value} (95 % interval {number(low, '_percent')} to {number(high, '_percent')})"


def _clips(row: dict) -> str:
    return f"{plural(row['clips'], 'clip')} of {plural(row['videos'], 'video')}"


def _count(rows: Sequence[dict]) -> str:
    return f"Holm's correction over {plural(len(rows), 'question')}."


def _model(row: dict, rows: Sequence[dict]) -> str:
    several = len({each["dataset"] for each in rows}) > 1
    return f"{row['model']} on {row['dataset']}" if several else row["model"]
