"""Reads damaged files, one reader at a time, in a process that notices what none may do.

    python tests/fuzz/campaign.py videos --first 0 --count 20000 --keep failed

Each input comes of its number alone. A failure is a line of JSON: the number, what happened, and where the input lies.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path
from random import Random

from readers import READERS, Reader

from stepaudit.clips import decoding
from stepaudit.errors import AuditError, UsageError

SECONDS = 20  # an input that takes longer hangs; decoding stops by itself after less
MEMORY_MB = 700  # that an input may take: a picture may have 67 million pixels of 3 bytes
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.symlink",
    "os.link",
    "socket.connect",
    "ctypes.dlopen",
)


class HangError(BaseException):
    """An input took too long. Not an Exception, so that no reader takes it for damage."""


def campaign(name: str, first: int, count: int, keep: Path) -> dict[str, int]:
    """Reads so many inputs, says what failed, and returns how they ended."""
    reader, ends = READERS[name], {}
    with tempfile.TemporaryDirectory() as place:
        work, seeds = Path(place).resolve(), {}
        with _folder(work / "seeds") as folder:
            seeds = reader.seeds(folder)
        for kind, contents in seeds.items():  # whatever is loaded late is loaded now
            for content in contents:
                _tried(reader, kind, content, work)
        watch = Watch(work)
        for number in range(first, first + count):
            kind, content = damaged(reader, name, number, seeds)
            (keep / "now").write_text(f"{number} {kind}")
            end, story = _tried(reader, kind, content, work)
            story = "; ".join(filter(None, (story, watch.complaint())))
            ends["failed" if story else end] = ends.get("failed" if story else end, 0) + 1
            if story:
                path = keep / f"{name}-{number}.{kind}"
                watch.pause(lambda path=path, content=content: path.write_bytes(content))
                sys.stdout.write(json.dumps({"number": number, "input": str(path), "story": story}) + "\n")
    return ends


def damaged(reader: Reader, name: str, number: int, seeds: dict[str, list[bytes]]) -> tuple[str, bytes]:
    """Kind and content of an input."""
    random = Random(f"{name}/{number}")
    kind = random.choice(sorted(seeds))
    return kind, reader.damage(kind, seeds[kind], random)


def _tried(reader: Reader, kind: str, content: bytes, work: Path) -> tuple[str, str]:
    """How reading ended, and what it should not have done."""
    try:
        with _folder(work / "input") as folder, _alarm():
            reader.read(kind, content, folder)
            return "read", ""
    except AuditError as error:
        return f"status {error.status}", ""
    except UsageError as error:
        return "refused", "" if len(str(error)) < 5000 else "its message is longer than a screen"
    except (Exception, HangError):  # noqa: BLE001 (anything else is what is looked for)
        return "failed", traceback.format_exc(limit=-6)


@contextmanager
def _folder(path: Path):
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def _alarm():
    def stop(*_):
        raise HangError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Watch:
    """Notices files outside of the folder, other programs than ffmpeg, the net, and much memory."""

    def __init__(self, work: Path):
        self.work, self.seen, self.on = str(work), [], True
        self.peak, self.children = _memory_mb(), _children_mb()
        (work / "tmp").mkdir()
        tempfile.tempdir = str(work / "tmp")
        (work / "here").mkdir()
        os.chdir(work / "here")
        sys.addaudithook(self._audit)

    def complaint(self) -> str:
        """What was noticed since it was asked last."""
        found, self.seen = self.seen, []
        memory, children = _memory_mb(), _children_mb()
        if memory > self.peak + MEMORY_MB:
            found.append(f"it asked for {memory - self.peak:.0f} MB")
            self.peak = memory
        if children > self.children + 2 * MEMORY_MB:
            found.append(f"a child took {children:.0f} MB")
            self.children = children
        left = [path for path in Path(self.work).rglob("*") if path.name not in ("tmp", "here")]
        for path in left:
            path.unlink()
        return "; ".join([*found, *(f"left {path}" for path in left)])

    def pause(self, write) -> None:
        """Does something that is none of the reader's doing."""
        self.on = False
        write()
        self.on = True

    def _audit(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        if event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & WRITING:
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 (as it stands, links and all)
            if not path.startswith((self.work, "/dev/null")) and not path.endswith("/now"):
                self.seen.append(f"wrote {path}")
        elif event == "subprocess.Popen" and arguments[0] != decoding.ffmpeg_binary():
            self.seen.append(f"started {arguments[0]}")
        elif event in FORBIDDEN:
            self.seen.append(f"{event} {arguments}")


def _memory_mb() -> float:
    """The most address space that this process ever had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmPeak"):
            return int(line.split()[1]) / 1024
    return 0.0


def _children_mb() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Runs a campaign and prints how its inputs ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    given.keep.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ends = campaign(given.reader, given.first, given.count, given.keep.resolve())
    sys.stdout.write(json.dumps({"ends": ends}) + "\n")


if __name__ == "__main__":
    main()
