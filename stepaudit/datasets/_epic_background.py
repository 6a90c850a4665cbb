"""Joins actions of EPIC-KITCHENS-55 with the background beside them: frames that no annotated action covers."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import cycle, islice
from random import Random

from stepaudit.datasets._epic import RATE, Action, Info
from stepaudit.datasets._epic_draw import by_label, draw, shuffled
from stepaudit.errors import UsageError

BEFORE, AFTER = "before", "after"  # where the background lies
LEAST = 4  # the action, and the background, each fill at least one part of so many: 4 of 16 frames
TAIL = RATE // 2  # annotation frames at a video's end that are not used: its duration may claim a few too many

Stretch = tuple[int, int]


def draw_joined(
    there: dict[str, list[Action]], annotated: Iterable[Action], videos: dict[str, Info], count: int, seed: int
) -> dict[Action, Stretch]:
    """`count` actions of each label, and the stretch of annotation frames that joins a part of each with background.

    The background lies after the action in half of all, and before it in the others. An action is passed over that has
    too little background on the side that is wanted, so that there may be fewer.

    Args:
        there: the actions to draw from, by label.
        annotated: all actions, of whatever label.
    """
    taken, sides, drawn = defaultdict(list), cycle((AFTER, BEFORE)), {}
    for action in annotated:
        taken[action.video].append(action)
    for actions in there.values():
        wanted = Counter(islice(sides, count))
        for action in shuffled(actions, seed, "test"):
            if not wanted.total():
                break
            room = background(action, taken[action.video], videos[action.video].frames - TAIL)
            if side := _side(action, room, wanted):
                wanted[side] -= 1
                drawn[action] = join(action, side, room[side], Random(f"{seed}/{action.name}"))
    return drawn


def plain(there: dict[str, list[Action]], joined: Collection[Action], count: int, seed: int) -> list[Action]:
    """`count` actions of each label: those that were joined, and others if they are too few."""
    drawn = [draw(actions, count, seed, "test", first=joined) for actions in there.values()]
    return [action for actions in drawn for action in actions]


def require(there: dict[str, list[Action]], joined: Collection[Action], count: int) -> None:
    """Raises UsageError unless `count` actions of each label were joined."""
    found = by_label(joined, list(there))
    for label in there:
        if (enough := len(found.get(label, []))) < count:
            raise UsageError(
                f"class '{label}' has {enough} of {count} clips with background beside them, half before and half "
                "after; ask for fewer with `per_class`, or set `test` to plain"
            )


def background(action: Action, annotated: Iterable[Action], frames: int) -> dict[str, int]:
    """How many frames right before and right after an action, up to the video's ends, no other action covers."""
    before = max((other.stop for other in annotated if other.start < action.start), default=0)
    after = min((other.start for other in annotated if other.stop > action.stop), default=frames)
    return {BEFORE: max(action.start - before, 0), AFTER: max(min(after, frames) - action.stop, 0)}


def join(action: Action, side: str, room: int, random: Random) -> Stretch:
    """As many frames as the action has: a random part of it, and the background that the part touches.

    Args:
        side: where the background lies.
        room: its frames; at least the least share of the action's.
    """
    length = action.stop - action.start
    least = _least(length)
    part = random.randint(max(least, length - room), length - least)
    if side == AFTER:
        return action.stop - part, action.stop - part + length
    return action.start + part - length, action.start + part


def _least(length: int) -> int:
    return -(-length // LEAST)


def _side(action: Action, room: dict[str, int], wanted: Counter) -> str | None:
    """The side that is wanted most, of those with enough background; None if there is none."""
    length = action.stop - action.start
    sides = [side for side in room if wanted[side] and _least(length) <= min(room[side], length // 2)]
    return max(sides, key=lambda side: wanted[side], default=None)
