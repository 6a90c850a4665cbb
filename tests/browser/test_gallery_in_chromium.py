"""The gallery in a browser: maps as `stepaudit.maps` makes them, animations in step, filters, and strips without."""

import time

import jinja2
import numpy as np
import pytest

from stepaudit.report.page import gallery, gallery_cards
from stepaudit.report.page.gallery_pictures import Drawn, Film
from stepaudit.report.pictures import pictures
from stepaudit.store import arrays, package_files

FRAMES, HEIGHT, WIDTH = 6, 40, 56
SIZE = f"{FRAMES}x{HEIGHT}x{WIDTH}"
WAYS = {
    "nearest": ("nearest", (2, 5, 7)),
    "nearest of more": ("nearest", (FRAMES, 96, 100)),
    "as it is": ("nearest", (FRAMES, HEIGHT, WIDTH)),
    "trilinear": ("trilinear", (4, 3, 5)),
    "trilinear from one": ("trilinear", (1, 1, 1)),
    "smooth-max": ("smooth-max:sigma=5.5,step=3", (FRAMES, 14, 19)),
    "wide smooth-max": ("smooth-max:sigma=11.0,step=7", (FRAMES, 6, 8)),
}


def row(method="step", model="one", *, upsampling="nearest", kept=0.9):
    values = {"method": method, "model": model, "size": SIZE, "upsampling": upsampling, "kept_probability": kept}
    return values | {"frame_volume": np.linspace(0.1, 0.6, FRAMES).tolist()}


def flicker():
    """Frames of another grey each, [T, H, W, 3]."""
    return np.broadcast_to(
        np.uint8(40 + 30 * np.arange(FRAMES))[:, None, None, None], (FRAMES, HEIGHT, WIDTH, 3)
    ).copy()


def seeds(shape):
    """A grid with much that is 0, and ones in it, as masks have them."""
    rng = np.random.default_rng(len(shape) + shape[-1])
    return np.float16(np.clip(rng.random(shape) * 1.6 - 0.5, 0, 1))


def card(anchor, label, reasons, drawn, film):
    data = {"films": {SIZE: film.data()}, "maps": [each.data() for each in drawn], "sources": list(range(0, 60, 10))}
    tiles = [
        gallery_cards.Tile(
            each.row["model"], each.row["method"], ["ratio 0.1"], index=index, is_floor=each.row["method"] == "center"
        )
        for index, each in enumerate(drawn)
    ]
    parts = [
        gallery_cards.Part(model, ["probability 0.9"], [tile for tile in tiles if tile.model == model], SIZE)
        for model in dict.fromkeys(tile.model for tile in tiles)
    ]
    stills = [gallery_cards.Still("clip", film.still())]
    return gallery_cards.Card(anchor, "planted", label, label, reasons, [], parts, stills, data)


@pytest.fixture(scope="module")
def cards():
    frames = flicker()
    film = Film(frames, [[(8, 8, 30, 30)] for _ in frames], [2 <= frame < 4 for frame in range(FRAMES)])
    ways = [Drawn(row(name, upsampling=way, kept=0.9), seeds(shape)) for name, (way, shape) in WAYS.items()]
    ways.append(Drawn(row("grad_cam", kept=None, upsampling="trilinear"), np.float16(0.2 * seeds((2, 4, 4)))))
    level = np.linspace(0, 1, FRAMES)[:, None, None]
    plain = [Drawn(row(name, model), np.float16(level)) for model in ("one", "two") for name in ("step", "center")]
    first = gallery_cards.Reason("gallery-a", "A", "because one", "one")
    second = gallery_cards.Reason("gallery-a", "A", "because two", "two")
    either = gallery_cards.Reason("gallery-a", "A", "because")
    return {
        "ways": (card("clip-ways", "ways", [either], ways, film), ways),
        "levels": (card("clip-levels", "levels", [first], plain, film), plain),
        "other": (card("clip-other", "other", [second], plain, film), plain),
    }


@pytest.fixture(scope="module")
def path(cards, tmp_path_factory):
    """A page with nothing but a gallery, under the report's own rules of what it may load."""
    group = gallery.Group("gallery-a", "A", "All.", "select 1", [each for each, _ in cards.values()], [])
    examples = gallery.Gallery([group], gallery.Failures([], 0), {}, 0)
    folder = package_files.reports()
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<link rel=icon href='data:,'><style>{(folder / 'gallery.css').read_text()}</style>"
        '<a class="finding-clip" id="beside" data-card="clip-levels"><canvas data-map="0"></canvas></a>'
        '{% include "_gallery.html.jinja" %}'
        f"<script>{(folder / 'gallery.js').read_text()}</script>"
    )
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), **options)
    page = tmp_path_factory.mktemp("page") / "page.html"
    page.write_text(environment.from_string(text).render(examples=examples, clip_list=None))
    return page


@pytest.fixture
def tab(browser, path):
    """The page, opened anew; nothing of it may end on the console."""
    browser.scripts(run=True)
    browser.resize(1280)
    browser.media(prefers_reduced_motion="reduce")
    browser.open(path)
    yield browser
    assert browser.console == []
    assert browser.foreign_requests(path) == []


def shown(tab, anchor):
    """Scrolls to a card and waits until it is drawn."""
    tab.value(f"document.getElementById('{anchor}').scrollIntoView(); 0")
    tab.wait_for(f"document.getElementById('{anchor}').dataset.ready === 'true'")


def colour(tab, anchor, index=0, place="0.9, 0.1", kind="data-map"):
    """Colour of a place on the picture of a map, in shares of its width and height."""
    return tab.value(f"""(() => {{
        const canvas = document.querySelectorAll('#{anchor} canvas[{kind}]')[{index}], [x, y] = [{place}];
        const copy = document.createElement('canvas').getContext('2d', {{ willReadFrequently: true }});
        copy.drawImage(canvas, -Math.floor(x * canvas.width), -Math.floor(y * (canvas.height - 30)));
        return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }})()""")


def to_frame(tab, anchor, frame):
    tab.value(f"""(() => {{
        const slider = document.querySelector('#{anchor} .clip-frame');
        slider.value = {frame};
        slider.dispatchEvent(new Event('input'));
    }})()""")


@pytest.mark.parametrize("index", range(len(WAYS) + 1))
def test_the_full_map_is_the_one_that_python_makes_to_two_grey_levels(tab, cards, index):
    drawn = cards["ways"][1][index]
    found = tab.value(f"""(async () => {{
        const data = JSON.parse(document.querySelector('#clip-ways .clip-data').textContent), map = data.maps[{index}];
        const size = data.films[map.film].size, grid = await stepaudit.gallery.gridOf(map), frames = [];
        for (let t = 0; t < size[0]; t++) frames.push([...stepaudit.gallery.shareOf(map, grid, size, t)]);
        return frames;
    }})()""")
    truth = drawn.share().clip(0, 1)
    assert truth.std() > 0.05 or drawn.grid.size == 1
    assert np.abs(np.array(found).reshape(truth.shape) - truth).max() * 255 <= 2


def test_a_crisp_mask_is_the_one_that_python_makes(tab, cards):
    index = list(WAYS).index("smooth-max")
    drawn = cards["ways"][1][index]
    found = tab.value(f"""(async () => {{
        const data = JSON.parse(document.querySelector('#clip-ways .clip-data').textContent), map = data.maps[{index}];
        const size = data.films[map.film].size, grid = await stepaudit.gallery.gridOf(map);
        return stepaudit.gallery.crispShares({{...map, crisp: 0.1}}, grid, size).map((share) => [...share]);
    }})()""")
    truth = arrays.crisp_mask(drawn.grid, drawn.row | {"shown_ratio": 0.1})
    assert truth.std() > 0.05
    assert np.abs(np.array(found).reshape(truth.shape) - truth).max() < 0.05  # half a grey level, on a ramp of a fifth


def test_colours_are_those_of_the_still_pictures(tab):
    shown(tab, "clip-levels")
    for frame, share in enumerate(np.linspace(0, 1, FRAMES)):
        to_frame(tab, "clip-levels", frame)
        expected = pictures.tint(flicker()[frame : frame + 1, :1, :1], np.full((1, 1, 1), share, np.float32))[0, 0, 0]
        assert np.abs(np.subtract(colour(tab, "clip-levels"), expected.astype(int))).max() <= 4  # WebP, rounding


def test_a_picture_beside_a_finding_is_that_of_its_card(tab):
    shown(tab, "beside")
    shown(tab, "clip-levels")
    assert max(colour(tab, "beside")) > 100
    assert colour(tab, "beside") == colour(tab, "clip-levels")  # both at first at the frame with most of the map
    to_frame(tab, "clip-levels", 0)
    assert colour(tab, "beside") != colour(tab, "clip-levels")


def test_a_picture_beside_a_finding_moves_by_itself(browser, path):
    browser.media()
    browser.open(path)
    shown(browser, "beside")
    first = colour(browser, "beside")
    deadline = time.monotonic() + 20
    while colour(browser, "beside") == first:
        assert time.monotonic() < deadline
    assert browser.console == []


def test_all_pictures_of_a_card_move_in_step_and_stop_when_told(tab):
    shown(tab, "clip-levels")
    start = tab.value("document.querySelector('#clip-levels .clip-frame').value")
    assert start == str(FRAMES - 1)  # the frame with the greatest share of the map
    to_frame(tab, "clip-levels", 0)
    before = colour(tab, "clip-levels")
    assert tab.value("document.querySelector('#clip-levels .clip-play').textContent") == "Play"  # motion is not wanted
    tab.value("document.querySelector('#clip-levels .clip-play').click()")
    tab.wait_for("Number(document.querySelector('#clip-levels .clip-frame').value) >= 2")
    tab.value("document.querySelector('#clip-levels .clip-play').click()")
    frame = int(tab.value("document.querySelector('#clip-levels .clip-frame').value"))
    assert colour(tab, "clip-levels") != before
    assert colour(tab, "clip-levels") == colour(tab, "clip-levels", index=1 + 1)  # the same map on the other model
    tab.value("new Promise((done) => setTimeout(done, 400))")
    assert int(tab.value("document.querySelector('#clip-levels .clip-frame').value")) == frame
    said = tab.value("document.querySelector('#clip-levels .clip-now').textContent")
    assert said == f"{frame + 1} of {FRAMES}, source frame {10 * frame}" + (
        ", in the action" if frame in (2, 3) else ""
    )


def test_without_a_wish_for_less_motion_what_is_in_view_plays(browser, path):
    browser.media()
    browser.open(path)
    shown(browser, "clip-ways")
    browser.wait_for("document.querySelector('#clip-ways .clip-frame').value === '2'")
    assert browser.console == []


def test_the_keyboard_reaches_play_and_frames(tab):
    shown(tab, "clip-levels")
    tab.value("document.querySelector('#clip-levels .clip-frame').focus()")
    tab.press("ArrowLeft", 37)
    tab.wait_for(f"document.querySelector('#clip-levels .clip-frame').value === '{FRAMES - 2}'")
    tab.value("document.querySelector('#clip-levels .clip-play').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.value("document.querySelector('#clip-levels .clip-play').textContent") == "Pause"


def test_what_the_map_keeps_and_the_clip_alone_are_shown_when_asked_for(tab):
    shown(tab, "clip-levels")
    to_frame(tab, "clip-levels", FRAMES - 1)  # a mask that keeps everything, of a frame of grey 190
    for mode, expected in (("kept", 190), ("clip", 190)):
        tab.value(f"document.querySelector('[name=clip-mode][value={mode}]').click()")
        assert np.abs(np.subtract(colour(tab, "clip-levels"), expected)).max() <= 4
    tab.value("document.querySelector('[name=clip-mode][value=kept]').click()")
    to_frame(tab, "clip-levels", 0)  # one that keeps nothing
    assert max(colour(tab, "clip-levels")) < 30


def test_boxes_stand_where_they_are_annotated(tab):
    shown(tab, "clip-levels")
    edge = f"{8 / WIDTH}, {20 / HEIGHT}"
    red, green, blue = colour(tab, "clip-levels", place=edge, kind="data-film")
    assert green > red + 60
    assert green > blue + 20


def test_a_filter_hides_tiles_models_and_cards_that_were_chosen_for_another_model(tab):
    shown(tab, "clip-levels")
    seen = "[...document.querySelectorAll('.clip-card')].filter((card) => card.getClientRects().length)"
    visible = f"{seen}.map((card) => card.id)"
    assert tab.value(visible) == ["clip-ways", "clip-levels", "clip-other"]
    send = """document.dispatchEvent(new CustomEvent('stepaudit:filter', {{detail: {{model: {}}}}}));
        new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"""
    tab.value(send.format("'two'"))
    assert tab.value(visible) == ["clip-ways", "clip-other"]
    tab.value(send.format("'neither'"))
    assert tab.value(visible) == ["clip-ways"]
    tab.value(send.format("null"))
    assert tab.value(visible) == ["clip-ways", "clip-levels", "clip-other"]


def test_a_picture_that_cannot_be_read_leaves_the_strips(browser, path, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(
        path.read_text().replace('"sheet": "data:image/webp;base64,', '"sheet": "data:image/webp;base64,AAAA')
    )
    browser.scripts(run=True)
    browser.open(broken)
    browser.value("document.getElementById('clip-ways').scrollIntoView(); 0")
    browser.wait_for("document.getElementById('clip-ways').dataset.error !== undefined")
    assert browser.value("document.querySelector('#clip-ways .clip-stills').getClientRects().length") == 1
    assert browser.value("document.querySelector('#clip-ways .clip-controls').hidden")


def test_without_a_script_and_in_print_the_strips_are_shown(browser, path):
    found = "[...document.querySelectorAll('.clip-stills img')]"
    strips = f"{found}.length && {found}.every((each) => each.getClientRects().length && each.naturalWidth > 100)"
    canvases = "[...document.querySelectorAll('canvas')].filter((each) => each.getClientRects().length).length"
    browser.scripts(run=True)
    browser.media("print")
    browser.open(path)
    assert browser.value(strips)
    assert browser.value(canvases) == 0
    browser.media()
    assert browser.value(canvases) > 0
    browser.scripts(run=False)
    browser.open(path)
    assert browser.value(strips)
    assert browser.value(canvases) == 0
