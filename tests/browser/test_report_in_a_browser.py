"""The report as a reader meets it: a real browser opens the file, without a network, and looks, clicks and types."""

import json
from itertools import pairwise

import pytest
from hostile_audit import HOSTILE

SEEN = "each.getClientRects().length > 0"
STATE = "document.getElementById('filter-state').textContent"
TITLE = "tiny: audit of video classifiers"
NAMELESS = "!each.textContent.trim() && !each.ariaLabel"
UNLABELLED = "!each.labels.length && !each.ariaLabel"


def every(selector: str, gives: str, where: str = "true") -> str:
    """What each element gives, of those for which something holds: a list."""
    return f"[...document.querySelectorAll({json.dumps(selector)})].filter((each) => {where}).map((each) => {gives})"


def count(selector: str, where: str = "true") -> str:
    return f"{every(selector, '1', where)}.length"


def choose(kind: str, value: str) -> str:
    """Chooses something in the bar of filters."""
    bar = f"document.querySelector('select[data-kind={kind}]')"
    return f"{bar}.value = {json.dumps(value)}; {bar}.dispatchEvent(new Event('change')); 0"


def test_the_browser_would_see_errors_and_requests(browser, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='missing.png'><script>console.error('heard'); throw new Error('thrown')</script>")
    browser.scripts(run=True)
    browser.open(bad)
    said = "\n".join(browser.console)
    assert "heard" in said
    assert "thrown" in said
    assert browser.foreign_requests(bad) == [(tmp_path / "missing.png").as_uri()]


def test_nothing_fails_and_nothing_is_asked_for_while_a_reader_scrolls_through(tab, page):
    tab.scroll_through()
    tab.value("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
    assert tab.console == []
    assert tab.foreign_requests(page) == []
    assert tab.requests  # the premise: requests are seen


def test_every_chart_is_drawn_when_it_comes_into_view(tab):
    assert tab.value(count("figure.chart svg")) >= 4
    assert tab.value(count("figure.chart", "each.dataset.drawn")) < tab.value(count("figure.chart"))
    tab.scroll_through()
    tab.wait_for(f"{count('figure.chart', '!each.dataset.drawn && !each.dataset.error')} === 0")
    assert tab.value(every("figure.chart", "each.dataset.error", "each.dataset.error")) == []
    assert tab.value(count("figure.chart", "!each.querySelector('.drawing svg')")) == 0


def test_a_click_on_a_model_leaves_its_rows_and_another_click_brings_all_back(tab):
    models = every("#accuracy tbody tr", "each.dataset.model", "!each.hidden")
    rows = count("table.data tr.filterable", "!each.hidden")
    before = tab.value(rows)
    assert tab.value(models) == ["conv", "rnn"]
    tab.value("document.querySelector('#accuracy [data-filter-model=rnn]').click()")
    assert tab.value(models) == ["rnn"]
    assert tab.value("stepaudit.filter.model") == "rnn"
    assert "model rnn" in tab.value(STATE)
    assert tab.value(count("#clear-filters", SEEN)) == 1
    others = every("table.data tr.filterable", "each.dataset.model", "!each.hidden && each.dataset.model")
    assert set(tab.value(others)) <= {"rnn", "conv"}
    assert tab.value(rows) < before
    tab.value("document.querySelector('#accuracy [data-filter-model=rnn]').click()")
    assert tab.value(models) == ["conv", "rnn"]
    assert tab.value(rows) == before
    assert tab.value("stepaudit.filter.model") is None


def test_filters_add_up_and_clear_takes_all_away(tab):
    tab.value("window.heard = []; document.addEventListener('stepaudit:filter', (event) => heard.push(event.detail))")
    shown = every("#spatial_pointing tbody tr", "[each.dataset.model, each.dataset.method]", "!each.hidden")
    tab.value(choose("model", "conv"))
    tab.value(choose("method", "step"))
    assert tab.value(shown) == [["conv", "step"]]
    note = "document.querySelector('#spatial_pointing .matching').textContent"
    assert tab.value(note) == "1 of 6 rows match the filter."
    tab.value("document.getElementById('clear-filters').click()")
    assert len(tab.value(shown)) == 6
    assert tab.value("heard.map((filter) => filter.method)") == [None, "step", None]


def test_a_pair_of_models_is_shown_for_either(tab):
    rows = count("#model_pairs tbody tr", "!each.hidden")
    for model, shown in (("conv", 1), ("rnn", 1)):
        tab.value(choose("model", model))
        assert tab.value(rows) == shown


def test_hostile_names_filter_as_any_other_and_are_read_as_they_are(tab):
    tab.value(choose("label", HOSTILE[1]))
    assert tab.value("stepaudit.filter.label") == HOSTILE[1]
    assert HOSTILE[1] in tab.value(STATE)
    tab.value("document.getElementById('clear-filters').click()")
    tab.scroll_through()
    assert tab.value("document.title") == TITLE
    text = tab.value("document.body.textContent")
    assert all(name in text for name in HOSTILE)
    assert tab.value(count("img[src=x], [onerror], [onload]")) == 0


def test_a_click_on_a_header_sorts_numbers_up_then_down_then_as_it_was(tab):
    place = tab.value(every("#kaplan_meier_curves th", "each.textContent")).index("ratio")
    values = every("#kaplan_meier_curves tbody tr", f"each.cells[{place}].dataset.value")
    header = f"document.querySelectorAll('#kaplan_meier_curves th')[{place}]"
    before = tab.value(values)
    numbers = [float(value) for value in before]
    assert numbers != sorted(numbers)  # the premise
    for order, expected in (("ascending", sorted(numbers)), ("descending", sorted(numbers, reverse=True))):
        tab.value(f"{header}.querySelector('button').click()")
        assert [float(value) for value in tab.value(values)] == expected
        assert tab.value(f"{header}.getAttribute('aria-sort')") == order
    tab.value(f"{header}.querySelector('button').click()")
    assert tab.value(values) == before
    assert tab.value(count("[aria-sort]")) == 0


def test_what_is_missing_is_sorted_last_both_ways(tab):
    row = "`<tr><td class='number'${value && ` data-value='${value}'`}></td></tr>`"
    rows = f"['3', '', '-2', '1e-7'].map((value) => {row}).join('')"
    tab.value(f"document.querySelector('#accuracy tbody').innerHTML = {rows}")
    values = every("#accuracy tbody td", "each.dataset.value ?? ''")
    for expected in (["-2", "1e-7", "3", ""], ["3", "1e-7", "-2", ""]):
        tab.value("document.querySelector('#accuracy th button').click()")
        assert tab.value(values) == expected


def test_the_keyboard_reaches_the_findings_the_filters_and_the_headers(tab):
    tab.press("Tab", 9)
    assert tab.value("document.activeElement.className") == "skip"
    tab.press("Enter", 13, "\r")
    assert tab.value("location.hash") == "#main"
    reached = [""]
    while not ({"model", "method"} <= {*reached} and reached[-1] == "sort") and len(reached) < 90:
        tab.press("Tab", 9)
        reached.append(tab.value("document.activeElement.dataset.kind || document.activeElement.className"))
    assert {"model", "method", "scroll"} <= {*reached}
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("Enter", 13, "\r")
    assert tab.value("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"


def test_without_scripts_tables_drawings_and_findings_are_there(browser, page):
    browser.resize(1280)
    browser.scripts(run=False)
    try:
        browser.open(page)
        assert browser.value(count("table.data", SEEN)) >= 6
        assert browser.value(count("figure.chart svg", SEEN)) >= 4
        assert browser.value(count("ol.findings li", SEEN)) >= 2
        assert browser.value(count("#filters, #theme, button.copy", SEEN)) == 0
    finally:
        browser.scripts(run=True)


@pytest.mark.parametrize("width", [390, 820])
def test_the_page_itself_never_scrolls_sideways(tab, width):
    tab.resize(width)
    tab.scroll_through()
    assert tab.value("document.documentElement.scrollWidth") <= width


def test_headings_skip_no_level_and_there_is_one_title(tab):
    levels = tab.value(every("h1, h2, h3, h4, h5, h6", "Number(each.tagName[1])"))
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_column_of_a_report_says_on_hover_what_it_is(tab):
    columns = tab.value(every("section.question[id] th", "[each.textContent, each.title]"))
    assert len(columns) > 20
    assert not [name for name, meaning in columns if not meaning]
    assert "Clips whose label is the model's first answer." in dict(columns)["top1 percent"]


def test_pictures_tables_and_controls_have_names(tab):
    assert tab.value(count("img", "!each.alt")) == 0
    assert tab.value(count("table.data", "!each.caption?.textContent")) == 0
    assert tab.value(count("th", "!each.scope")) == 0
    assert tab.value(count("select, input", UNLABELLED)) == 0
    assert tab.value(count("button, a", NAMELESS)) == 0


def test_links_lead_to_what_is_there_and_names_are_unique(tab):
    links = tab.value(every("a[href^='#']", "each.hash.slice(1)"))
    ids = tab.value(every("[id]", "each.id"))
    assert {*links} <= {*ids}
    assert len(ids) == len({*ids})


def test_colours_follow_the_system_and_the_button(tab):
    paper = "getComputedStyle(document.body).backgroundColor"
    assert tab.value(paper) == "rgb(255, 255, 255)"
    tab.media(prefers_color_scheme="dark")
    dark = tab.value(paper)
    assert dark != "rgb(255, 255, 255)"
    tab.value("document.getElementById('theme').click()")
    assert tab.value(paper) == "rgb(255, 255, 255)"
    tab.media()
    tab.value("document.getElementById('theme').click()")
    assert tab.value(paper) == dark


def test_print_is_dark_on_white_without_what_one_clicks(tab):
    tab.media("print", prefers_color_scheme="dark")
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert tab.value(count("#contents, #filters, .skip, button.copy", SEEN)) == 0
    assert tab.value(count("table.data", SEEN)) >= 6
    assert tab.value("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"


def test_without_its_own_ban_on_foreign_scripts_the_page_runs_none_either(browser, page, tmp_path):
    """Names are escaped where they stand; the policy is a second wall, not the only one."""
    text = page.read_text()
    start = text.index('<meta http-equiv="Content-Security-Policy"')
    (tmp_path / "open.html").write_text(text[:start] + text[text.index(">", start) + 1 :])
    browser.open(tmp_path / "open.html")
    browser.scroll_through()
    assert browser.value("document.title") == TITLE
    assert browser.console == []


def test_the_page_is_small(page):
    assert page.stat().st_size < 3e6
