"""Further readings of what a clip needs: the fewest whole frames, the smallest tube, and disjoint pieces.

A set of voxels keeps the answer as in `stepaudit.extremal.sufficiency`: under the same verifying conditions, and also
with more shown.
"""

from collections.abc import Callable, Generator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from stepaudit.extremal.answers import FORGIVEN
from stepaudit.extremal.fewest import MAX_ELEMENTS, Asked, Fewest
from stepaudit.extremal.sufficiency import READINGS, Question
from stepaudit.extremal.sweep import shift_px

LEVEL = READINGS[0]  # of frames and tubes
FRAMES_BUDGET = 200.0  # passes of a clip for its fewest frames; a forward pass counts a third
PIECE_LEVEL = 0.75  # above one half, so that two halves of one thing do not count as two pieces
MAX_PIECES = 5


def read(question: Question, names: Sequence[str]) -> None:
    """Add readings to the answers of a question; those of rows that need nothing stay empty.

    Args:
        question: with its answers, for the clips' own classes.
        names: of `READ`.
    """
    rows = [row for row, answer in enumerate(question.answers) if not answer.vacuous]
    for name in names if rows else ():
        READ[name](question, rows)


def _read_frames(question: Question, rows: Sequence[int]) -> None:
    """Add the fewest whole frames that keep the level; of more than `MAX_ELEMENTS` frames, the fewest groups."""
    frames = question.clips.shape[2]
    groups = torch.arange(frames) * min(frames, MAX_ELEMENTS) // frames
    searches = {row: Fewest(_weights(question, row, groups), LEVEL, FORGIVEN) for row in rows}
    _ask_together(question, groups, {row: search.questions() for row, search in searches.items()})
    for row, search in searches.items():
        readings = question.answers[row].readings
        readings.frames = [frame for frame, group in enumerate(groups.tolist()) if search.fewest >> group & 1]
        readings.frames_lower = search.lower


def _weights(question: Question, row: int, groups: Tensor) -> list[float]:
    """Mean of the verified masks of a row over each group of frames."""
    masks = [(row, mask.snapshot) for mask in question.answers[row].masks]
    if not masks:
        return [0.0] * (int(groups.max()) + 1)
    by_frame = question.shown(masks).mean(dim=(0, 2, 3)).cpu()
    return torch.zeros(int(groups.max()) + 1).index_add(0, groups, by_frame).tolist()


def _ask_together(question: Question, groups: Tensor, searches: dict[int, Generator[Asked, float, None]]) -> None:
    """Answer the searches of all rows in common passes, each until it ends or its budget is spent."""
    asked = {row: some for row, search in searches.items() if (some := next(search, None)) is not None}
    spent = dict.fromkeys(asked, 0.0)
    while asked:
        masks = torch.stack([_frame_mask(question, groups, some) for some, _ in asked.values()])
        more = [place for place, (_, more) in enumerate(asked.values()) if more]
        if more:
            masks[more] = question.with_more(masks[more])
        shares = question.shares(list(asked), masks)
        for row, share in zip(list(asked), shares, strict=True):
            cost = question.cost(row)
            spent[row] += cost
            question.answers[row].readings.passes += cost
            following = _next_question(searches[row], share)
            if following is None or spent[row] + cost > FRAMES_BUDGET:
                del asked[row]
            else:
                asked[row] = following


def _next_question(search: Generator[Asked, float, None], share: float) -> Asked | None:
    try:
        return search.send(share)
    except StopIteration:
        return None


def _frame_mask(question: Question, groups: Tensor, some: int) -> Tensor:
    """1 in the frames of a set of groups and 0 in the others, [T, H, W]."""
    shown = torch.tensor([some >> group & 1 for group in groups.tolist()]).to(question.clips)
    return shown[:, None, None].expand(question.clips.shape[2:])


class _Still(nn.Module):
    """A model of clips as pictures: the frames stand in the channels, [N, 3·T, 1, H, W], so that masks have no time."""

    def __init__(self, model: nn.Module, frames: int):
        super().__init__()
        self.model, self.frames = model, frames

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures.squeeze(2).unflatten(1, (3, self.frames)))


def _read_tube(question: Question, rows: Sequence[int]) -> None:
    """Add the smallest region of the picture that keeps the level when it is shown in all frames."""
    model, still = _Still(question.model, question.clips.shape[2]), lambda clips: clips.flatten(1, 2)[:, :, None]
    for row, answer in zip(rows, _changed_question(question, rows, model, still).answer(), strict=True):
        readings = question.answers[row].readings
        readings.tube, readings.tube_lower = answer.upper(LEVEL), answer.lower(LEVEL)
        readings.passes += answer.passes


def _read_disjoint_pieces(question: Question, rows: Sequence[int]) -> None:
    """Add the number of disjoint pieces: each one found is hidden, with a margin, and the rest is searched again."""
    free, asked, pieces = torch.ones_like(question.clips[:, 0]), question, {row: row for row in rows}
    for count in range(1, MAX_PIECES + 1):
        for row in pieces:
            question.answers[row].readings.pieces = count
        left = [row for row, place in pieces.items() if _hide_piece(asked, place, free[row])]
        left = [row for row, share in zip(left, question.shares(left, free[left]), strict=True) if share >= PIECE_LEVEL]
        if not left or count == MAX_PIECES:
            return
        asked = _changed_question(question, left, question.model, free=free[left])
        for row, answer in zip(left, asked.answer(), strict=True):
            question.answers[row].readings.passes += answer.passes + question.cost(row)
        pieces = {row: place for place, row in enumerate(left)}


def _hide_piece(question: Question, row: int, free: Tensor) -> bool:
    """Remove the row's smallest mask that keeps `PIECE_LEVEL`, widened by a margin, from `free` [T, H, W] (in place).

    False if there is none.
    """
    mask = question.answers[row].smallest(PIECE_LEVEL)
    if mask is None:
        return False
    margin = shift_px(question.geometry)
    piece = question.shown([(row, mask.snapshot)])[0] > 0
    free *= 1 - max_pool2d(piece.float(), 2 * margin + 1, stride=1, padding=margin)
    return True


def _changed_question(
    question: Question,
    rows: Sequence[int],
    model: nn.Module,
    change: Callable[[Tensor], Tensor] = lambda clips: clips,
    free: Tensor | None = None,
) -> Question:
    """The question of some rows with another model, changed clips, or fewer voxels that may be shown (`free`)."""
    index, fills = list(rows), question.fills
    clips = change(question.clips[index])
    return Question(
        model,
        clips,
        question.targets[index],
        own=question.own[index],
        fills={name: change(filled[index]) for name, filled in zip(fills.names, fills.clips, strict=True)},
        settings=question.settings,
        geometry=question.geometry,
        start=question.start[:, : clips.shape[2]],
        seed=question.seed,
        at_once=question.at_once,
        free=free,
        by_gradient=question.by_gradient,
    )


READ = {"frames": _read_frames, "tube": _read_tube, "disjoint": _read_disjoint_pieces}
