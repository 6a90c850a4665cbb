"""Fine-tuning a classifier: the best epoch on a validation part of the training split."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.audit.sections import Training
from stepaudit.errors import UsageError
from stepaudit.extremal.prepared import channels_last
from stepaudit.running.epochs import Epochs

LOGGED = ("epoch", "learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # by what a model gives
    "softmax": functional.cross_entropy,
    "logit": functional.cross_entropy,
    "sigmoid": functional.binary_cross_entropy_with_logits,
    "regression": functional.mse_loss,
}
ONE_CLASS = ("softmax", "logit")  # which have an accuracy
FLIPS = {"horizontal": -1, "vertical": -2, "time": -3}


def fit(
    model: nn.Module,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    settings: Training,
    *,
    seed: int,
    device: torch.device,
    advance: Callable[..., None],
    epochs: Epochs | None = None,
    gives: str = "softmax",
) -> list[dict]:
    """Train the model in place, ending with the weights of its best epoch.

    The best epoch has the highest validation accuracy; among equals, and where there is no accuracy, the lowest
    validation loss. Without validation clips it is the last one.

    Args:
        train: clips [N, 3, T, H, W] as uint8, one for each view, and targets [N]; of labels 0 or 1 for each, [N, K], of
            a regression the values [N, 1].
        validation: the same; may be empty.
        gives: what the model answers, as in the configuration.
        epochs: store of finished epochs. A resumed training gives the same weights, bit by bit.

    Returns:
        Rows of the table `training_log`, one for each epoch.

    Raises:
        UsageError: the loss is no longer finite.
    """
    with seeded(seed), channels_last(model, _to_float(train[0][:1], device)):
        optimizer = _optimizer(model, settings)
        log: list[dict] = []
        best: tuple[float, float] = (-math.inf, -math.inf)
        chosen, weights = None, model.state_dict()
        if epochs is not None and (state := epochs.last()) is not None:
            log, best, chosen, weights = _restore_state(state, model, optimizer)
            advance(len(log))
        for epoch in range(len(log) + 1, settings.epochs + 1):
            start = time.monotonic()
            rate = settings.learning_rate * settings.step_factor ** ((epoch - 1) // settings.step_epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, accuracy = _train_epoch(model, train, settings, device, optimizer, gives)
            measured = evaluate(model, *validation, settings.batch_size, device, gives)
            rank = (float(epoch), 0.0) if measured is None else (measured[1] or 0.0, -measured[0])
            if rank > best:
                best, chosen, weights = rank, epoch, copy.deepcopy(model.state_dict())
            values = (epoch, rate, loss, accuracy, *(measured or (None, None)), time.monotonic() - start)
            log.append(dict(zip(LOGGED, values, strict=True)))
            if epochs is not None:
                epochs.keep(epoch, _state(model, optimizer, log, best, chosen, weights))
            advance(1, _progress_text(loss, accuracy, measured))
        model.load_state_dict(weights)
    return [{**row, "best": row["epoch"] == chosen} for row in log]


def _progress_text(loss: float, accuracy: float | None, measured: tuple[float, float | None] | None) -> str:
    if accuracy is None:
        return f"loss {loss:.3g}" + (f", validation {measured[0]:.3g}" if measured else "")
    return f"loss {loss:.3f}, accuracy {accuracy:.1%}, validation {(measured and measured[1]) or 0:.1%}"


def _state(
    model: nn.Module, optimizer: torch.optim.Optimizer, log: list[dict], best: tuple, chosen: int | None, weights: dict
) -> dict:
    """State for the following epochs, in tensors and plain values."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "gpu_random": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "log": log,
        "best": list(best),
        "chosen": chosen,
        "weights": None if chosen == len(log) else weights,  # the last epoch is the best: they are the model's
    }


def _restore_state(
    state: dict, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[list[dict], tuple, int | None, dict]:
    """Restore the state of a training. Returns the log, the best rank, its epoch and its weights."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    if state["gpu_random"]:
        torch.cuda.set_rng_state_all(state["gpu_random"])
    return state["log"], tuple(state["best"]), state["chosen"], state["weights"] or state["model"]


def evaluate(
    model: nn.Module, clips: Tensor, targets: Tensor, batch_size: int, device: torch.device, gives: str = "softmax"
) -> tuple[float, float | None] | None:
    """Mean loss and accuracy (None if it has none) of a model in evaluation mode; None without clips."""
    if not len(targets):
        return None
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(_to_float(part, device)).cpu() for part in clips.split(batch_size)])
    accuracy = (logits.argmax(1) == targets).float().mean().item() if gives in ONE_CLASS else None
    return LOSSES[gives](logits, targets).item(), accuracy


def shuffled(targets: Tensor, clips: Sequence[str], seed: int) -> Tensor:
    """Targets permuted among the clips; all views of a clip get the same. Zhang et al. 2017.

    The classes keep their sizes. By chance about 1 / K of the clips keep their target.

    Args:
        targets: [N].
        clips: names of the views' clips, N.
    """
    own = dict(zip(clips, targets.tolist(), strict=True))
    order = torch.randperm(len(own), generator=torch.Generator().manual_seed(seed)).tolist()
    values = list(own.values())
    new = {clip: values[place] for clip, place in zip(own, order, strict=True)}
    return torch.tensor([new[clip] for clip in clips], dtype=targets.dtype)


@contextmanager
def seeded(seed: int):
    """Set the global random state to a seed, and restore it afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _train_epoch(model, train, settings, device, optimizer, gives) -> tuple[float, float | None]:
    """Train for one epoch. Returns mean loss and accuracy (None if it has none); raises UsageError if it diverges."""
    clips, targets = train
    model.train()
    total = correct = 0.0
    for rows in batches(torch.randperm(len(targets)), settings.batch_size):
        logits = model(augmented(_to_float(clips[rows], device), settings))
        loss = LOSSES[gives](logits, targets[rows].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
        correct += (logits.argmax(1).cpu() == targets[rows]).sum().item() if gives in ONE_CLASS else 0
    if not math.isfinite(total):
        raise UsageError("training diverged: the loss is not finite; lower `training.learning_rate`")
    return total / len(targets), correct / len(targets) if gives in ONE_CLASS else None


def batches(rows: Tensor, size: int) -> list[Tensor]:
    """Rows in batches; a single last row joins the batch before it, since batch norm needs two."""
    parts = list(rows.split(size))
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def augmented(clips: Tensor, settings: Training) -> Tensor:
    """Clips [N, 3, T, H, W], each flipped, coloured and shifted at random, all its frames alike."""
    for name in settings.flips:
        chosen = torch.rand(len(clips)) < 0.5
        clips = torch.where(chosen.to(clips.device).view(-1, 1, 1, 1, 1), clips.flip(FLIPS[name]), clips)
    if settings.hue:
        turns = settings.hue * (2 * torch.rand(len(clips)) - 1)
        clips = torch.einsum("nij,njthw->nithw", hue_turned(turns).to(clips.device), clips).clamp(0, 1)
    if settings.shift_px == 0:
        return clips
    height, width = clips.shape[-2:]
    wider = functional.pad(clips, (settings.shift_px,) * 4 + (0, 0), mode="replicate")
    corners = torch.randint(0, 2 * settings.shift_px + 1, (len(clips), 2)).tolist()
    return torch.stack([clip[..., y : y + height, x : x + width] for clip, (y, x) in zip(wider, corners, strict=True)])


def hue_turned(turns: Tensor) -> Tensor:
    """Matrices that turn colours round the grey axis: every grey, and the mean of red, green and blue, stays.

    Args:
        turns: [N], in turns of the colour circle.

    Returns:
        [N, 3, 3]; they multiply columns of red, green and blue.
    """
    thirds = torch.arange(3) / 3
    away = thirds[:, None] - thirds[None, :]  # of each channel from each, in turns
    return (1 + 2 * torch.cos(2 * torch.pi * (away - turns[:, None, None]))) / 3


def _to_float(clips: Tensor, device: torch.device) -> Tensor:
    """uint8 clips as floats in [0, 1] on a device."""
    return clips.to(device).float() / 255


def _optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(model.parameters(), lr=rate, weight_decay=decay, momentum=settings.momentum)
