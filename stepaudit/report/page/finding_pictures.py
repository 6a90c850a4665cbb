"""Pictures beside findings: a clip of the gallery with a map, of the rule, and the model or class, of the finding."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stepaudit.report.page.conclusion_texts import Conclusion
from stepaudit.report.page.gallery import Gallery
from stepaudit.report.page.gallery_cards import Card, Part, Reason, Tile


@dataclass(frozen=True)
class Pictured:
    """A finding, with the card whose clip stands beside it and the map on it; None without such a clip."""

    finding: Conclusion
    card: Card | None = None
    tile: Tile | None = None


def pictured(findings: Iterable[Conclusion], examples: Gallery) -> list[Pictured]:
    """Each finding, with the first clip that its rule chose for a model, or a class, that its first sentence names."""
    cards = [card for group in examples.groups for card in group.cards if card.data]
    return [next(_pictures(finding, cards), Pictured(finding)) for finding in findings]


def _pictures(finding: Conclusion, cards: Sequence[Card]) -> Iterator[Pictured]:
    """Pictures of a finding's rule that are about the model or class in its first sentence."""
    place = "gallery-" + finding.rule.replace(" ", "-")
    for card in cards if finding.rule else ():
        for reason in card.reasons:
            if reason.group == place and _is_named(reason.model or card.label, finding.lead):
                for part in _parts_of_reason(card, reason):
                    tiles = [tile for tile in part.tiles if tile.index is not None and not tile.is_floor]
                    yield from (Pictured(finding, card, tile) for tile in tiles)


def _parts_of_reason(card: Card, reason: Reason) -> list[Part]:
    return [part for part in card.parts if reason.model in (part.model, None)]


def _is_named(name: str | None, text: str) -> bool:
    return name is not None and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
