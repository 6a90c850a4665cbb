"""What a comparison measures, by name: the numbers that the table shows and that a condition may ask for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepaudit.errors import UsageError, did_you_mean

FAMILIES = {
    "clips_compared": "clips that both have, cut to the same pixels",
    "clips_left_out": "clips that only one has, or that differ, or have no picture",
    "newly_failed": "clips on which a row failed in B and none in A",
    "accuracy_increase": "share of the clips that are classified correctly, B less A",
    "newly_wrong": "share of the clips that A has right and B has wrong, of those that A has right",
    "target_probability_increase": "mean probability of the target, B less A",
    "median_ratio_increase": "median of the minimum preservation ratio, B less A",
    "paired_ratio_increase": "median over clips of how much more B needs than A",
    "needs_more": "share of the clips on which B needs more than A, of those that the searches decide",
    "map_rank_correlation": "mean rank correlation of A's and B's map of the same clip",
    "map_iou": "mean IoU of A's and B's map of the same clip",
    "adversarial_increase": "share of adversarial masks among those put to the question, B less A",
    "vacuous_increase": "share of vacuous masks, which keep what their fill keeps alone, B less A",
    "metric_increase": "mean of a metric over the frames, or clips, where both were measured, B less A",
}
OF = {
    "median_ratio_increase": "[method, bound]",
    "paired_ratio_increase": "[method, bound]",
    "needs_more": "[method, bound]",
    "map_rank_correlation": "[method, ratio]",
    "map_iou": "[method, ratio]",
    "adversarial_increase": "[method, ratio]",
    "vacuous_increase": "[method, ratio]",
    "metric_increase": "[metric, method, ratio]",
}
FIRST_COUNTS = ("median_ratio_increase", "paired_ratio_increase", "needs_more")
FIELDS = ("lower", "upper", "a", "b", "p", "clips")


@dataclass(frozen=True)
class Quantity:
    """A number that compares A and B, with its 95 % interval over clips.

    Args:
        name: key of `FAMILIES`.
        of: what it is of, such as a method and a bound.
        value: None where it is not known exactly, or not at all.
        lower: end of the interval; None if there is none.
        upper: its other end.
        a: the same of A alone, where that has a meaning.
        b: of B alone.
        at_least: where searches end before the answer, all that is known: the value is no less, …
        at_most: … and no more.
        p: of the hypothesis that A and B do not differ.
        holm_p: the same after Holm's correction for all of this name (and metric).
        clips: that it rests on.
        note: what the numbers do not say.
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

    def bounds(self, field: str = "") -> tuple[float, float] | None:
        """Between which numbers the value, or one of `FIELDS`, lies: twice the same if it is known; None: unknown."""
        if field:
            found = getattr(self, field)
            return None if found is None else (found, found)
        if self.value is not None:
            return self.value, self.value
        return None if self.at_least is None or self.at_most is None else (self.at_least, self.at_most)

    def why_not(self, field: str = "") -> str:
        """Why there is no number."""
        if self.reason:
            return self.reason
        return f"there is no interval over {self.clips} clips" if field in ("lower", "upper") else "it was not measured"


def known(quantity: Quantity, value: float) -> Quantity:
    """The same with a value that is known exactly."""
    return replace(quantity, value=value, at_least=value, at_most=value)


def chosen(quantities: Sequence[Quantity], name: str, of: Sequence[str]) -> Quantity:
    """The one quantity that a condition names: what stands in brackets may leave out what goes without saying.

    Raises:
        UsageError: there is no such one, or there are several and it is not clear which counts.
    """
    check_name(name)
    found = [each for each in quantities if each.name == name]
    fitting = [each for each in found if all(any(_same(part, other) for other in each.of) for part in of)]
    asked = f"{name}[{', '.join(of)}]" if of else name
    if not found:
        raise UsageError(f"'{name}' was not measured on both sides; `--list` shows what was")
    if not fitting:
        raise UsageError(f"no '{asked}'{did_you_mean(asked, [str(each) for each in found])}")
    if len(fitting) > 1 and name not in FIRST_COUNTS:
        raise UsageError(f"'{asked}' may be any of {len(fitting)}; name one: {', '.join(map(str, fitting))}")
    return fitting[0]


def check_name(name: str) -> None:
    """Raises UsageError with the nearest name unless a quantity is called so."""
    if name not in FAMILIES:
        raise UsageError(f"no quantity '{name}'{did_you_mean(name, list(FAMILIES))}")


def _same(one: str, other: str) -> bool:
    """Whether two words are equal, or two numbers, however they are written."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other
