"""Random test and training clips of EPIC-KITCHENS-55: a number of each class, whole or joined with background.

Background is the frames beside an action without an annotated action.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import cycle, islice
from random import Random

from stepaudit.datasets._epic import RATE, Action, Info
from stepaudit.errors import UsageError

BEFORE, AFTER = "before", "after"  # sides of the background
PARTS = 4  # the action and the background each fill at least one part of the clip: 4 of 16 frames
TAIL = RATE // 2  # unused annotation frames at a video's end: its duration may claim a few too many

Span = tuple[int, int]


def largest_classes(actions: list[Action], count: int) -> list[str]:
    """The `count` labels with the most actions, in alphabetical order."""
    sizes = Counter(action.label for action in actions)
    if not 0 < count <= len(sizes):
        raise UsageError(f"option `classes`: {count} were asked for, the annotation has {len(sizes)}")
    return sorted(sorted(sizes, key=lambda label: (-sizes[label], label))[:count])


def by_label(actions: Iterable[Action], labels: list[str]) -> dict[str, list[Action]]:
    """Actions of each of these labels, without labels that have none."""
    groups: dict[str, list[Action]] = {label: [] for label in labels}
    for action in actions:
        if action.label in groups:
            groups[action.label].append(action)
    return {label: members for label, members in groups.items() if members}


def shuffled(actions: list[Action], seed: int, split: str) -> list[Action]:
    """Actions of one label in a random order by the seed and the split alone."""
    ordered = sorted(actions, key=lambda action: (action.video, action.start, action.uid))
    Random(f"{seed}/{split}/{ordered[0].label}").shuffle(ordered)
    return ordered


def draw(actions: list[Action], count: int, seed: int, split: str, *, first: Collection[Action] = ()) -> list[Action]:
    """`count` actions of one label, drawn at random by the seed, those of `first` before all others.

    Raises:
        UsageError: there are fewer than `count`.
    """
    if len(actions) < count:
        label = actions[0].label
        raise UsageError(f"class '{label}' has {len(actions)} {split} clips to draw {count} from; ask for fewer")
    return sorted(shuffled(actions, seed, split), key=lambda action: action not in first)[:count]


def training(
    available: dict[str, list[Action]], tested: Iterable[Action], count: int | None, seed: int
) -> list[Action]:
    """All actions of each label that are not tested, or `count` of them."""
    drawn = set(tested)
    left = by_label(
        (action for actions in available.values() for action in actions if action not in drawn), list(available)
    )
    return [
        action
        for actions in left.values()
        for action in (actions if count is None else draw(actions, count, seed, "train"))
    ]


def draw_joined(
    available: dict[str, list[Action]], annotated: Iterable[Action], videos: dict[str, Info], count: int, seed: int
) -> dict[Action, Span]:
    """Spans of annotation frames that join a part of an action with background, for `count` actions of each label.

    The background lies after the action in half of all, and before it in the others. Actions with too little background
    on that side are passed over, so that there may be fewer.

    Args:
        available: the actions to draw from, by label.
        annotated: all actions, of whatever label.
    """
    taken, sides, drawn = defaultdict(list), cycle((AFTER, BEFORE)), {}
    for action in annotated:
        taken[action.video].append(action)
    for actions in available.values():
        missing = Counter(islice(sides, count))
        for action in shuffled(actions, seed, "test"):
            if not missing.total():
                break
            room = background(action, taken[action.video], videos[action.video].frames - TAIL)
            if side := _side_most_missing(action, room, missing):
                missing[side] -= 1
                drawn[action] = join(action, side, room[side], Random(f"{seed}/{action.name}"))
    return drawn


def plain(available: dict[str, list[Action]], joined: Collection[Action], count: int, seed: int) -> list[Action]:
    """`count` actions of each label: those that were joined, and others if they are too few."""
    drawn = [draw(actions, count, seed, "test", first=joined) for actions in available.values()]
    return [action for actions in drawn for action in actions]


def require(available: dict[str, list[Action]], joined: Collection[Action], count: int) -> None:
    """Raise UsageError unless `count` actions of each label were joined."""
    actions = by_label(joined, list(available))
    for label in available:
        if (number := len(actions.get(label, []))) < count:
            raise UsageError(
                f"class '{label}' has {number} of {count} clips with background beside them, half before and half "
                "after; ask for fewer with `per_class`, or set `test` to plain"
            )


def background(action: Action, annotated: Iterable[Action], frames: int) -> dict[str, int]:
    """Number of frames right before and right after an action, up to the video's ends, without another action."""
    before = max((other.stop for other in annotated if other.start < action.start), default=0)
    after = min((other.start for other in annotated if other.stop > action.stop), default=frames)
    return {BEFORE: max(action.start - before, 0), AFTER: max(min(after, frames) - action.stop, 0)}


def join(action: Action, side: str, room: int, random: Random) -> Span:
    """Span as long as the action: a random part of it, and the background that touches that part.

    Args:
        side: of the background.
        room: its frames; at least the least share of the action's.
    """
    length = action.stop - action.start
    least = _min_frames(length)
    part = random.randint(max(least, length - room), length - least)
    if side == AFTER:
        return action.stop - part, action.stop - part + length
    return action.start + part - length, action.start + part


def _min_frames(length: int) -> int:
    """Least frames of the action, and of the background, in a clip of `length` annotation frames."""
    return -(-length // PARTS)


def _side_most_missing(action: Action, room: dict[str, int], missing: Counter) -> str | None:
    """Side with the most missing clips, of those with enough background; None if there is none."""
    length = action.stop - action.start
    sides = [side for side in room if missing[side] and _min_frames(length) <= min(room[side], length // 2)]
    return max(sides, key=lambda side: missing[side], default=None)
