"""State of a training after its last finished epoch, to resume one that was stopped."""

import io
import logging
from pathlib import Path
from typing import Any

import torch

from stepaudit.running import interruption
from stepaudit.running.ledger import Ledger
from stepaudit.store import writing

log = logging.getLogger(__name__)


class Epochs:
    """The last finished epoch of a training, beside its checkpoint.

    Args:
        checkpoint: the file that the training writes at its end.
        fingerprint: describes everything that decides the weights.
        requested: number of epochs.

    Raises:
        UsageError: another process is training the same model.
    """

    def __init__(self, checkpoint: Path, fingerprint: str, requested: int):
        self._ledger, self.requested = Ledger(checkpoint, fingerprint), requested

    def last(self) -> dict[str, Any] | None:
        """State of the last finished epoch; None if there is none."""
        for epoch in range(self.requested, 0, -1):
            if _epoch_name(epoch) in self._ledger:
                interruption.keeps(epoch, self.requested, "epochs")
                log.info("goes on after epoch %d of %d", epoch, self.requested)
                return torch.load(self._ledger.path(_epoch_name(epoch)), map_location="cpu", weights_only=True)
        interruption.keeps(0, self.requested, "epochs")
        return None

    def keep(self, epoch: int, state: dict[str, Any]) -> None:
        """Saves an epoch in place of the one before; then ends the job, if that was requested.

        Args:
            state: tensors and plain values, which `last` gives back bit by bit.
        """
        written = io.BytesIO()
        torch.save(state, written)
        self._ledger.put(_epoch_name(epoch), lambda path: writing.write_bytes(path, written.getbuffer()))
        self._ledger.drop(_epoch_name(epoch - 1))
        interruption.keeps(epoch, self.requested, "epochs")
        interruption.pause()


def _epoch_name(epoch: int) -> str:
    return f"epoch-{epoch:06d}.pt"
