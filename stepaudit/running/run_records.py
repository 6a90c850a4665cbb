"""Where results come from: what decides a shard's rows, and the record of every job in the table `runs`."""

import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from stepaudit.audit import jobs
from stepaudit.audit.config import Config, fingerprint, job_name
from stepaudit.running import footprint
from stepaudit.store import package_files, tables
from stepaudit.store.checksums import sha256
from stepaudit.version import __version__

LIBRARIES = ("torch", "torchvision", "numpy", "pyarrow", "duckdb", "ffmpeg-python", "imageio-ffmpeg", "snakemake")


@contextmanager
def recorded(config: Config, stage: str, keys: dict[str, str]) -> Iterator[None]:
    """Runs a job and writes its row of the table `runs` when it has succeeded; its files say which job wrote them."""
    start = time.monotonic()
    with tables.made_by(job_metadata(config, stage, keys)) as files_read:
        yield
    row = {
        "keys": tables.as_json(keys),
        "config_hash": config.hash,
        "versions": tables.as_json(versions()),
        "commit": commit(),
        "device": _device(),
        "seconds": time.monotonic() - start,
        "peak_memory_mb": footprint.peak_mb(),
        "inputs": tables.as_json(_inputs(config, stage, keys, files_read)),
        "outputs": tables.as_json(_outputs(config, stage, keys)),
    }
    with tables.made_by(job_metadata(config, stage, keys)):
        tables.write([row], "runs", config.path("runs", stage=stage, shard=job_name(keys)), signed=True)


def job_metadata(config: Config, stage: str, keys: dict[str, str]) -> dict[str, object]:
    """What the files that a job writes say of it: stage, keys, a hash of the settings that decide it, the version."""
    return {"stage": stage, "keys": keys, "settings": config.decides(stage, **keys), "version": __version__}


def _inputs(config: Config, stage: str, keys: dict[str, str], files_read: set[Path]) -> dict[str, str]:
    """Checksums of the audit's own files that a job has read, by their names within the audit."""
    asked = files_read | _weights(config, stage, keys)
    found = {path for path in asked - set(jobs.written_by(config, stage, keys)) if path.is_relative_to(config.folder)}
    names = {path.relative_to(config.folder): path for path in found}
    return {str(name): sha256(path) for name, path in names.items() if not any(p.startswith(".") for p in name.parts)}


def _weights(config: Config, stage: str, keys: dict[str, str]) -> set[Path]:
    """Checkpoints of the audit that a job reads."""
    if "model" not in keys:
        return set()
    if stage == "train":
        return {Path(path) for path in config.given_checkpoint(**keys)}
    own = {key: keys[key] for key in ("dataset", "model")}
    peers = config.peer_checkpoints(**own) if stage == "score" else []
    return {path for path in (config.checkpoint(**own), *peers) if path.exists()}


def _outputs(config: Config, stage: str, keys: dict[str, str]) -> dict[str, dict]:
    """Checksum, bytes and rows of the files that a job has written, by their names within the audit."""
    return {
        str(path.relative_to(config.folder)): {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "rows": tables.metadata(path)["rows"] if path.suffix == ".parquet" else None,
        }
        for path in jobs.written_by(config, stage, keys)
        if path.exists()
    }


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
    paths = config.sharing("clips", shard, dataset=dataset, model=model, method=method)
    clips = tables.read("clips", *paths, columns=["clip_id", "sha256"])
    return fingerprint(
        [
            versions(),
            [part.model_dump(mode="json") for part in (config.models[model], config.methods[method], config.preserve)],
            config.device,
            config.precision,
            component.source and sha256(component.source),
            [sha256(path) for path in package_files.sources()],
            sha256(config.checkpoint(dataset, model)),
            clips,
        ]
    )


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _device() -> str:
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_initialized()
    return torch.cuda.get_device_name() if used else platform.processor() or platform.machine()
