"""What a model answers: asked with a clip, checked before anything is made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stepaudit.errors import UsageError

TOLERANCE = 1e-5  # of a sum of probabilities in float32
ROUNDED = 4e-3  # of a sum of probabilities that were rounded to bfloat16 or float16
ADVICE = "wrap the model in stepaudit.adapters.Adapter (config/MODELS.md)"


def logits_of(model: nn.Module, clips: Tensor, classes: int) -> Tensor:
    """What a model answers, checked. What it raises itself carries a note of what it was given.

    Args:
        clips: [N, 3, T, H, W] in [0, 1].
        classes: K.

    Returns:
        Logits [N, K], which may not be finite.

    Raises:
        UsageError: it answers something else.
    """
    try:
        output = model(clips)
    except Exception as error:
        error.add_note(
            f"{type(model).__name__} was given clips of shape {list(clips.shape)}; if it takes another length or size, "
            f"set `clips` of the model in the configuration, or {ADVICE}"
        )
        raise
    check_logits(output, len(clips), classes, type(model).__name__)
    return output


def check_logits(output: Any, count: int, classes: int, name: str) -> None:
    """Checks that an output is a float for each of `count` clips and each class, and no probability.

    Raises:
        UsageError: it is not; the text names the next step.
    """
    if not isinstance(output, Tensor):
        raise UsageError(f"{name} returns {described(output)}, not logits [N, K]; {ADVICE} and say which to `take`")
    shape = list(output.shape)
    if output.ndim != 2 or len(output) != count:
        raise UsageError(
            f"{name} returns shape {shape} for {count} clips, not [{count}, {classes}]: a row for each clip, a column "
            "for each class; average over other axes, such as frames or views, in the model's `forward`"
        )
    if shape[1] != classes:
        raise UsageError(
            f"{name} returns {shape[1]} values for each clip of a data set with {classes} classes; give its last layer "
            "as many outputs as the first argument of `build` says"
        )
    if not output.is_floating_point():
        raise UsageError(f"{name} returns {output.dtype}, not logits; leave argmax and rounding out of its `forward`")
    if classes > 1 and sums_to_one(output).all():
        raise UsageError(
            f"{name} returns probabilities, not logits: its rows are not negative and sum to 1; leave its softmax out, "
            f'or {ADVICE} with gives="probabilities"'
        )


def sums_to_one(rows: Tensor) -> Tensor:
    """Which rows are probabilities: not negative, with a sum of 1. [N, K] to [N]."""
    rounded = torch.stack([(rows == rows.to(kind)).all(dim=1) for kind in (torch.bfloat16, torch.float16)]).any(dim=0)
    tolerance = torch.where(rounded, ROUNDED, TOLERANCE)  # a wide one would take logits near 0 and 1 for probabilities
    return ((rows.float().sum(dim=1) - 1).abs() <= tolerance) & (rows >= 0).all(dim=1)


def described(output: Any) -> str:
    """What kind of thing a model returned, and what is in it."""
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} of {', '.join(map(repr, output))}"
    if isinstance(output, Sequence):
        shapes = ", ".join(
            str(list(part.shape)) if isinstance(part, Tensor) else type(part).__name__ for part in output
        )
        return f"a {type(output).__name__} of {shapes}"
    if isinstance(output, Tensor):
        return f"one tensor {list(output.shape)}"
    return f"a {type(output).__name__}"
