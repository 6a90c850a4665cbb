"""Sentences of a report's findings from rows of its views; each claims no more than its interval."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stepaudit.report.page.grids import number
from stepaudit.report.page.summary import plural

NAMED = 3  # names in a sentence; the others are counted


@dataclass(frozen=True)
class Conclusion:
    """A finding: its conclusion, the numbers for it, and the report with these numbers."""

    lead: str
    numbers: str
    section: str


def of_pair(pair: dict, needs: Sequence[dict]) -> Conclusion:
    """Comparison of the minimum ratios of two models.

    Args:
        pair: row of `model_pairs`, with `both_left` and `both_right`: clips whose searches are both left- (right-)
            censored.
        needs: rows of `min_ratio` of both models.
    """
    less, more, decided = pair["less_clips"], pair["more_clips"], pair["less_clips"] + pair["more_clips"]
    one, other = (pair["model"], pair["other_model"]) if less >= more else (pair["other_model"], pair["model"])
    texts = [_undecided(pair), _medians([row for row in needs if row["model"] in (one, other)])]
    share = f"on {max(less, more)} of {_clips(decided)} that tell ({_share(pair)}; {_p(pair)})" if decided else ""
    question = f"whether {pair['model']} or {pair['other_model']} needs less"
    if not decided:
        lead = f"No clip tells {question}."
    elif decides(pair):
        lead, texts = (
            f"{one} needs less of a clip than {other}.",
            [f"It needs less {share}.", _difference(pair), *texts],
        )
    else:
        lead, texts = f"The clips do not tell {question}.", [f"{one} does {share}.", *texts]
    return Conclusion(lead, " ".join(filter(None, texts)), "model_pairs")


def decides(pair: dict) -> bool:
    """True if the exact test after Holm's correction and the interval of the share decide between two models."""
    low, high = pair["less_percent_low"], pair["less_percent_high"]
    return low is not None and pair["p_holm"] < 0.05 and (low > 50 or high < 50)


def of_pairs(pairs: Sequence[dict]) -> Conclusion:
    """Comparison of the minimum ratios of several models: the number of decided pairs, and the clearest of them."""
    clear = [pair for pair in pairs if decides(pair)]
    counts = f"Of {len(pairs)} pairs of models (each data set by itself) {len(clear)} {_are(len(clear))} decided."
    silent = [pair for pair in pairs if not pair["less_clips"] + pair["more_clips"]]
    rest = f" In {len(silent)} no clip tells: the searches are censored." if silent else ""
    if not clear:
        return Conclusion("The clips do not tell which model needs least.", f"{counts}{rest}", "model_pairs")
    texts = [_clear(pair) for pair in clear]
    lead = texts[0][: texts[0].index(" (")] + (f", and {len(clear) - 1} more pairs are clear." if clear[1:] else ".")
    return Conclusion(lead, f"{counts} {'; '.join(texts[:NAMED])}.{rest}", "model_pairs")


def of_needs(needs: Sequence[dict]) -> Conclusion:
    """Minimum ratio of one model.

    Args:
        needs: rows of `min_ratio`.
    """
    row, *others = needs
    of = f"{row['model']} on {row['dataset']}" if others else row["model"]
    if row["median_ratio"] is None:
        least = _percent(row["largest_ratio"])
        lead = f"Half of the clips or more need more than {least} of the clip to keep the answer of {of}."
    else:
        most = "at most " if row["left_censored"] * 2 >= row["clips"] else ""
        lead = f"Half of the clips keep the answer of {of} with {most}{_percent(row['median_ratio'])} of the clip."
    return Conclusion(lead, _medians(needs[:NAMED]), "min_ratio")


def of_gains(rows: Sequence[dict], does: str) -> Conclusion:
    """Comparison of methods with the best pointer that ignores the model.

    Args:
        rows: of `method_gains`, one metric, the greatest gain first.
        does: the task of the metric, in the infinitive.
    """
    compared = [row for row in rows if row["answer"]]
    if not compared:
        lead = f"Whether methods {does} more often than a trivial pointer was not measured."
        return Conclusion(lead, "No method of the configuration is a trivial pointer, such as center.", "method_gains")
    above, below = ([row for row in compared if row["answer"] == answer] for answer in ("yes", "no"))
    missed = [row for row in compared if row["answer"] != "yes"]
    if not above:
        lead = f"No method was shown to {does} more often than the best trivial pointer."
    elif missed:
        lead = f"Not shown to {does} more often than the best trivial pointer: {_named(missed)}."
    else:
        lead = f"All methods {does} more often than the best trivial pointer."
    counts = (
        f"Of {len(compared)} combinations of method, ratio and model {len(above)} {_are(len(above))} clearly above it "
        f"and {len(below)} clearly below; the others cannot be told apart from it (Holm's correction over all)."
    )
    least = f"; least: {_gain(compared[-1])}" if compared[1:] else ""
    return Conclusion(lead, f"{counts} Greatest gain: {_gain(compared[0])}{least}.", "method_gains")


def of_masks(classes: Counter, shares: Sequence[dict]) -> Conclusion:
    """Numbers of masks that are evidence, and that are an accident of the optimiser.

    Args:
        classes: number of masks of each class of `mask_classes`; None: without a class.
        shares: rows of `evidence`, the greatest share of adversarial masks first.
    """
    known = classes.total() - classes[None]
    asked = known - classes["vacuous"] - classes["insufficient"]
    if not asked:
        lead = "No mask could be put to the question whether it is evidence."
    else:
        lead = (
            f"Of {plural(asked, 'mask')} that could be put to the question {classes['adversarial']} "
            f"{_are(classes['adversarial'])} adversarial and {classes['focused']} {_are(classes['focused'])} "
            "evidence on the annotation."
        )
    texts = [
        f"{classes['vacuous']} of all {known} masks prove nothing, for their fill alone leaves the answer (vacuous)."
        * bool(classes["vacuous"]),
        f"{classes['insufficient']} do not keep the answer." * bool(classes["insufficient"]),
        f"{plural(classes[None], 'mask')} could not be measured." * bool(classes[None]),
        _extremes([row for row in shares if row["clips"]]),
    ]
    return Conclusion(lead, " ".join(filter(None, texts)), "evidence")


def of_changes(rows: Sequence[dict]) -> Conclusion:
    """Change of the maps when the model's weights are random.

    Args:
        rows: of `sanity_randomisation` with an answer, the one whose maps change least first.
    """
    same = [row for row in rows if row["answer"] != "yes"]
    row = rows[0]
    interval = f"95 % interval {number(row['rank_low'])} to {number(row['rank_high'])}; {_clips(row['clips'])}"
    least = (
        f"Least changes {_of(row)}: rank correlation {number(row['rank'])} with the trained model's maps ({interval}); "
        f"below {number(row['threshold'])} counts as changed."
    )
    if not same:
        return Conclusion("All maps change when the model's weights are random.", least, "sanity_randomisation")
    lead = f"Not shown to change when the model's weights are random: the maps of {_named(same)}."
    counts = f"{len(same)} of {len(rows)} combinations of method, ratio and model."
    return Conclusion(lead, f"{counts} {least}", "sanity_randomisation")


def of_failures(asked: int, lost: int, causes: Sequence[dict]) -> Conclusion:
    """Number of test clips that failed, and the reasons.

    Args:
        asked: number of test clips.
        lost: number of those that failed in any stage, for a reason of their own.
        causes: rows with the number of `clips` of a `status`, `before` they could be explained or in a later stage.
    """
    if not lost:
        return Conclusion(f"None of {_clips(asked, 'test')} failed.", "", "coverage")
    early = [f"{row['clips']} {row['status']}" for row in causes if row["before"]]
    late = [f"{row['clips']} {row['status']}" for row in causes if not row["before"]]
    texts = [
        f"Before any method saw them: {', '.join(early)}." if early else "",
        f"Later, in part: {', '.join(late)}." if late else "",
        "What lacks an annotation, or a method that does not suit a model, is not counted here.",
    ]
    lead = f"{lost} of {_clips(asked, 'test')} failed{'' if early else ' in part'}."
    return Conclusion(lead, " ".join(filter(None, texts)), "failures")


def _clear(pair: dict) -> str:
    less, more = pair["less_clips"], pair["more_clips"]
    one, other = (pair["model"], pair["other_model"]) if less > more else (pair["other_model"], pair["model"])
    clips = f"on {max(less, more)} of {_clips(less + more)} that tell, {_share(pair)}, {pair['dataset']}"
    return f"{one} needs less than {other} ({clips})"


def _share(pair: dict) -> str:
    """Interval of the share of the model that needs less more often."""
    low, high = pair["less_percent_low"], pair["less_percent_high"]
    if pair["less_clips"] < pair["more_clips"]:
        low, high = 100 - high, 100 - low
    return f"95 % interval {number(low, '_percent')} to {number(high, '_percent')} %"


def _p(pair: dict) -> str:
    return "p < 0.001" if pair["p_holm"] < 0.001 else f"p = {pair['p_holm']:.2g}"


def _difference(pair: dict) -> str:
    low, high = pair["median_difference_ratio_low"], pair["median_difference_ratio_high"]
    if low is None or high is None:
        return ""
    ends = sorted(abs(end) for end in (low, high)) if low * high > 0 else [low, high]
    size = _percent(abs(pair["median_difference_ratio"]))
    return (
        f"Where both are known ({_clips(pair['known_clips'])}) the median difference is {size} of the clip "
        f"({_percent(ends[0])} to {_percent(ends[1])})."
    )


def _undecided(pair: dict) -> str:
    """Number of undecided clips, and the reasons."""
    if not pair["undecided_clips"]:
        return ""
    why = []
    if pair["both_left"]:
        why.append(f"on {pair['both_left']} already the smallest mask keeps the answer of both (left-censored)")
    if pair["both_right"]:
        why.append(f"on {pair['both_right']} no mask keeps the answer of either (right-censored)")
    reasons = f": {', '.join(why)}" if why else ", for one search ended before the answer"
    return f"{pair['undecided_clips']} of {_clips(pair['clips'])} leave it open{reasons}."


def _medians(needs: Sequence[dict]) -> str:
    """Median ratios of models with their intervals and numbers of censored clips."""
    texts = [
        f"{row['model']} {_median(row)}, {censored} of {_clips(row['clips'])} censored"
        for row in needs
        for censored in [row["left_censored"] + row["right_censored"]]
    ]
    return f"Half of the clips keep the answer with so much of the clip: {'; '.join(texts)}." if texts else ""


def _median(row: dict) -> str:
    """A median ratio with its interval; an upper bound if half of the clips are left-censored."""
    median, low, high = (row[f"median_ratio{end}"] for end in ("", "_low", "_high"))
    if median is None:
        return f"more than {_percent(row['largest_ratio'])}"
    if row["left_censored"] * 2 >= row["clips"]:
        return f"at most {_percent(median)}" + (f" (95 % interval: no more than {_percent(high)})" if high else "")
    ends = f" (95 % interval {_percent(low)} to {_percent(high)})" if low is not None and high is not None else ""
    return f"{_percent(median)}{ends}"


def _extremes(shares: Sequence[dict]) -> str:
    """The largest shares of adversarial masks and of masks on the annotation."""
    if not shares:
        return ""
    best = max(shares, key=lambda row: row["focused_percent"])
    focused = f"The largest share on the annotation has {_of(best)}: {_rate(best, 'focused')}."
    worst = shares[0]
    if worst["adversarial_percent"] > 0:
        return f"The largest share of adversarial masks has {_of(worst)}: {_rate(worst, 'adversarial')}. {focused}"
    widest = max(shares, key=lambda row: row["adversarial_percent_high"])
    most = f"{number(widest['adversarial_percent_high'], '_percent')} % of the masks"
    return f"So few clips leave room for {most} to be adversarial ({_of(widest)}, {_clips(widest['clips'])}). {focused}"


def _named(rows: Sequence[dict]) -> str:
    """Methods of rows with their models, the first ones by name."""
    models_of: dict[str, list[str]] = {}
    for row in rows:
        models_of.setdefault(row["method"], []).append(row["model"])
    texts = [f"{method} ({', '.join(sorted(set(models)))})" for method, models in models_of.items()]
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return f"{', '.join(texts[:NAMED])}{more}"


def _gain(row: dict) -> str:
    ends = f"{number(100 * row['gain_low'], '_percent')} to {number(100 * row['gain_high'], '_percent')}"
    value = number(100 * row["gain"], "_percent")
    return f"{_of(row)}, {value} points against {row['best_floor']} (95 % interval {ends}; {_clips(row['gain_clips'])})"


def _of(row: dict) -> str:
    ratio = "" if row["ratio"] is None else f" (ratio {row['ratio']:g})"
    return f"{row['method']}{ratio} on {row['model']}"


def _rate(row: dict, name: str) -> str:
    low, high = (number(row[f"{name}_percent_{end}"], "_percent") for end in ("low", "high"))
    return f"{number(row[f'{name}_percent'], '_percent')} % of {_clips(row['clips'])} (95 % interval {low} to {high})"


def _percent(share: float) -> str:
    return f"{number(100 * share)} %"


def _clips(count: int, kind: str = "") -> str:
    return plural(count, f"{kind} clip".strip())


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
