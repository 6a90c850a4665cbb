"""The results as JSON and Markdown, written after each row."""

import json
from pathlib import Path

TITLES = {
    "agreement": "Agreement",
    "throughput": "Throughput",
    "forms": "Forms of the model",
    "hours": "Clips a GPU-hour",
    "compiled": "torch.compile",
}


class Page:
    """Rows by section.

    Args:
        folder: of `gpu.json` and `gpu.md`.
        about: the device and versions.
    """

    def __init__(self, folder: Path, about: dict):
        self._folder, self._about = folder, about
        self.sections: dict[str, list[dict]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, section: str, rows: list[dict]) -> None:
        """Add rows, and write both files."""
        self.sections.setdefault(section, []).extend(rows)
        content = {"about": self._about, **self.sections}
        (self._folder / "gpu.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (self._folder / "gpu.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        lines = ["# One run on a GPU", "", ", ".join(f"{name} {value}" for name, value in self._about.items())]
        for section, rows in self.sections.items():
            lines += ["", f"## {TITLES[section]}"]
            for columns in dict.fromkeys(tuple(row) for row in rows):
                some = [row for row in rows if tuple(row) == columns]
                lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
                lines += [f"| {' | '.join(_cell(value) for value in row.values())} |" for row in some]
        return "\n".join([*lines, ""])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return "/" if value is None else str(value).replace("|", "\\|")
