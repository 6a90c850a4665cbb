"""CNN-RNNs: one LSTM with ReLU over the features of the frames. Bargal et al. 2018."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from stepaudit.models._normalise import IMAGENET, Normalise


class FrameLSTM(nn.Module):
    """Clips [N, 3, T, H, W] in [0, 1] to logits [N, K]: the log of the mean over time of each step's softmax.

    Args:
        backbone: images [N, 3, H, W] to features [N, F].
        lstm: a step of the recurrence.
    """

    head: ClassVar[None] = None  # the backbone ends before any layer that depends on the classes

    def __init__(self, backbone: nn.Module, lstm: "ReLULSTMCell", classes: int, dropout: float):
        super().__init__()
        self.normalise = Normalise(*IMAGENET)
        self.backbone = backbone
        self.lstm = lstm
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(lstm.hidden, classes)

    def forward(self, clips: Tensor) -> Tensor:
        count, _, frames = clips.shape[:3]
        images = self.normalise(clips).transpose(1, 2).flatten(0, 1)
        steps = self.backbone(images).unflatten(0, (count, frames)).unbind(1)
        hidden = cell = steps[0].new_zeros(count, self.lstm.hidden)
        log_probabilities = []
        for step in steps:
            # The paper's section 4.1.1: gradients do not flow through the recurrent state.
            hidden, cell = self.lstm(step, hidden.detach(), cell.detach())
            log_probabilities.append(functional.log_softmax(self.fc(self.dropout(hidden)), dim=1))
        return torch.stack(log_probabilities).logsumexp(dim=0) - torch.tensor(float(frames)).log()


class ReLULSTMCell(nn.Module):
    """An LSTM step with ReLU in place of both tanh. Inputs [N, features], hidden and cell [N, hidden]."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(features, 4 * hidden)
        self.from_hidden = nn.Linear(hidden, 4 * hidden)

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.from_input(inputs) + self.from_hidden(hidden)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
        cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate.relu()
        return output_gate.sigmoid() * cell.relu(), cell
