"""Fingerprints of all that decides the rows of a job: settings, code, checkpoints, data, environment.

Snakemake runs a job again when `settings` or one of its input files changes. A job that is resumed keeps its finished
batches only while `rows` is the same: the same settings, the contents of the same input files, the same environment.
"""

import json
import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel

from stepaudit.audit import source_code
from stepaudit.audit.config import fingerprint
from stepaudit.audit.jobs import Job
from stepaudit.audit.plan import split_of
from stepaudit.store import tables
from stepaudit.store.checksums import sha256
from stepaudit.store.schema import SCHEMA_VERSION, SPLITS
from stepaudit.store.tables import as_json
from stepaudit.version import __version__

LIBRARIES = ("torch", "torchvision", "numpy", "pyarrow", "duckdb", "ffmpeg-python", "imageio-ffmpeg", "snakemake")
OPTIONAL = ("transformers",)  # installed with an extra
CLIPS = ("clips", "train", "validation")  # inputs that hold pixels; a column has their checksums
OF_CLIP = ["clip_id", "view", "target", "sha256", "status"]
ANNOTATED = ["label", "in_action", "annotation_error"]  # which scores alone depend on


def settings(job: Job) -> str:
    """Fingerprints of all that is known before any job runs, as JSON."""
    return as_json(parts(job))


def parts(job: Job) -> dict[str, str | None]:
    """Fingerprints of all that is known before any job runs; None for what is not on this machine.

    The code is that of the stage, of the components and of all that these import, but for installed packages and for
    those parts of stepaudit that compute nothing. The data are the reader's files, or the rows of a shard of clips.
    """
    stages = ("index", "extract") if job.stage == "extract" else (job.stage,)  # which reads no other code of `index`
    code = source_code.digest((*(f"stepaudit.stages.{stage}" for stage in stages), *job.modules))
    return {
        "settings": fingerprint([__version__, SCHEMA_VERSION, _shards(job), _sections(job)]),
        "code": fingerprint(code) if all(source_code.located(module)[0] for module in job.modules) else None,
        **{f"data set '{job.dataset}'": data for data in [_data_fingerprint(job)] if data},
        **{str(path): _checksum(path) for path in job.given},
    }


def changed(job: Job, before: str) -> list[str]:
    """Names of the job's `parts` that differ from a file's metadata; parts that are None now are not compared."""
    try:
        then = dict(json.loads(before))
    except (ValueError, TypeError):  # of another version, or damaged
        return ["settings"]
    return [name for name, now in parts(job).items() if now is not None and then.get(name, now) != now]


def _data_fingerprint(job: Job) -> str | None:
    """Fingerprint of the files, or of the rows of a shard, of the job's data set; None for stages that read tables.

    A model that reads no training clips, which would say so, depends on the classes alone.
    """
    sources = job.config.sources(job.dataset)
    if job.stage == "train" and not job.config.models[job.model].reads_training_clips(job.dataset):
        return sources.classes
    if job.stage == "index" or (job.stage == "extract" and not job.shard):
        return sources.version
    if job.stage != "extract":
        return None
    split, _, number = job.shard.rpartition("-")
    return sources.of_shard(split, int(number), job.divisions("clips", split))


@cache
def _checksum(path: Path) -> str | None:
    """Checksum of a weights file, computed once per process; None if it does not exist."""
    return sha256(path) if path.is_file() else None


def rows(job: Job, *more: object) -> str:
    """Fingerprint of all that decides the rows of a job whose inputs are there.

    Args:
        more: JSON of what else decides them, such as the kind of device.
    """
    clips = [path for name, paths in job.reads.items() if name in CLIPS for path in paths]
    files = [path for name, paths in job.reads.items() if name not in CLIPS for path in paths]
    contents = [sha256(path) if path.exists() else None for path in files]
    known = tables.read("clips", *clips, columns=OF_CLIP + (ANNOTATED if job.stage == "score" else []))
    return fingerprint([settings(job), versions(), job.config.device, contents, known, more])


@cache
def versions() -> dict[str, str]:
    """Versions of Python, stepaudit and the libraries that decide results."""
    there = [name for name in OPTIONAL if find_spec(name)]
    libraries = {name: version(name) for name in (*LIBRARIES, *there)}
    return {"python": platform.python_version(), "stepaudit": __version__, **libraries}


def _sections(job: Job) -> list:
    """The sections and values of the configuration that decide the rows of the job's stage."""
    config, stage = job.config, job.stage
    sections: list = [part for kind, name in job.uses for part in (name, getattr(config, kind)[name])]
    if stage in ("index", "extract", "train"):
        sections += [config.seed, config.clips.windows]
    else:
        sections.append(config.precision)
    if stage == "extract":
        sections += [config.sizes[job.size], config.datasets[job.dataset].box_distance]
        sections += [] if job.shard.startswith("test") else [config.datasets[job.dataset].validation]
    if stage == "preserve":
        sections.append(config.preserve)
    if stage in ("predict", "attribute", "preserve") and config.target != "label":
        sections.append(config.target)
    unread = None if stage == "attribute" else {"layer"}  # of a model, which only methods read
    return [part.model_dump(mode="json", exclude=unread) if isinstance(part, BaseModel) else part for part in sections]


def _shards(job: Job) -> list[int]:
    """Shard counts of the tables that a job reads and writes: they decide which clips a file holds, in which order."""
    splits: Sequence[str] = ("test",)
    match job.stage:
        case "index":
            return []
        case "extract":
            splits = (split_of(job.shard),) if job.shard else SPLITS
        case "train":
            splits = ("train", "validation")
    parts = [job.part("clips", split) for split in splits]
    if job.stage in ("predict", "attribute", "preserve", "score"):
        parts.append(job.part("maps" if job.method else "predictions"))
    return [job.config.plan.shards(*part) for part in parts]
