"""The gallery of a report: clips chosen by rule, each with its maps as animations, and failures.

`reports/_gallery.html.jinja` sets it, `reports/gallery.js` moves it; without a script strips of frames are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from stepaudit.report.page import gallery_cards
from stepaudit.report.page.gallery_cards import Card, Reason
from stepaudit.report.page.gallery_sources import (
    MAX_CLIPS,
    ORDER,
    RULES,
    Rule,
    Sources,
    by_clip,
    choices,
    failures,
    key_of,
)

MAX_PICTURE_BYTES = 20_000_000  # of all pictures together


@dataclass(frozen=True)
class Group:
    """A rule with its clips; clips that stand in a group above are only named."""

    name: str
    title: str
    sentence: str
    sql: str
    cards: list[Card]
    named: list[tuple[str, str, Reason]]  # anchor, clip, reason


@dataclass(frozen=True)
class Failures:
    """Rows that failed by themselves; `left_out` more are not shown."""

    rows: list[dict]
    left_out: int


@dataclass(frozen=True)
class Gallery:
    """Everything that the template shows; `anchors` are the HTML ids of its clips, by data set and clip."""

    groups: list[Group]
    failures: Failures
    anchors: dict[tuple[str, str], str]
    bytes: int

    def __bool__(self) -> bool:
        return bool(self.groups or self.failures.rows)


def examples(connection: DuckDBPyConnection, folder: Path) -> Gallery:
    """The gallery of an audit.

    Args:
        connection: to the audit's database, which has the choices.
        folder: of the audit, whose Parquet files hold the pixels and grids; damaged or missing ones leave a note.
    """
    rows = choices(connection)
    sources = Sources(connection, rows)
    cards: dict[tuple[str, str], Card] = {}
    room = MAX_PICTURE_BYTES
    for key, own in by_clip(rows).items():
        every_still = own[0]["rule"] == rows[0]["rule"]
        card = gallery_cards.make(own, sources, folder, every_still=every_still, room=room > 0)
        cards[key] = card if card.bytes <= room else gallery_cards.without_pictures(card)
        room -= cards[key].bytes
    failed, count = failures(connection)
    anchors = {key: card.anchor for key, card in cards.items()}
    groups = [_clips_of_rule(rule, rows, cards) for rule in RULES if any(row["rule"] == rule.name for row in rows)]
    return Gallery(groups, Failures(failed, count - len(failed)), anchors, MAX_PICTURE_BYTES - room)


def _clips_of_rule(rule: Rule, rows: Sequence[dict], cards: dict[tuple[str, str], Card]) -> Group:
    """The clips of a rule: with a card if no rule above chose them, else by name."""
    keys = dict.fromkeys(key_of(row) for row in rows if row["rule"] == rule.name)
    own = [cards[key] for key in keys if cards[key].reasons[0].group == rule.group]
    others = [cards[key] for key in keys if cards[key].reasons[0].group != rule.group]
    named = [(card.anchor, card.clip_id, each) for card in others for each in card.reasons if each.group == rule.group]
    chosen = f"from gallery_choices where rule = '{rule.name}' and place <= {rule.each}"
    sql = f"{chosen} order by {ORDER} limit {MAX_CLIPS}"
    return Group(rule.group, rule.title, rule.sentence, sql, own, named)
