"""`stepaudit compare`: two sides, conditions, a table, a folder of results, and an exit status."""

from collections.abc import Sequence
from pathlib import Path

from stepaudit.commands.compare import conditions, files, output
from stepaudit.commands.compare.compare import compared
from stepaudit.commands.compare.conditions import Verdict
from stepaudit.commands.compare.quantities import FAMILIES, OF


def run(
    a: str,
    b: str,
    *,
    dataset: str | None = None,
    fail_if: Sequence[str] = (),
    out: Path | None = None,
    everything: bool = False,
) -> tuple[str, int]:
    """Compares two sides. Returns what is to be printed, and the exit status.

    Args:
        a: the reference, `results/audit` or `results/audit:model`.
        b: the candidate; `:model` is of the same audit.
        dataset: by default the only one that both have.
        fail_if: conditions that must not be true.
        out: folder for compare.json, compare.csv and compare.html.
        everything: all quantities with their names, in place of those that matter.

    Raises:
        UsageError: a side or a condition is none.
    """
    asked = [conditions.parse(text) for text in fail_if]
    with compared(a, b, dataset) as comparison:
        verdicts = [conditions.judge(condition, comparison.quantities) for condition in asked]
        lines = [output.text(comparison, everything=everything)]
        if everything:
            lines.append(meanings())
        lines += output.verdict_lines(verdicts)
        if out is not None:
            lines += map(str, files.save(comparison, verdicts, out))
    return "\n".join(lines), status(verdicts)


def status(verdicts: Sequence[Verdict]) -> int:
    """1 if a condition is true, else 2 if one cannot be told, else 0."""
    answers = [verdict.holds for verdict in verdicts]
    return 1 if True in answers else 2 if None in answers else 0


def meanings() -> str:
    """What each name means, a line each."""
    return "\n".join(f"{name}{OF.get(name, '')}: {text}" for name, text in FAMILIES.items()) + "\n"
