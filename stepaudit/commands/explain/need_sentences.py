"""Sentences on what a clip needs; each is a claim."""

from collections.abc import Iterator, Sequence

from stepaudit.extremal.answers import Answer
from stepaudit.extremal.crisp import LARGEST
from stepaudit.extremal.fills import MIN_GAIN
from stepaudit.extremal.greedy import Greedy
from stepaudit.extremal.readings import MAX_PIECES, PIECE_LEVEL
from stepaudit.report.page.need_texts import percent, times

HALF = 0.5
MAX_DIGITS = 5
WITHOUT_GRADIENT = (
    "No gradient of the model reaches the clip: the pieces were searched by forward passes alone, which finds somewhat "
    "larger ones."
)
PARTS = {HALF: "half", 0.75: "three quarters", 0.9: "nine tenths"}


def sentences(answer: Answer, label: str, other_answer: Answer, other: str, of_frames: str) -> list[str]:
    """The findings on a clip, a sentence each.

    Args:
        answer: of the class asked for.
        label: its name.
        other_answer: of the most probable other class.
        other: its name.
        of_frames: in which the smallest mask for half lies, such as `3 of 16 frames`.
    """
    if answer.vacuous:
        return [_nothing_needed(answer, label)]
    return [
        f"It needs {percent(2 ** (answer.log2_area or 0))} of the clip for {label} (geometric mean over 30 to 90 % of "
        "its confidence).",
        *(_enough_sentence(answer, label, level) for level in PARTS),
        *([f"The smallest piece for half of it lies in {of_frames}."] if answer.smallest(HALF) else []),
        *_readings(answer, label),
        *_random_pieces_sentence(answer),
        _other_class_sentence(answer, label, other_answer, other),
        *_not_counted(answer, label),
        *([WITHOUT_GRADIENT] if answer.search == Greedy.name else []),
    ]


def _nothing_needed(answer: Answer, label: str) -> str:
    without = _fill_range(answer)
    if answer.reference < MIN_GAIN:
        return (
            f"The model does not find {label} in the clip: its probability is {answer.reference:.2f}, and {without} "
            "without the clip's content. So nothing can be asked."
        )
    return (
        f"Nothing of the clip is needed for {label}: its probability is {answer.reference:.2f} with the clip, and "
        f"{without} without its content."
    )


def _fill_range(answer: Answer) -> str:
    """Range of the target's probabilities on the fills alone, such as `0.02 to 0.10`."""
    return f"{min(answer.fill_probabilities.values()):.2f} to {max(answer.fill_probabilities.values()):.2f}"


def _enough_sentence(answer: Answer, label: str, level: float) -> str:
    """Share that is enough for a part of the confidence, and the share that is not."""
    part, lower, smallest = PARTS[level], answer.lower(level), answer.smallest(level)
    if smallest is None:
        largest = max(mask.volume for mask in answer.masks)
        return f"No piece that was tried keeps {part} of the confidence in {label}; the largest was {percent(largest)}."
    if lower is None:
        return (
            f"{percent(smallest.volume)} of it are enough for {part} of the confidence in {label} (no smaller piece "
            "that was tried fails)."
        )
    enough, fails = percents(smallest.volume, lower)
    return f"{enough} of it are enough for {part} of the confidence in {label} ({fails} are not)."


def _readings(answer: Answer, label: str) -> Iterator[str]:
    """Results of further readings, of those that were asked."""
    readings, half = answer.readings, f"half of the confidence in {label}"
    if readings.frames is not None and readings.frames_lower is not None:
        yield _frames_sentence(readings.frames, readings.frames_lower, half)
    if readings.tube is not None:
        yield _tube_sentence(readings.tube, readings.tube_lower, half)
    if readings.pieces is not None and answer.smallest(PIECE_LEVEL) is not None:
        yield _pieces_sentence(readings.pieces, f"{PARTS[PIECE_LEVEL]} of the confidence in {label}")


def _frames_sentence(frames: Sequence[int], lower: int, half: str) -> str:
    """The fewest whole frames, and the number of which no choice is enough."""
    names, count = ", ".join(map(str, frames)), len(frames)
    enough = f"Frames {names} alone are" if count > 1 else f"Frame {names} alone is"
    if count == 1:
        return f"{enough} enough for {half}."
    if count == lower + 1:
        return f"{enough} enough for {half}; no choice of fewer is."
    tried = f"no choice of up to {lower} is, and " if lower else ""
    return f"{enough} enough for {half}; {tried}not every choice of fewer than {count} was ruled out."


def _tube_sentence(tube: float, lower: float | None, half: str) -> str:
    """Share of the picture that is enough in all frames."""
    if tube == 1:
        return f"Shown in all frames, no region of the picture that was tried is enough for {half}."
    if lower is None:
        return (
            f"Shown in all frames, {percent(tube)} of the picture is enough for {half} (no smaller region that was "
            "tried fails)."
        )
    enough, fails = percents(tube, lower)
    return f"Shown in all frames, {enough} of the picture is enough for {half} ({fails} is not)."


def _pieces_sentence(pieces: int, part: str) -> str:
    """Number of pieces that are each enough."""
    if pieces == 1:
        return f"A single piece is enough for {part}: with it hidden, the rest of the clip is not."
    ending = "more were not searched" if pieces == MAX_PIECES else "with them hidden, the rest of the clip is not"
    return f"{pieces} pieces without a common voxel are each enough for {part}; {ending}."


def percents(first: float, second: float) -> tuple[str, str]:
    """Two shares in percent, with more digits where they would look alike."""
    pairs = [(percent(first, digits), percent(second, digits)) for digits in range(2, MAX_DIGITS + 1)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])


def _random_pieces_sentence(answer: Answer) -> Iterator[str]:
    """Size that a piece at a random place would need."""
    smallest = answer.smallest(HALF)
    if answer.random is None or smallest is None:
        return
    random = answer.random.upper(HALF)
    if random == 1:
        yield f"No random piece of up to {percent(LARGEST)} is enough."
    elif random <= smallest.volume:
        yield f"A random piece of {percent(random)} is enough as well: which part is shown does not matter."
    else:
        yield f"A random piece would have to be {percent(random)}, {times(random / smallest.volume)} as much."


def _other_class_sentence(answer: Answer, label: str, other_answer: Answer, other: str) -> str:
    """Share of the clip that makes the model as sure of another class."""
    upper, own = other_answer.upper(HALF), answer.upper(HALF)
    if other_answer.vacuous:
        without = _fill_range(other_answer)
        return f"For {other} nothing can be asked: without the clip's content its probability is {without}."
    if upper is None or own is None:
        return f"No piece that was tried gives {other} half of that confidence."
    if upper <= own:
        return (
            f"{percent(upper)} of it give {other} half of that confidence, no more than {label} needs: how little is "
            "needed says nothing about what the clip shows."
        )
    return f"{percent(upper)} of it give {other} half of that confidence, {times(upper / own)} as much."


def _not_counted(answer: Answer, label: str) -> Iterator[str]:
    """Sentence on the fills that are left out, because the clip adds too little to them."""
    if silent := [name for name in answer.fill_probabilities if name not in answer.asks]:
        yield (
            f"Not counted: {', '.join(silent)}. On these empty versions of the clip {label} is less than 0.1 less "
            "probable than on the clip itself."
        )
