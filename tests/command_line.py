"""The `stepaudit` command, run in this process: subprocesses would import torch each time."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from stepaudit import cli


class Ended(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    status: int
    out: str
    err: str


def run(*words: object, typed: str = "") -> Ended:
    """Runs `stepaudit` with these words in the present folder.

    Args:
        typed: standard input, which is no terminal.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["stepaudit", *map(str, words)])
        patch.setattr(sys, "path", [str(Path.cwd()), *sys.path])
        patch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    code = ended.value.code
    return Ended((code or 0) if isinstance(code, int | None) else 1, *map(_text, (out, err)))


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
