"""Sentences on how much of a clip models need, from rows of `need_estimates` and `need_comparisons`."""

from collections.abc import Iterator, Sequence

from stepaudit.report.page.conclusion_texts import NAMED, Conclusion
from stepaudit.report.page.gallery_sources import MEDIAN
from stepaudit.report.page.summary import plural
from stepaudit.store.formats import two_digits

ALPHA = 0.05
ONLY_RIGHT = "Clips that a model gets wrong are left out."
ANSWERS = "What a model answers is explained, right or wrong."


def needs_finding(needs: Sequence[dict]) -> Conclusion:
    """The need of models that are not compared.

    Args:
        needs: rows of `need_estimates` for the answers that count (`asked_answers`), with the `verdict` of `needs`, the
            `target` of the configuration, and the number of test clips that are `labelled`; at least one.
    """
    row, *others = needs
    on = f" on {row['dataset']}" if others else ""
    if row["need"] is None:
        lead = f"{row['model']} needs nothing of any clip{on}."
    elif row["verdict"]:
        lead = f"{row['model']} shows no localised evidence{on}."
    else:
        lead = f"{row['model']} needs {percent(row['need'])} of a clip{on}."
    return Conclusion(lead, _needs_of_models(needs), "needs", MEDIAN)


def need_pairs_finding(pairs: Sequence[dict], needs: Sequence[dict]) -> Conclusion:
    """Comparison of models on the clips that need something in both.

    Args:
        pairs: rows of `need_comparisons` for the same answers, the clearest first; at least one.
        needs: of these models, see `needs_finding`.
    """
    silent = {(row["dataset"], row["model"]) for row in needs if row["verdict"] or row["need"] is None}
    compared = [
        pair for pair in pairs if not {(pair["dataset"], pair[key]) for key in ("model", "other_model")} & silent
    ]
    clear = [pair for pair in compared if pair["holm_p"] is not None and pair["holm_p"] < ALPHA]
    if not compared:
        names = ", ".join(dict.fromkeys(row["model"] for row in needs if (row["dataset"], row["model"]) in silent))
        lead = f"Models cannot be compared by what they need: no localised evidence, or no need, in {names}."
    elif not clear and not pairs[1:]:
        names = f"{compared[0]['model']} or {compared[0]['other_model']}"
        lead = f"The clips do not decide whether {names} needs less of a clip."
    elif not clear:
        lead = "The clips do not decide which model needs least of a clip."
    else:
        more = _other_pairs(len(clear) - 1, [pair for pair in pairs if pair not in clear])
        model, factor, other = _greater_need(clear[0])
        lead = f"{model} needs {factor} of a clip as {other}{more}."
    texts = [_pair(pair) for pair in (clear or compared)[:NAMED]]
    if any(_explains_answers(row) for row in needs):
        texts.append("Clips to which the two give different answers are not compared.")
    return Conclusion(lead, " ".join([*texts, _needs_of_models(needs)]), "need_pairs", MEDIAN)


def _other_pairs(clear: int, unclear: Sequence[dict]) -> str:
    """End of a sentence: the number of further pairs that are clear, or the pairs that are not."""
    if clear:
        return f"; {clear} of {plural(clear + len(unclear), 'more pair')} also clear"
    if len(unclear) > NAMED:
        return f"; {plural(len(unclear), 'more pair')} not clear"
    names = ", ".join(f"{pair['model']} and {pair['other_model']}" for pair in unclear)
    return f"; not clear between {names}" if names else ""


def percent(share: float, digits: int = 2) -> str:
    """A share of a clip in percent, to two digits or whole percents."""
    value = 100 * share
    return f"{value:.{max(0, digits - len(str(int(value))))}f} %" if value >= 1 else f"{value:.{digits}g} %"


def times(factor: float) -> str:
    """A factor in words."""
    return f"{factor:.1f} times" if factor < 10 else f"{factor:.0f} times"


def _greater_need(pair: dict) -> tuple[str, str, str]:
    """The model that needs more, how many times as much, and the other."""
    if pair["times"] >= 1:
        return pair["model"], f"{times(pair['times'])} as much", pair["other_model"]
    return pair["other_model"], f"{times(1 / pair['times'])} as much", pair["model"]


def _pair(pair: dict) -> str:
    """A pair with its interval, its test and its clips."""
    if pair["times"] is None:
        return f"No clip needs something in both {pair['model']} and {pair['other_model']}."
    one, much, other = _greater_need(pair)
    ends = [pair["times_low"], pair["times_high"]]
    clips = plural(pair["times_clips"], "clip")
    if None in ends:
        return f"{one} needs {much} as {other} on {clips}, too few for an interval."
    low, high = ends if pair["times"] >= 1 else (1 / ends[1], 1 / ends[0])
    return (
        f"{one} needs {much} as {other} (95 % interval {two_digits(low)} to {two_digits(high)}; {_p_text(pair)}; "
        f"{clips} that need something in both)."
    )


def _p_text(pair: dict) -> str:
    return "p < 0.001" if pair["holm_p"] < 0.001 else f"p = {pair['holm_p']:.2g}"


def _needs_of_models(needs: Sequence[dict]) -> str:
    rest = f" {plural(len(needs) - NAMED, 'more row')} in the table." if len(needs) > NAMED else ""
    several = len({row["dataset"] for row in needs}) > 1
    return " ".join([*(_need_of_model(row, several) for row in needs[:NAMED]), _counted_clips_sentence(needs)]) + rest


def _explains_answers(row: dict) -> bool:
    return row["target"] == "predicted" or not row["labelled"]


def _counted_clips_sentence(needs: Sequence[dict]) -> str:
    """Clips that count: those that a model has right, or all where its answers are explained."""
    answers = [row for row in needs if _explains_answers(row)]
    if not answers:
        return ONLY_RIGHT
    if len(answers) < len(needs):
        names = ", ".join(dict.fromkeys(row["dataset"] for row in answers))
        return f"{ONLY_RIGHT} Not so on {names}: what a model answers is explained there."
    known = any(row["labelled"] for row in answers)
    return ANSWERS if known else "What a model answers is explained."


def _need_of_model(row: dict, several: bool) -> str:
    """The need of a model, its controls, and the clips that need nothing."""
    name = f"{row['model']} on {row['dataset']}" if several else row["model"]
    nothing = round(row["vacuous"] * row["clips"])
    empty = f"{nothing} of {plural(row['clips'], 'clip')} need nothing"
    if row["need"] is None:
        return f"{name}: {empty}; the answer is there without their content."
    parts = [
        f"{name} needs {percent(row['need'])} of a clip{_interval(row)}",
        *([empty] if nothing else []),
        *(f"random pieces would have to be {factor} as large" for factor in _controls(row, "excess")),
        *(f"the runner-up class needs {factor} as much" for factor in _controls(row, "specificity")),
    ]
    return f"{'; '.join(parts)}.{_verdict(row)}"


def _interval(row: dict) -> str:
    if row["need_low"] is None or row["need_high"] is None:
        return f" ({plural(row['need_clips'], 'clip')}, too few for an interval)"
    clips = plural(row["need_clips"], "clip")
    return f" (95 % interval {percent(row['need_low'])} to {percent(row['need_high'])}; {clips})"


def _controls(row: dict, name: str) -> Iterator[str]:
    """A factor, if it is known, and whether its interval leaves out 1."""
    if row[name] is None:
        return
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    clear = low is not None and high is not None and (low > 0 or high < 0)
    yield f"{times(2 ** row[name])}{'' if clear else ' (not clear)'}"


def _verdict(row: dict) -> str:
    """The reason why what a model needs says nothing, if it does not."""
    if not row["verdict"]:
        return ""
    if row["excess_low"] is not None and row["excess_low"] <= 0:
        return " No localised evidence: random pieces are not shown to need more."
    return " No localised evidence: the runner-up class needs no more on half of the clips."
