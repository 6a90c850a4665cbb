"""The numbers that a comparison measures, by the names that its table shows and that a condition uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from stepaudit.errors import UsageError, did_you_mean

FAMILIES = {
    "clips_compared": "clips that both have, cut to the same pixels",
    "clips_left_out": "clips that only one has, or that differ, or have no picture",
    "newly_failed": "clips on which a row failed in B and none in A",
    "accuracy_increase": "share of the clips that are classified correctly, B less A",
    "newly_wrong": "share of the clips that A has right and B has wrong, of those that A has right",
    "target_probability_increase": "mean probability of the target, B less A",
    "need_times": "times as much of a clip as A that B needs, geometric mean over clips that need something in both",
    "needless_increase": "share of the clips of which nothing is needed, B less A",
    "median_ratio_increase": "median of the minimum preservation ratio, B less A",
    "paired_ratio_increase": "median over clips of how much more B needs than A",
    "needs_more": "share of the clips on which B needs more than A, of those that the searches decide",
    "map_rank_correlation": "mean rank correlation of A's and B's map of the same clip",
    "map_iou": "mean IoU of A's and B's map of the same clip",
    "adversarial_increase": "share of adversarial masks among the masks that were tested, B less A",
    "vacuous_increase": "share of vacuous masks, which keep what their fill keeps alone, B less A",
    "metric_increase": "mean of a metric over the frames, or clips, where both were measured, B less A",
}
NEEDS = ("need_times", "needless_increase")
RATIOS = (
    "median_ratio_increase",
    "paired_ratio_increase",
    "needs_more",
)  # of these and NEEDS without brackets: the first search
OF = {
    **dict.fromkeys(NEEDS, "[method]"),
    **dict.fromkeys(RATIOS, "[method, bound]"),
    **dict.fromkeys(("map_rank_correlation", "map_iou"), "[method, ratio]"),
    **dict.fromkeys(("adversarial_increase", "vacuous_increase"), "[method, ratio]"),
    "metric_increase": "[metric, method, ratio]",
}
FIELDS = ("lower", "upper", "a", "b", "p", "clips")


@dataclass(frozen=True)
class Quantity:
    """A number that compares A and B, with its 95 % interval over clips.

    Args:
        name: key of `FAMILIES`.
        of: its method, ratio, bound or metric.
        value: None where it is not known exactly, or not at all.
        lower: end of the interval; None if there is none.
        upper: its other end.
        a: the value of A alone, where that has a meaning.
        b: of B alone.
        at_least: lower bound of the value where searches end before the answer.
        at_most: upper bound of it.
        p: of the hypothesis that A and B do not differ.
        holm_p: the same after Holm's correction for all of this name (and metric).
        clips: that it rests on.
        note: further numbers.
        reason: why there is no value.
    """

    name: str
    of: tuple[str, ...] = ()
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    a: float | None = None
    b: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    p: float | None = None
    holm_p: float | None = None
    clips: int = 0
    note: str = ""
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(self.of)}]" if self.of else self.name

    @property
    def corrected_p(self) -> float | None:
        """The p value after Holm's correction, if there is one."""
        return self.p if self.holm_p is None else self.holm_p

    def value_range(self, field: str = "") -> tuple[float, float] | None:
        """Range of the value, or of one of `FIELDS`: both ends are equal if it is known; None if it is unknown."""
        exact = getattr(self, field or "value")
        if exact is not None:
            return exact, exact
        return None if field or self.at_least is None or self.at_most is None else (self.at_least, self.at_most)

    def why_not(self, field: str = "") -> str:
        """The reason why there is no number."""
        if self.reason:
            return self.reason
        return f"there is no interval over {self.clips} clips" if field in ("lower", "upper") else "it was not measured"


def select(quantities: Sequence[Quantity], name: str, of: Sequence[str]) -> Quantity:
    """The one quantity that a condition names; the brackets may leave out words that are the same for all.

    Args:
        name: key of `FAMILIES`, as `check_name` has it.
        of: the words in the brackets.

    Raises:
        UsageError: there is none, or there are several and none of them comes first.
    """
    named = [each for each in quantities if each.name == name]
    matches = [each for each in named if all(any(_same_word(word, other) for other in each.of) for word in of)]
    requested = f"{name}[{', '.join(of)}]" if of else name
    if not named:
        raise UsageError(f"'{name}' was not measured on both sides; `--list` shows what was")
    if not matches:
        raise UsageError(f"no '{requested}'{did_you_mean(requested, [str(each) for each in named])}")
    if len(matches) > 1 and name not in (*NEEDS, *RATIOS):
        raise UsageError(f"'{requested}' may be any of {len(matches)}; name one: {', '.join(map(str, matches))}")
    return matches[0]


def check_name(name: str) -> str:
    """Return `name` if a quantity is called so. Raises UsageError with the nearest name otherwise."""
    if name not in FAMILIES:
        raise UsageError(f"no quantity '{name}'{did_you_mean(name, list(FAMILIES))}")
    return name


def _same_word(one: str, other: str) -> bool:
    """True for equal words, and for equal numbers in any notation."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other
