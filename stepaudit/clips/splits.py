"""Random groups for a test or a validation split."""

from random import Random


def draw_groups(groups: dict[str, set[str]], share: float, seed: int) -> set[str]:
    """About `share` of the groups of each class, at least one of a class with two or more, never all.

    Args:
        groups: of each class; a group of several classes counts for each of them.
        share: in (0, 1).
    """
    drawn: set[str] = set()
    for label in sorted(groups):
        number = min(max(1, round(share * len(groups[label]))), len(groups[label]) - 1)
        candidates = sorted(groups[label] - drawn)
        Random(f"{seed}/{label}").shuffle(candidates)
        for group in candidates:
            if len(groups[label] & drawn) >= number:
                break
            if all(members - drawn - {group} for members in groups.values() if group in members):
                drawn.add(group)
    return drawn
