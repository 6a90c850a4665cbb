"""Trained models and their test clips, from audits that have run here: random weights would prove nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stepaudit.audit import config
from stepaudit.audit.jobs import Job
from stepaudit.clips.tensors import to_tensor
from stepaudit.errors import UsageError
from stepaudit.networks.checkpoint import trained
from stepaudit.store import tables

AUDITS = (Path("results/demo"), Path("results/ucf101_24"))
HOW = "Run `make demo`, and `snakemake --cores all --configfile config/ucf101_24.yaml`, for models that are trained."


@dataclass(frozen=True)
class Case:
    """A trained model and test clips: name, model, clips [N, 3, T, H, W], targets [N]."""

    name: str
    model: nn.Module
    clips: Tensor
    targets: Tensor


def cases(count: int) -> Iterator[Case]:
    """Each model of the audits that are there, with up to `count` test clips that it classifies."""
    for folder in filter(_is_there, AUDITS):
        audit = config.load(folder / "config.yaml")
        for dataset in audit.datasets:
            for name in audit.models:
                yield _case(audit, dataset, name, count)


def _is_there(folder: Path) -> bool:
    return (folder / "config.yaml").exists() and (folder / "checkpoints").exists()


def _case(audit: config.Config, dataset: str, name: str, count: int) -> Case:
    job = Job(audit, "predict", dataset, name)
    try:
        model = trained(job, torch.device("cpu"))
    except UsageError as error:
        raise SystemExit(f"{error}\n{HOW}") from error
    rows = [row for row in tables.read("clips", *job.files("clips")) if row["status"] == "ok"][:count]
    return Case(f"{dataset}, {name}", model, to_tensor(rows), torch.tensor([row["target"] for row in rows]))
