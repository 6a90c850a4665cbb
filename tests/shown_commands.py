"""The commands that the documentation shows, page by page, and how to run one."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import command_line

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "config/README.md",
    "config/MODELS.md",
    "reports/README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.M | re.S)
# What a block without a language begins with, if it holds commands.
PROGRAMS = {".", "cp", "make", "mkdir", "ln", "pip", "python", "python3", "scancel", "snakemake", "stepaudit", "tar"}


@dataclass(frozen=True)
class Block:
    """A block of code: its page, the line where its fence stands, the language, and the text."""

    page: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command as a shell reads it, which may take several lines, and where it stands."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text.replace("\\\n", ""), comments=True)

    @property
    def short(self) -> str:
        """The command on one line, without its comment."""
        return " ".join(re.sub(r"\s+#\s.*", "", line).rstrip("\\").strip() for line in self.text.splitlines())


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    return [
        Block(page, text[: match.start()].count("\n") + 1, match[2].strip(), match[3]) for match in FENCE.finditer(text)
    ]


def commands(page: str) -> list[Command]:
    """All commands of a page in their order."""
    return [
        Command(page, block.line + 1 + line, text)
        for block in blocks(page)
        if _holds_commands(block)
        for line, text in _split(block.text)
    ]


def _holds_commands(block: Block) -> bool:
    first = block.text.split(maxsplit=1)[0]
    return block.language in ("bash", "sh", "console") or (not block.language and first in PROGRAMS)


def _split(text: str) -> list[tuple[int, str]]:
    """Whole commands: a line is joined to the next until the shell would begin to run it."""
    found, waiting, begun = [], [], 0
    for number, line in enumerate(text.splitlines()):
        if not waiting and (not line.strip() or line.lstrip().startswith("#")):
            continue
        begun = begun if waiting else number
        waiting.append(line)
        if not line.endswith("\\") and _is_whole("\n".join(waiting)):
            found.append((begun, "\n".join(waiting)))
            waiting = []
    assert not waiting, f"no end of: {waiting}"
    return found


def _is_whole(text: str) -> bool:
    if re.fullmatch(r"[\w .,/:=+-]*", text) and not re.match(r"(if|for|while|case|until)\b", text):
        return True  # without quotes or anything that opens
    return subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False).returncode == 0


def run(command: Command) -> tuple[int, str]:
    """Runs a command in the present folder; those of stepaudit alone in this process, which is quicker.

    Returns:
        exit status, and all that was printed.
    """
    if _needs_shell(command):
        return _in_shell(command.text)
    status, out, err = command_line.run(*command.words[1:])
    return status, out + err


def _needs_shell(command: Command) -> bool:
    """Whether it is another program, or anything outside quotes is the shell's."""
    unquoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", command.text)
    return command.words[0] != "stepaudit" or re.search(r"[|<>;&$*]", unquoted) is not None


def _in_shell(text: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    return done.returncode, done.stdout + done.stderr
