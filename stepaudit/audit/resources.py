"""What a job asks of a cluster: memory, run time and a GPU, from what it holds, and more of it in each attempt."""

from math import ceil

from stepaudit.audit.config import OF_JOB, Config

MEMORY_MB = {"index": 2000, "extract": 2000, "train": 8000, "predict": 4000, "attribute": 6000, "preserve": 6000}
MEMORY_MB |= {"score": 4000, "report": 4000}  # PyTorch, a model and a batch; a shard's clips come on top
MINUTES = {"index": 60, "extract": 120, "predict": 60, "report": 120}
UNKNOWN_MINUTES = 720  # where the configuration gives the number of shards, the work in one is not estimated
COPIES = 3  # of the pixels that a job holds: as read, as rows, as kept
SLACK = 4  # an estimate made before anything has run may be off by so much
PLANNED = {"extract": "clips", "train": "models", "predict": "predictions"}
GPU_STAGES = ("train", "predict", "attribute", "preserve", "score")


def memory_mb(config: Config, stage: str, attempt: int, **keys: str) -> int:
    """Memory of a job, MB."""
    return attempt * (MEMORY_MB[stage] + ceil(COPIES * _pixel_mb(config, stage, keys)))


def minutes(config: Config, stage: str, attempt: int, **keys: str) -> int:
    """Longest run time of a job."""
    if stage in MINUTES:
        least, seconds = MINUTES[stage], 0.0
    else:
        seconds = config.plan.seconds(*_part(stage, keys))
        least = 30 if seconds is not None else UNKNOWN_MINUTES
    return attempt * max(least, ceil(SLACK * (seconds or 0.0) / 60))


def gpus(config: Config, stage: str) -> int:
    """GPUs of a job: one where a model is at work, unless the configuration says `device: cpu`."""
    return int(stage in GPU_STAGES and config.device != "cpu")


def _part(stage: str, keys: dict[str, str]) -> tuple[str, ...]:
    return PLANNED.get(stage, "maps"), *(keys[key] for key in OF_JOB if key in keys)


def _pixel_mb(config: Config, stage: str, keys: dict[str, str]) -> float:
    """Pixels of the clips of a job, MB; 0 where they are read one after another, or not at all."""
    if stage not in ("predict", "attribute", "preserve", "score"):
        return 0.0
    clips = config.clips_of(keys["model"])
    return config.plan.clips(*_part(stage, keys)) * clips.frames * clips.height * clips.width * 3 / 1e6
