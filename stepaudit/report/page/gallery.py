"""The gallery of a report: clips chosen by rule, each with its maps as animations, and what failed.

`reports/_gallery.html.jinja` sets it, `reports/gallery.js` moves it; without a script strips of frames are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from stepaudit.report.page import gallery_cards
from stepaudit.report.page.gallery_cards import Card, Reason
from stepaudit.report.page.gallery_sources import MOST, ORDER, RULES, Rule, Sources, choices, failures, key_of

MOST_BYTES = 20_000_000  # of all pictures together


@dataclass(frozen=True)
class Group:
    """A rule with its clips; those that stand in a group above are only named."""

    name: str
    title: str
    sentence: str
    sql: str
    cards: list[Card]
    named: list[tuple[str, str, Reason]]  # anchor, clip, reason


@dataclass(frozen=True)
class Failures:
    """What failed by itself; `left_out` rows more are not shown. `anchors` are those of clips that are shown."""

    rows: list[dict]
    left_out: int
    anchors: dict[tuple[str, str], str]


@dataclass(frozen=True)
class Gallery:
    """Everything that the template sets."""

    groups: list[Group]
    failures: Failures
    bytes: int

    def __bool__(self) -> bool:
        return bool(self.groups or self.failures.rows)


def examples(connection: DuckDBPyConnection, folder: Path) -> Gallery:
    """The gallery of an audit.

    Args:
        connection: to the audit's database, which says what is chosen.
        folder: of the audit, whose Parquet files hold the pixels and grids; what is damaged or gone leaves a note.
    """
    rows = choices(connection)
    sources = Sources(connection, rows)
    cards: dict[tuple[str, str], Card] = {}
    room = MOST_BYTES
    for key in dict.fromkeys(map(key_of, rows)):
        own = [row for row in rows if key_of(row) == key]
        card = gallery_cards.make(own, sources, folder, every_still=own[0]["rule"] == rows[0]["rule"], room=room > 0)
        cards[key] = card if card.bytes <= room else gallery_cards.without_pictures(card)
        room -= cards[key].bytes
    failed, count = failures(connection)
    anchors = {key: card.anchor for key, card in cards.items()}
    groups = [_group(rule, rows, cards) for rule in RULES if any(row["rule"] == rule.name for row in rows)]
    return Gallery(groups, Failures(failed, count - len(failed), anchors), MOST_BYTES - room)


def _group(rule: Rule, rows: Sequence[dict], cards: dict[tuple[str, str], Card]) -> Group:
    """A rule's clips: those that it is the first to choose with their cards, the others by name."""
    own = list(dict.fromkeys(key_of(row) for row in rows if row["rule"] == rule.name))
    first = {key: next(row["rule"] for row in rows if key_of(row) == key) == rule.name for key in own}
    named = [
        (cards[key].anchor, cards[key].clip_id, reason)
        for key in own
        if not first[key]
        for reason in cards[key].reasons
        if reason.group == rule.group
    ]
    sql = f"from gallery_choices where rule = '{rule.name}' and place <= {rule.each} order by {ORDER} limit {MOST}"
    return Group(rule.group, rule.title, rule.sentence, sql, [cards[key] for key in own if first[key]], named)
