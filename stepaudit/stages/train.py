"""Stage train: a model is fine-tuned on a data set, a given checkpoint is taken over, or weights are randomised."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stepaudit.adapters import logits_of
from stepaudit.audit.config import Config, fingerprint
from stepaudit.clips.tensors import class_names
from stepaudit.errors import UsageError
from stepaudit.layers import frozen
from stepaudit.networks import checkpoint, randomise, training
from stepaudit.running import device, ledger, run_records
from stepaudit.running.epochs import Epochs
from stepaudit.running.progress import progress
from stepaudit.store import checksums, package_files, tables

CLIPS_FOR_STATISTICS = 32


def run(config: Config, dataset: str, model: str) -> None:
    """Writes the checkpoint and the table `training_log` of a model on a data set.

    Raises:
        UsageError: a class has no training clip, or the given checkpoint or weights do not fit.
    """
    entry, path = config.models[model], config.checkpoint(dataset, model)
    classes = class_names(config.path("segments", dataset=dataset))
    log, details = [], {"dataset": dataset, "seed": config.seed}
    if entry.randomise is not None:
        net, details["randomised"] = _randomised(config, dataset, model, classes)
    elif entry.checkpoint is not None:
        net = checkpoint.load(entry.checkpoint, entry, classes)
    else:
        with training.seeded(config.seed):
            net = checkpoint.build(entry, len(classes))
        if entry.weights is not None:
            checkpoint.load_initial(net, entry.weights)
        if entry.training_for(dataset).epochs:
            log = _fit(config, dataset, model, net, classes)
    checkpoint.save(net, path, entry, classes, details)
    tables.write(log, "training_log", config.path("training_log", dataset=dataset, model=model))
    ledger.remove(path)


def _fit(config: Config, dataset: str, model: str, net: torch.nn.Module, classes: list[str]) -> list[dict]:
    settings = config.models[model].training_for(dataset)
    (names, *train), (_, *validation) = (_clips(config, dataset, model, split) for split in ("train", "validation"))
    _require_every_class(train[1], classes, dataset)
    if config.models[model].shuffle_labels:
        # No epoch is better than another at what cannot be known: the last one, which knows most by heart, is kept.
        train, validation = (
            (train[0], training.shuffled(train[1], names, config.seed)),
            [each[:0] for each in validation],
        )
    place = device.choose(config)
    net.to(place)
    with frozen(net), torch.no_grad():
        logits_of(net, train[0][:1].to(place) / 255, len(classes))  # an answer of another kind is told before it trains
    epochs = Epochs(config.checkpoint(dataset, model), _decisive(config, dataset, model, place), settings.epochs)
    given = {"seed": config.seed, "device": place, "epochs": epochs}
    with progress(f"train {model} on {dataset}", settings.epochs) as advance:
        return training.fit(net, train, validation, settings, **given, advance=advance)


def _decisive(config: Config, dataset: str, model: str, place: torch.device) -> str:
    """Fingerprint of all that decides the weights: versions, settings, code, initial weights, clips, kind of device."""
    entry, source = config.models[model], config.component("models", model).source
    splits = ("train", "validation")
    paths = [path for split in splits for path in config.clips_for(split, dataset=dataset, model=model)]
    local = [Path(entry.weights)] if entry.weights is not None and Path(entry.weights).is_file() else []
    return fingerprint(
        [
            run_records.versions(),
            entry.model_dump(mode="json"),
            config.seed,
            [checksums.sha256(path) for path in [*([source] if source else []), *local]],
            [checksums.sha256(path) for path in package_files.sources()],
            tables.read("clips", *paths, columns=["clip_id", "view", "target", "sha256", "status"]),
            place.type,
        ]
    )


def _randomised(config: Config, dataset: str, model: str, classes: list[str]) -> tuple[torch.nn.Module, list[str]]:
    """The trained model that this one is a control of, with new weights near the output, and which layers are new."""
    entry = config.models[model]
    net = checkpoint.load(config.checkpoint(dataset, entry.of), entry, classes).to(device.choose(config))
    with training.seeded(randomise.other_seed(config.seed)):
        fresh = checkpoint.build(entry, len(classes))
    clips = _clips(config, dataset, model, "train")[1]
    if not len(clips):
        raise UsageError(
            f"data set '{dataset}' has no training clip for the statistics of '{model}', whose weights are random; "
            "add one, or take the model out"
        )
    some = clips[:: -(-len(clips) // CLIPS_FOR_STATISTICS)]
    return net, randomise.cascade(net, fresh, entry.randomise, some, batch_size=entry.batch_size)


def _clips(config: Config, dataset: str, model: str, split: str) -> tuple[list[str], Tensor, Tensor]:
    """Names, clips [N, 3, T, H, W] as uint8 and targets [N] of the rows that could be extracted.

    The pixels lie in a temporary file: a full-size training split is larger than most memories.
    """
    size, names, targets = config.clips_of(model), [], []
    with tempfile.TemporaryFile() as spool:
        for path in config.clips_for(split, dataset=dataset, model=model):
            for row in tables.read("clips", path, columns=["clip_id", "status", "target", "pixels"]):
                if row["status"] == "ok":
                    spool.write(row["pixels"])
                    names.append(row["clip_id"])
                    targets.append(row["target"])
        spool.flush()
        shape = (len(targets), size.frames, size.height, size.width, 3)
        pixels = np.memmap(spool, np.uint8, "c", shape=shape) if targets else np.empty(shape, np.uint8)
    return names, torch.from_numpy(pixels).permute(0, 4, 1, 2, 3), torch.tensor(targets, dtype=torch.long)


def _require_every_class(targets: Tensor, classes: list[str], dataset: str) -> None:
    missing = [name for target, name in enumerate(classes) if not (targets == target).any()]
    if missing:
        raise UsageError(
            f"data set '{dataset}': no training clip of class {', '.join(repr(name) for name in missing)}; "
            "add videos, or leave the class out (see the table `clips` for files that could not be read)"
        )
