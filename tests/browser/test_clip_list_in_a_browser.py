"""The list of test clips in a browser: its pictures, choices and pages, and what a click on a confusion shows."""

import listed_clips
import pytest
from listed_clips import COUNT, grey

from stepaudit.stages import report

STATUS = "document.querySelector('#all-clips [role=status]').textContent"
TITLES = "[...document.querySelectorAll('.clip-thumbs li')].map((item) => item.textContent)"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return report.run(listed_clips.audit(tmp_path_factory.mktemp("listed")))


@pytest.fixture
def tab(browser, path):
    """The page at its list of clips; nothing of it may end on the console."""
    browser.scripts(run=True)
    browser.media(prefers_reduced_motion="reduce")  # scrolls at once
    browser.resize(1280)
    browser.open(path)
    browser.value("document.getElementById('all-clips').scrollIntoView(); 0")
    browser.wait_for(f"{STATUS} !== ''")
    yield browser
    assert browser.console == []
    assert browser.foreign_requests(path) == []


def choose(tab, **choices):
    for name, value in choices.items():
        tab.value(f"""(() => {{
            const select = document.querySelector('.clip-choice [data-choice={name}]');
            select.value = {value!r};
            select.dispatchEvent(new Event("change", {{bubbles: true}}));
        }})()""")


def test_all_clips_can_be_browsed_page_by_page(tab):
    assert tab.value(STATUS) == f"{COUNT} of {COUNT} clips, 1 to 60 shown."
    first = tab.value(TITLES)
    assert len(first) == 60
    assert first[0].startswith("<b>dog</b> c01")  # by class, and its name is text
    tab.value("document.querySelector('.clip-next').click()")
    assert tab.value(STATUS) == f"{COUNT} of {COUNT} clips, 61 to {COUNT} shown."
    assert len({*first, *tab.value(TITLES)}) == COUNT
    assert tab.value("document.querySelector('.clip-next').disabled")


def test_a_clip_shows_its_own_frame(tab):
    greys = tab.value("""(async () => {
        const greys = {};
        for (const item of document.querySelectorAll('.clip-thumbs li')) {
            const looks = getComputedStyle(item.querySelector('.clip-thumb')), image = new Image();
            image.src = looks.backgroundImage.slice(5, -2);
            await image.decode();
            const [columns, rows] = looks.backgroundSize.split(' ').map((share) => Math.round(parseFloat(share) / 100));
            const [x, y] = looks.backgroundPosition.split(' ').map((share) => parseFloat(share) / 100);
            const pen = document.createElement('canvas').getContext('2d');
            const width = image.naturalWidth / columns, height = image.naturalHeight / rows;
            pen.drawImage(image, -Math.round(x * (columns - 1)) * width, -Math.round(y * (rows - 1)) * height);
            greys[item.textContent.match(/c\\d\\d/)[0]] = pen.getImageData(width / 2, height / 2, 1, 1).data[0];
        }
        return greys;
    })()""")
    assert len(greys) == 60
    for name, found in greys.items():
        assert abs(found - grey(int(name[1:]))) <= 3


def test_choices_are_about_one_answer(tab):
    choose(tab, right="false")
    assert tab.value(STATUS) == f"44 of {COUNT} clips."
    choose(tab, model="right")
    assert tab.value(STATUS) == f"0 of {COUNT} clips."
    choose(tab, right="true", label="owl")
    assert tab.value(STATUS) == f"22 of {COUNT} clips."
    assert all("always_cat" not in text for text in tab.value(TITLES))
    choose(tab, answer="cat")
    assert tab.value(STATUS) == f"0 of {COUNT} clips."
    tab.value("document.querySelector('.clip-clear').click()")
    tab.wait_for(f"{STATUS} === '{COUNT} of {COUNT} clips, 1 to 60 shown.'")


def test_the_filters_of_the_page_count_here_too(tab):
    tab.value("setFilter('label', 'owl')")
    assert tab.value(STATUS) == f"22 of {COUNT} clips."
    tab.value("setFilter('model', 'right')")
    choose(tab, right="false")
    assert tab.value(STATUS) == f"0 of {COUNT} clips."


def test_a_click_on_a_cell_of_a_confusion_matrix_shows_its_clips(tab):
    tab.value("document.getElementById('chart-confusions-1').scrollIntoView(); 0")
    tab.wait_for("document.getElementById('chart-confusions-1').dataset.drawn === 'true'")
    cells = tab.value("""[...document.querySelectorAll('#chart-confusions-1 .mark-rect path')].map((path) => {
        const place = path.getBoundingClientRect();
        return [place.x + place.width / 2, place.y + place.height / 2];
    })""")
    x, y = min(cells)  # of the first panel, which has one column, the uppermost row
    for kind in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    tab.wait_for(f"{STATUS} === '22 of {COUNT} clips.'")
    chosen = dict(
        tab.value(
            "[...document.querySelectorAll('.clip-choice select')].map((each) => [each.dataset.choice, each.value])"
        )
    )
    assert chosen == {"model": "always_cat", "label": "<b>dog</b>", "right": "", "answer": "cat"}
    assert all("always_cat: cat 0.80" in text for text in tab.value(TITLES))


def test_the_table_of_confusions_leads_there_too(tab):
    tab.value("document.querySelector('#confusions tr[data-label=owl] .clip-show').click()")
    assert tab.value(STATUS) == f"22 of {COUNT} clips."
    assert all(text.startswith("owl") for text in tab.value(TITLES))
