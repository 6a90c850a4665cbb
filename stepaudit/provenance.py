"""Where results come from: what decides a shard's rows, and the record of every job in the table `runs`."""

import hashlib
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from stepaudit import __version__, tables
from stepaudit.config import Config, fingerprint, job_name

LIBRARIES = ("torch", "torchvision", "numpy", "pyarrow", "duckdb", "ffmpeg-python", "imageio-ffmpeg", "snakemake")


@contextmanager
def recorded(config: Config, stage: str, keys: dict[str, str]) -> Iterator[None]:
    """Runs a job and writes its row of the table `runs` when it has succeeded."""
    start = time.monotonic()
    yield
    row = {
        "keys": tables.as_json(keys),
        "config_hash": config.hash,
        "versions": tables.as_json(versions()),
        "commit": commit(),
        "device": _device(),
        "seconds": time.monotonic() - start,
        "peak_memory_mb": _peak_memory_mb(),
    }
    tables.write([row], "runs", config.path("runs", stage=stage, shard=job_name(keys)))


def versions() -> dict[str, str]:
    """Versions of Python, stepaudit and the libraries that decide results."""
    return {
        "python": platform.python_version(),
        "stepaudit": __version__,
        **{name: version(name) for name in LIBRARIES},
    }


def commit() -> str | None:
    """The git commit of the working folder, with '+' if tracked files differ from it; None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def inputs_fingerprint(config: Config, dataset: str, model: str, method: str, shard: str) -> str:
    """Everything that decides the rows of a shard: versions, settings, code, checkpoint and clips."""
    component = config.component("methods", method)
    clips = tables.read(
        "clips", config.shard_for("clips", dataset=dataset, model=model, shard=shard), columns=["clip_id", "sha256"]
    )
    return fingerprint(
        [
            versions(),
            [part.model_dump(mode="json") for part in (config.models[model], config.methods[method], config.preserve)],
            config.device,
            config.precision,
            component.source and sha256(component.source),
            [sha256(path) for path in sorted(Path(__file__).parent.rglob("*.py"))],
            sha256(config.checkpoint(dataset, model)),
            clips,
        ]
    )


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _device() -> str:
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_initialized()
    return torch.cuda.get_device_name() if used else platform.processor() or platform.machine()


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
