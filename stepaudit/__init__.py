"""Audits of video classifiers over whole data sets: importance maps and minimum preservation ratios.

The Python API (docs/python_api.md): `explain`, `need` and `load_model`, `read_clip`, `render`, `save` for clips of your
own, `open_results` for the results of an audit. Each is imported when it is first asked for: torch takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stepaudit.version import __version__

if TYPE_CHECKING:
    from stepaudit.api import explain, load_model, need, read_clip, render
    from stepaudit.report.pictures.movie import save
    from stepaudit.report.results import open_results

__all__ = ["__version__", "explain", "load_model", "need", "open_results", "read_clip", "render", "save"]

_PLACES = {
    "explain": "stepaudit.api",
    "load_model": "stepaudit.api",
    "need": "stepaudit.api",
    "open_results": "stepaudit.report.results",
    "read_clip": "stepaudit.api",
    "render": "stepaudit.api",
    "save": "stepaudit.report.pictures.movie",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'stepaudit' has no attribute '{name}'")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
