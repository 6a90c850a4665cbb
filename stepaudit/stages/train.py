"""Stage train: a model is fine-tuned on a data set, or a given checkpoint is checked and taken over."""

import torch
from torch import Tensor

from stepaudit import checkpoint, device, tables, training
from stepaudit.clips import class_names, of_split
from stepaudit.config import Config
from stepaudit.errors import UsageError
from stepaudit.progress import progress


def run(config: Config, dataset: str, model: str) -> None:
    """Writes the checkpoint and the table `training_log` of a model on a data set.

    Raises:
        UsageError: a class has no training clip, or the given checkpoint or weights do not fit.
    """
    entry, path = config.models[model], config.checkpoint(dataset, model)
    classes = class_names(config.path("segments", dataset=dataset))
    log = []
    if entry.checkpoint is not None:
        net = checkpoint.load(entry.checkpoint, entry, classes)
    else:
        with training.seeded(config.seed):
            net = checkpoint.build(entry, len(classes))
        if entry.weights is not None:
            checkpoint.load_initial(net, entry.weights)
        if entry.training.epochs:
            log = _fit(config, dataset, model, net, classes)
    checkpoint.save(net, path, entry, classes, {"dataset": dataset, "seed": config.seed})
    tables.write(log, "training_log", config.path("training_log", dataset=dataset, model=model))


def _fit(config: Config, dataset: str, model: str, net: torch.nn.Module, classes: list[str]) -> list[dict]:
    settings = config.models[model].training
    train, validation = (_clips(of_split(config, dataset, split), config) for split in ("train", "validation"))
    _require_every_class(train[1], classes, dataset)
    place = device.choose(config)
    net.to(place)
    with progress(f"train {model} on {dataset}", settings.epochs) as advance:
        return training.fit(net, train, validation, settings, seed=config.seed, device=place, advance=advance)


def _clips(rows: list[dict], config: Config) -> tuple[Tensor, Tensor]:
    """Clips [N, 3, T, H, W] as uint8 and targets [N] of the rows that could be extracted."""
    usable = [row for row in rows if row["status"] == "ok"]
    shape = (config.clips.frames, config.clips.height, config.clips.width, 3)
    clips = [torch.frombuffer(bytearray(row["pixels"]), dtype=torch.uint8).view(shape) for row in usable]
    stacked = torch.stack(clips) if clips else torch.empty(0, *shape, dtype=torch.uint8)
    return stacked.permute(0, 4, 1, 2, 3), torch.tensor([row["target"] for row in usable], dtype=torch.long)


def _require_every_class(targets: Tensor, classes: list[str], dataset: str) -> None:
    missing = [name for target, name in enumerate(classes) if not (targets == target).any()]
    if missing:
        raise UsageError(
            f"data set '{dataset}': no training clip of class {', '.join(repr(name) for name in missing)}; "
            "add videos, or leave the class out (see the table `clips` for files that could not be read)"
        )
