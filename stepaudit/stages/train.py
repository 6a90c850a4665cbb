"""Stage train: a model is fine-tuned on a data set, a given checkpoint is taken over, or weights are randomised."""

import logging
import tempfile
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stepaudit.audit import decides
from stepaudit.audit.jobs import Job
from stepaudit.audit.sections import Model
from stepaudit.clips.tensors import class_names
from stepaudit.errors import UsageError
from stepaudit.networks import checkpoint, class_order, outputs, probe, randomise, training
from stepaudit.running import device, ledger
from stepaudit.running.epochs import Epochs
from stepaudit.running.progress import progress
from stepaudit.stages._goals import Goals
from stepaudit.store import tables

CLIPS_FOR_STATISTICS = 32

log = logging.getLogger(__name__)


def run(job: Job) -> None:
    """Writes the checkpoint and the table `training_log` of a model on a data set.

    Raises:
        UsageError: a class has no training clip, or the given checkpoint or weights do not fit.
    """
    config, entry, path = job.config, job.config.models[job.model], job.checkpoint
    classes = class_names(job.file("segments"))
    if not classes and entry.gives != "regression":
        classes = _classes_without_labels(job)
    rows: list[dict] = []
    details: dict[str, Any] = {"dataset": job.dataset, "seed": config.seed}
    if entry.randomise is not None:
        net, details["randomised"] = _randomised_model(job, entry.randomise, classes)
    elif entry.checkpoint is not None:
        net = checkpoint.load(entry.checkpoint, entry, classes)
    else:
        with training.seeded(config.seed):
            net = checkpoint.for_classes(entry, classes)
        trains = entry.is_trained_on(job.dataset)
        if entry.weights is not None:
            _load_weights(job, net, entry.weights, whole=not trains)
        if trains:
            rows = _train(job, net, classes)
        else:
            _check_class_order(job, net, classes)
    if own := _own_classes(entry):
        details[checkpoint.OWN_CLASSES] = own
    checkpoint.save(net, path, entry, outputs.names(entry, classes, own), details)
    tables.write(rows, "training_log", job.file("training_log"))
    ledger.remove(path)


def _classes_without_labels(job: Job) -> list[str]:
    """Classes of a model for videos without any label. Raises UsageError unless it comes with their names."""
    entry = job.config.models[job.model]
    if entry.checkpoint is not None:
        return checkpoint.read(entry.checkpoint)[0]["classes"]
    if entry.outputs == "all":
        return outputs.own_classes(entry) or []
    raise UsageError(
        f"model '{job.model}': no video of data set '{job.dataset}' has a label, so that nothing can be trained, and "
        "the names of the classes must come from the model: give a `checkpoint` of stepaudit, or trained weights with "
        "`training: {epochs: 0}`, `outputs: all` and, unless they name them, `classes`"
    )


def _own_classes(entry: Model) -> list[str] | None:
    """Names of a network's own classes, if the data set's are some of them; a given checkpoint says them itself."""
    if entry.checkpoint is not None:
        return checkpoint.read(entry.checkpoint)[0].get(checkpoint.OWN_CLASSES)
    return outputs.own_classes(entry)


def _load_weights(job: Job, net: torch.nn.Module, weights: str, *, whole: bool) -> None:
    """Initial weights; `whole`: nothing is trained, so that no layer may be left with random ones."""
    if not whole:
        return checkpoint.load_initial(net, weights)
    try:
        checkpoint.load_initial(net, weights, whole=True)
    except UsageError as error:
        raise UsageError(f"model '{job.model}' with `epochs: 0`: {error}, or train it") from error


def _check_class_order(job: Job, net: torch.nn.Module, classes: list[str]) -> None:
    """Compare the class names of a network that was trained elsewhere with the data set's."""
    entry = job.config.models[job.model]
    if untrained := getattr(net, "untrained", None):
        raise UsageError(
            f"model '{job.model}': {len(untrained)} of its weights are random, such as {untrained[0]}: its own classes "
            f"are not the {len(classes)} of data set '{job.dataset}'; train it, `training: {{epochs: 10}}`"
        )
    if entry.outputs is not None:
        return  # its outputs are put in the data set's order by their names
    if checkpoint.is_ours(job) and entry.weights is None and class_order.names_of(net) is None:
        return
    if note := checkpoint.require_order(net, entry.weights, classes):
        log.warning("model '%s': %s", job.model, note)


def _train(job: Job, net: torch.nn.Module, classes: list[str]) -> list[dict]:
    config, entry = job.config, job.config.models[job.model]
    settings = entry.training_for(job.dataset)
    names, clips, targets = _clips(job, "train")
    _, *validation = _clips(job, "validation")
    _require_every_class(targets, classes, job.dataset, entry.gives)
    if entry.shuffle_labels:
        # No epoch is better than another at what cannot be known: the last one, which knows most by heart, is saved.
        targets = training.shuffled(targets, names, config.seed)
        validation = [values[:0] for values in validation]
    if not any(each.requires_grad for each in net.parameters()):
        raise UsageError(
            f"model '{job.model}': no weight of it can be trained (`requires_grad` is False for all of them, or its "
            "layers stand in a Python list); set it for some, use `nn.ModuleList`, or `training: {epochs: 0}`"
        )
    torch_device = device.choose(config)
    net.to(torch_device)
    rebuild = None if checkpoint.is_ours(job) else lambda: checkpoint.rebuilt(net, entry, len(classes))
    count, shown = checkpoint.output_count(entry, classes), clips[:1].to(torch_device) / 255
    probe.require(net, shown, count, name=job.model, rebuild=rebuild, gives=entry.gives)
    epochs = Epochs(job.checkpoint, decides.rows(job, torch_device.type), settings.epochs)
    with progress(f"train {job.model} on {job.dataset}", settings.epochs) as advance:
        return training.fit(
            net,
            (clips, targets),
            (validation[0], validation[1]),
            settings,
            seed=config.seed,
            device=torch_device,
            epochs=epochs,
            advance=advance,
            gives=entry.gives,
        )


def _randomised_model(job: Job, share: float, classes: list[str]) -> tuple[torch.nn.Module, list[str]]:
    """The trained model that this one is a control of, with new weights near the output, and the new layers' names."""
    config, entry = job.config, job.config.models[job.model]
    (original,) = job.original
    net = checkpoint.load(original, entry, classes).to(device.choose(config))
    with training.seeded(randomise.other_seed(config.seed)):
        fresh = checkpoint.for_classes(entry, classes)
    clips = _clips(job, "train")[1]
    if not len(clips):
        raise UsageError(
            f"data set '{job.dataset}' has no training clip for the statistics of '{job.model}', whose weights are "
            "random; add one, or take the model out"
        )
    some = clips[:: -(-len(clips) // CLIPS_FOR_STATISTICS)]
    return net, randomise.cascade(net, fresh, share, some, batch_size=entry.batch_size)


def _clips(job: Job, split: str) -> tuple[list[str], Tensor, Tensor]:
    """Names, clips [N, 3, T, H, W] as uint8 and targets, as `training.fit` takes them, of what could be extracted.

    The pixels lie in a temporary file: a full-size training split is larger than most memories.
    """
    size, goals = job.config.clips_of(job.model), Goals(job)
    names, targets = [], []
    with tempfile.TemporaryFile() as spool:
        for path in job.files("clips", split):
            for row in tables.read("clips", path, columns=["clip_id", "view", "status", "target", "pixels"]):
                if row["status"] == "ok" and goals.is_first(row):
                    spool.write(row["pixels"])
                    names.append(row["clip_id"])
                    targets.append(goals.of(row))
        spool.flush()
        shape = (len(targets), size.frames, size.height, size.width, 3)
        pixels = np.memmap(spool, np.uint8, "c", shape=shape) if targets else np.empty(shape, np.uint8)
    return names, torch.from_numpy(pixels).permute(0, 4, 1, 2, 3), goals.tensor(targets)


def _require_every_class(targets: Tensor, classes: list[str], dataset: str, gives: str) -> None:
    if gives == "regression":
        if not len(targets):
            raise UsageError(
                f"data set '{dataset}': no training clip can be read; see the table `clips` for the reasons"
            )
        return
    shown = targets.nonzero()[:, 1] if gives == "sigmoid" else targets
    missing = [name for target, name in enumerate(classes) if not (shown == target).any()]
    if missing:
        raise UsageError(
            f"data set '{dataset}': no training clip of class {', '.join(repr(name) for name in missing)}; "
            "add videos, or leave the class out (see the table `clips` for files that could not be read)"
        )
