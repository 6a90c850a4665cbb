"""Random test and training clips of EPIC-KITCHENS-55, a number of each class."""

from collections import Counter
from collections.abc import Collection, Iterable
from random import Random

from stepaudit.datasets._epic import Action
from stepaudit.errors import UsageError


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
    return {label: there for label, there in groups.items() if there}


def shuffled(actions: list[Action], seed: int, split: str) -> list[Action]:
    """Actions of one label in a random order by the seed and the split alone."""
    ordered = sorted(actions, key=lambda action: (action.video, action.start, action.uid))
    Random(f"{seed}/{split}/{ordered[0].label}").shuffle(ordered)
    return ordered


def draw(actions: list[Action], count: int, seed: int, split: str, *, first: Collection[Action] = ()) -> list[Action]:
    """`count` actions of one label, those of `first` before others. Raises UsageError if there are fewer."""
    if len(actions) < count:
        label = actions[0].label
        raise UsageError(f"class '{label}' has {len(actions)} {split} clips to draw {count} from; ask for fewer")
    return sorted(shuffled(actions, seed, split), key=lambda action: action not in first)[:count]


def training(there: dict[str, list[Action]], tested: Iterable[Action], count: int | None, seed: int) -> list[Action]:
    """All actions of each label that are not tested, or `count` of them."""
    drawn = set(tested)
    left = by_label((action for actions in there.values() for action in actions if action not in drawn), list(there))
    return [
        action
        for actions in left.values()
        for action in (actions if count is None else draw(actions, count, seed, "train"))
    ]
