"""The row of the table `predictions` for one clip."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from stepaudit.layers import probability_and_rank
from stepaudit.store import schema


def prediction_rows(
    clip_id: str, model: str, classes: Sequence[str], logits: Tensor, targets: Tensor | None
) -> list[dict]:
    """A list with the one row of the table `predictions`; columns that do not apply are None.

    Args:
        classes: names of the model's classes, K.
        logits: of one clip, [1, K].
        targets: the class that `--target` names, [1]; None without it, as of a clip without a label.
    """
    row: dict[str, Any] = {
        "clip_id": clip_id,
        "model": model,
        "probabilities": logits[0].softmax(dim=0).tolist(),
        "predicted": classes[int(logits[0].argmax())],
        "status": "ok",
    }
    if targets is not None:
        probability, rank = probability_and_rank(logits, targets)
        row |= {"target": targets[0].item(), "label": classes[int(targets[0])]}
        row |= {"target_probability": probability[0].item(), "rank": rank[0].item()}
    return [{column.name: row.get(column.name) for column in schema.TABLES["predictions"].columns}]
