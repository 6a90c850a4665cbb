"""The charts of a report in a real browser: drawn late, filtered with the page, and told to the pointer as text."""

import json

import pytest
from hostile_audit import HOSTILE

RATES = "spatial-pointing"


def figure(name: str) -> str:
    return f"document.querySelector('[data-chart={name}]')"


def filtered(**chosen: str) -> str:
    """Chooses in the page, as report.js does."""
    values = json.dumps({**dict.fromkeys(("dataset", "model", "method", "label")), **chosen})
    return (
        f"stepaudit.filter = {values};"
        "document.dispatchEvent(new CustomEvent('stepaudit:filter', {detail: stepaudit.filter})); 0"
    )


def dots(name: str) -> str:
    """How many dots and strokes a chart shows."""
    marks = f"{figure(name)}.querySelectorAll('.drawing .mark-symbol.role-mark path')"
    return f"[...{marks}].filter((each) => each.getBBox().width + each.getBBox().height > 0).length"


@pytest.fixture
def chart(tab):
    """Brings a chart into view and waits until it is drawn."""

    def show(name: str) -> str:
        tab.value(f"{figure(name)}.scrollIntoView({{block: 'center', behavior: 'instant'}}); 0")
        tab.wait_for(f"{figure(name)}.dataset.drawn === 'true' || {figure(name)}.dataset.error")
        assert tab.value(f"{figure(name)}.dataset.error || ''") == ""
        return figure(name)

    return show


def test_a_chart_is_a_still_drawing_until_it_comes_near(tab):
    name = tab.value("[...document.querySelectorAll('figure.chart')].at(-1).dataset.chart")
    assert tab.value(f"{figure(name)}.dataset.drawn || ''") == ""
    assert tab.value(f"{figure(name)}.querySelectorAll('.drawing > svg').length") == 1


def test_a_model_and_a_class_leave_their_own_marks_and_back(tab, chart):
    chart(RATES)
    whole = tab.value(dots(RATES))
    tab.value(filtered(model="rnn"))
    tab.wait_for(f"{dots(RATES)} * 2 === {whole}")
    tab.value(filtered(label=HOSTILE[0]))
    tab.wait_for(f"{dots(RATES)} === {whole}")  # each method has been measured on this class, too
    tab.value(filtered())
    tab.wait_for(f"{dots(RATES)} === {whole}")


def test_a_chart_says_what_of_a_filter_it_cannot_show(tab, chart):
    notes = {name: f"{chart(name)}.querySelector('.chart-note').textContent" for name in ("training", RATES)}
    tab.value(filtered(label=HOSTILE[1]))
    assert tab.value(notes["training"]) == "Not split by class."
    assert tab.value(notes[RATES]) == ""
    tab.value(filtered(method="nothing"))
    assert tab.value(notes["training"]) == "Not split by method."
    assert tab.value(notes[RATES]) == "Nothing of what is chosen is in this chart."
    tab.value(filtered())
    assert tab.value(notes["training"]) == ""


def test_the_pointer_is_told_value_interval_and_count(tab, chart):
    chart(RATES)
    place = tab.value(
        f"(() => {{ const box = [...{figure(RATES)}.querySelectorAll('.mark-rule.role-mark line')].at(-1)"
        ".getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()"
    )
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    tab.wait_for("document.querySelector('.chart-tip') && !document.querySelector('.chart-tip').hidden")
    cells = "[...row.children].map((each) => each.textContent)"
    said = f"[...document.querySelectorAll('.chart-tip tr')].map((row) => {cells})"
    told = dict(tab.value(said))
    assert set(told) >= {"model", "method", "hits, %", "95 % interval", "frames", "clips"}
    assert " to " in told["95 % interval"]
    assert told["clips"] == "3"


def test_panels_stand_below_each_other_on_a_phone(tab, chart):
    wide = f"{chart(RATES)}.querySelector('.drawing svg').getBBox().height"
    before = tab.value(wide)
    tab.resize(390)
    tab.wait_for(f"{wide} > 1.5 * {before}")
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")


def test_a_chart_that_cannot_be_drawn_stays_as_it_was_and_says_why(tab):
    tab.resize(1280, 300)
    tab.call("Page.reload")
    tab.wait_for("document.readyState === 'complete' && window.stepauditVega")
    tab.value("stepauditVega.embed = () => Promise.reject(new Error('broken')); 0")
    last = "[...document.querySelectorAll('figure.chart')].find((each) => !each.dataset.drawn)"
    name = tab.value(f"{last}.dataset.chart")
    tab.value(f"{figure(name)}.scrollIntoView({{behavior: 'instant'}}); 0")
    tab.wait_for(f"{figure(name)}.dataset.error === 'broken'")
    assert tab.value(f"{figure(name)}.querySelectorAll('.drawing > svg').length") == 1


def test_names_in_charts_are_text(tab):
    tab.scroll_through()
    tab.wait_for("[...document.querySelectorAll('figure.chart')].every((each) => each.dataset.drawn)")
    assert tab.value("document.title") == "tiny: audit of video classifiers"
    assert tab.value("document.querySelectorAll('.drawing img, .drawing script').length") == 0
    assert tab.console == []
