"""Memory, run time and GPUs that a job requests of a cluster: more in each attempt."""

from math import ceil

from stepaudit.audit.config import Config
from stepaudit.audit.jobs import Job

MEMORY_MB = {"index": 2000, "extract": 2000, "train": 8000, "predict": 4000, "attribute": 6000, "preserve": 6000}
MEMORY_MB |= {"score": 4000, "report": 4000}  # PyTorch, a model and a batch; a shard's clips come on top
MINUTES = {"index": 60, "extract": 120, "predict": 60, "report": 120}
UNKNOWN_MINUTES = 720  # where the configuration gives the number of shards, the work in one is not estimated
COPIES = 3  # of the pixels that a job holds: as read, as rows, as kept
SLACK = 4  # an estimate made before anything has run may be off by so much
GPU_STAGES = ("train", "predict", "attribute", "preserve", "score")


def memory_mb(job: Job, attempt: int) -> int:
    """Memory of a job, MB."""
    return attempt * (MEMORY_MB[job.stage] + ceil(COPIES * _pixel_mb(job)))


def minutes(job: Job, attempt: int) -> int:
    """Longest run time of a job."""
    if job.stage in MINUTES:
        return attempt * MINUTES[job.stage]
    seconds = job.config.plan.seconds(*job.planned)
    return attempt * (UNKNOWN_MINUTES if seconds is None else max(30, ceil(SLACK * seconds / 60)))


def gpus(config: Config, stage: str) -> int:
    """GPUs of a job: one where a model is at work, unless the configuration says `device: cpu`."""
    return int(stage in GPU_STAGES and config.device != "cpu")


def _pixel_mb(job: Job) -> float:
    """Pixels of the clips of a job, MB; 0 where they are read one after another, or not at all."""
    if job.stage not in ("predict", "attribute", "preserve", "score"):
        return 0.0
    clips = job.config.clips_of(job.model)
    return job.config.plan.clips(*job.planned) * clips.frames * clips.height * clips.width * 3 / 1e6
