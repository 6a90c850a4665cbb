"""Pictures beside findings: of the finding's own rule, and of a model or class that it names."""

import pytest

from stepaudit.report.page.conclusion_texts import Conclusion
from stepaudit.report.page.finding_pictures import pictured
from stepaudit.report.page.gallery import Failures, Gallery, Group
from stepaudit.report.page.gallery_cards import Card, Part, Reason, Tile

TILES = {
    "small": [Tile("small", "center", [], index=0, is_floor=True), Tile("small", "step", [], note="not_applicable"),
              Tile("small", "ep3d", [], index=1)],
    "small_2": [Tile("small_2", "ep3d", [], index=2)],
}  # fmt: skip


def card(anchor, rule, model, *, label="cat", data=True):
    reason = Reason(f"gallery-{rule}", rule, "because", model)
    parts = [Part(name, [], tiles) for name, tiles in TILES.items()]
    return Card(anchor, "d", anchor, label, [reason], [], parts, data={"films": {}, "maps": []} if data else None)


CARDS = [
    card("unread", "median-need", "small", data=False),
    card("wrong", "gets-wrong", "small"),
    card("typical", "median-need", "small_2"),
    card("another", "median-need", "small"),
    card("of-class", "class", None, label="dog"),
]


def beside(lead, rule):
    """Card, model and method of the picture beside a finding; None without one."""
    gallery = Gallery([Group("g", "", "", "", CARDS, [])], Failures([], 0), {}, 0)
    (found,) = pictured([Conclusion(lead, "", "needs", rule)], gallery)
    return found.tile and (found.card.anchor, found.tile.model, found.tile.method)


@pytest.mark.parametrize(
    ("lead", "rule", "expected"),
    [
        ("small needs 2 % of a clip.", "median need", ("another", "small", "ep3d")),  # no floor, nothing unreadable
        ("small_2 needs 2 % of a clip.", "median need", ("typical", "small_2", "ep3d")),  # a name is not part of one
        ("small is not shown to do better.", "gets wrong", ("wrong", "small", "ep3d")),
        ("dog can be recognised by text.", "class", ("of-class", "small", "ep3d")),
        ("cat can be recognised by text.", "class", None),
        ("other needs 2 % of a clip.", "median need", None),
        ("small needs 2 % of a clip.", "", None),
        ("small needs 2 % of a clip.", "adversarial", None),
    ],
)
def test_a_finding_has_a_picture_of_its_rule_and_of_what_it_names(lead, rule, expected):
    assert beside(lead, rule) == expected
