"""The row of the table `predictions` for one clip."""

from torch import Tensor

from stepaudit.layers import probability_and_rank
from stepaudit.store import schema


def prediction_rows(clip_id: str, model: str, label: str, logits: Tensor, targets: Tensor) -> list[dict]:
    """A list with the one row of the table `predictions`; columns that do not apply are None.

    Args:
        label: name of the target.
        logits, targets: of one clip, [1, K] and [1].
    """
    probability, rank = probability_and_rank(logits, targets)
    row = {
        "clip_id": clip_id,
        "model": model,
        "target": targets[0].item(),
        "label": label,
        "target_probability": probability[0].item(),
        "rank": rank[0].item(),
        "probabilities": logits[0].softmax(dim=0).tolist(),
        "status": "ok",
    }
    return [{column.name: row.get(column.name) for column in schema.TABLES["predictions"].columns}]
