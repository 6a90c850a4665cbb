"""A comparison as files: compare.json for programs, compare.csv for tables, compare.html for readers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stepaudit.commands.compare import findings, page
from stepaudit.commands.compare.compare import Comparison
from stepaudit.commands.compare.conditions import Verdict
from stepaudit.store.database import format_rows
from stepaudit.store.writing import write_text
from stepaudit.version import __version__

COLUMNS = ("a", "b", "value", "lower", "upper", "at_least", "at_most", "p", "holm_p", "clips", "note", "reason")


def save(comparison: Comparison, verdicts: Sequence[Verdict], folder: Path) -> list[Path]:
    """Writes compare.json, compare.csv and compare.html. Returns their paths.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    texts = {
        "compare.json": json.dumps(as_json(comparison, verdicts), indent=1, ensure_ascii=False) + "\n",
        "compare.csv": as_csv(comparison),
        "compare.html": page.render(comparison, verdicts),
    }
    for name, content in texts.items():
        write_text(folder / name, content)
    return [folder / name for name in texts]


def as_csv(comparison: Comparison) -> str:
    """Every quantity, a row each."""
    rows = [
        [str(each), each.name, " ".join(each.of), *(getattr(each, name) for name in COLUMNS)]
        for each in comparison.quantities
    ]
    return format_rows(("quantity", "name", "of", *COLUMNS), rows, "csv")


def as_json(comparison: Comparison, verdicts: Sequence[Verdict]) -> dict:
    """Everything, for programs."""
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
