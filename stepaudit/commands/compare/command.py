"""`stepaudit compare`: compares two sides, prints and writes the result, and judges conditions by an exit status."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stepaudit.commands.compare import conditions, findings, page, series
from stepaudit.commands.compare.comparison import Comparison, compared
from stepaudit.commands.compare.conditions import Condition, Verdict
from stepaudit.commands.compare.quantities import FAMILIES, OF
from stepaudit.commands.compare.series import Against
from stepaudit.commands.compare.text import text, verdict_lines
from stepaudit.store.formats import format_rows
from stepaudit.store.writing import write_text
from stepaudit.version import __version__

COLUMNS = ("a", "b", "value", "lower", "upper", "at_least", "at_most", "p", "holm_p", "clips", "note", "reason")


def run(
    a: str,
    b: str,
    *more: str,
    against: Against = "previous",
    dataset: str | None = None,
    fail_if: Sequence[str] = (),
    out: Path | None = None,
    everything: bool = False,
) -> tuple[str, int]:
    """Compare two sides, or a series of them. Returns the text to print, and the exit status.

    Args:
        a: the reference, `results/audit` or `results/audit:model`.
        b: the candidate; `:model` is of the same audit.
        more: further candidates.
        against: of a series: each is compared with the `previous` side, or all with the `first`.
        dataset: by default the only one that both have.
        fail_if: conditions that must not be true.
        out: folder for compare.json, compare.csv and compare.html.
        everything: print all quantities with their meanings, and not only those that matter; of a series of each step.

    Raises:
        UsageError: a side does not exist, or a condition cannot be read.
    """
    parsed = [conditions.parse(condition) for condition in fail_if]
    if more:
        return _series([a, b, *more], against, dataset, parsed, out, everything)
    with compared(a, b, dataset) as comparison:
        verdicts = [conditions.judge(condition, comparison.quantities) for condition in parsed]
        lines = [text(comparison, everything=everything)]
        if everything:
            lines += [*(f"{name}{OF.get(name, '')}: {meaning}" for name, meaning in FAMILIES.items()), ""]
        lines += verdict_lines(verdicts)
        if out is not None:
            lines += map(str, _save_comparison(comparison, verdicts, out))
    return "\n".join(lines), status(verdicts)


def _series(
    names: Sequence[str],
    against: Against,
    dataset: str | None,
    parsed: Sequence[Condition],
    out: Path | None,
    everything: bool,
) -> tuple[str, int]:
    """Compare each side of a series with an earlier one; conditions are judged at each step."""
    shown: list[str] = []
    judged: list[Verdict] = []
    paths: list[Path] = []

    def use(comparison: Comparison, place: int) -> None:
        verdicts = [conditions.judge(condition, comparison.quantities) for condition in parsed]
        judged.extend(verdicts)
        shown.extend(f"{comparison.pair.b}: {line}" for line in verdict_lines(verdicts))
        if everything:
            shown.append(text(comparison, everything=True))
        if out is not None:
            paths.extend(_save_comparison(comparison, verdicts, out / f"step-{place}"))

    made = series.steps(names, against, dataset, use)
    if parsed:
        apart = [step for step in made if step.accuracy is None]
        judged += [Verdict(each.text, None, {}, []) for each in parsed for _ in apart]
        shown += [f"{step.side}: cannot tell: it is not compared" for step in apart]
    lines = [series.text(made, against), *shown]
    if out is not None:
        write_text(out / "series.csv", format_rows(series.HEADERS, series.lines(made), "csv"))
        lines += map(str, [out / "series.csv", *paths])
    return "\n".join(lines), status(judged)


def status(verdicts: Sequence[Verdict]) -> int:
    """1 if a condition is true, else 2 if one cannot be decided, else 0."""
    results = [verdict.holds for verdict in verdicts]
    return 1 if True in results else 2 if None in results else 0


def _save_comparison(comparison: Comparison, verdicts: Sequence[Verdict], folder: Path) -> list[Path]:
    """Write compare.json, compare.csv and compare.html. Returns their paths."""
    rows = [
        [str(each), each.name, " ".join(each.of), *(getattr(each, name) for name in COLUMNS)]
        for each in comparison.quantities
    ]
    texts = {
        "compare.json": json.dumps(_json_content(comparison, verdicts), indent=1, ensure_ascii=False) + "\n",
        "compare.csv": format_rows(("quantity", "name", "of", *COLUMNS), rows, "csv"),
        "compare.html": page.render(comparison, verdicts),
    }
    for name, content in texts.items():
        write_text(folder / name, content)
    return [folder / name for name in texts]


def _json_content(comparison: Comparison, verdicts: Sequence[Verdict]) -> dict:
    pair = comparison.pair
    return {
        "stepaudit": __version__,
        **{side.letter.lower(): {"folder": str(side.folder), "model": side.model} for side in (pair.a, pair.b)},
        "dataset": pair.dataset,
        "conditions": [asdict(verdict) for verdict in verdicts],
        "findings": findings.sentences(comparison),
        "notes": comparison.notes,
        "left_out": pair.left_out,
        "quantities": [asdict(each) | {"quantity": str(each)} for each in comparison.quantities],
        "clips": comparison.clips,
        "failures": comparison.failures,
    }
