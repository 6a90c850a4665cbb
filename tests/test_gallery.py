"""The gallery: which clips its rules choose from tables written by hand, what each card holds, and what fails."""

import base64
import re
from io import BytesIO
from pathlib import Path

import jinja2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_audit import clips, write_audit

from stepaudit import maps
from stepaudit.audit import config
from stepaudit.report import build_database
from stepaudit.report.page import gallery, gallery_cards, gallery_sources
from stepaudit.report.pictures import pictures
from stepaudit.store import arrays, database, package_files, tables

READ = ("gallery_choices", "gallery_searches", "method_roles", "test_clips", "controls", "failed")
FRAMES, HEIGHT, WIDTH = 16, 32, 48
SIZE = f"{FRAMES}x{HEIGHT}x{WIDTH}"
METHODS = {"step": {"ratios": [0.1]}, "middle": {"use": "center"}}
PRESERVE = {"methods": ["step"], "bounds": ["probability"]}
MODELS = {"r3d": {"use": "r2plus1d_18"}, "rnn": {"use": "vgg16_lstm"}, "noise": {"of": "r3d", "randomise": 1.0}}


def smooth_frames():
    """A bright bar that moves to the right over a grey slope, uint8 [T, H, W, 3]."""
    frames = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    frames[...] = np.linspace(40, 160, WIDTH)[:, None]
    for frame in range(FRAMES):
        frames[frame, :, 2 * frame : 2 * frame + 12] = (230, 220, 90)
    return frames


def audit(folder, rows, **changes):
    """An audit with its database; clips get pixels, and the label that is their name's first letter."""
    for row in rows["segments"]:
        row["label"] = row["clip_id"][0]
    for row in rows["clips"]:
        row |= {"label": row["clip_id"][0], "pixels": smooth_frames().tobytes(), "height": HEIGHT, "width": WIDTH}
        row |= {
            "size": SIZE,
            "frames": list(range(0, 2 * FRAMES, 2)),
            "in_action": [4 <= frame < 9 for frame in range(FRAMES)],
        }
    plan = {"clips": {"frames": FRAMES, "height": HEIGHT, "width": WIDTH}, "preserve": PRESERVE}
    folder = write_audit(folder, rows, **{"methods": METHODS, **plan, **changes})
    build_database.create(folder, config.load(folder / "config.yaml"), READ)
    return folder


def shown(folder):
    with database.connect(folder) as connection:
        return gallery.examples(connection, folder)


def chosen(folder, rule):
    """(clip, model, because) of a rule, by place."""
    with database.connect(folder) as connection:
        rows = gallery_sources.choices(connection)
    return [(row["clip_id"], row["model"], row["because"]) for row in rows if row["rule"] == rule]


def search(clip_id, ratio, probability, **values):
    """A row of `preservation` and one of `predictions`."""
    keys = {"clip_id": clip_id, **{key: values.pop(key) for key in ("model",) if key in values}}
    bounds = {"left": {"lower": 0.0, "upper": ratio}, "right": {"lower": ratio, "upper": None}}
    known = {"lower": 0.9 * ratio, "upper": ratio}
    censored = values.get("censored")
    row = {"ratio": None if censored == "right" else ratio, **bounds.get(censored, known), **values}
    return {"preservation": keys | row, "predictions": keys | {"target_probability": probability, "rank": 1}}


def searches(*found):
    rows = {"preservation": [each["preservation"] for each in found]}
    predictions = {(p["clip_id"], p.get("model")): p for p in (each["predictions"] for each in found)}
    return rows | {"predictions": list(predictions.values())}


def map_row(clip_id, grid=None, **values):
    """A map that is 1 in the first frame and 0 in all others, or the one given."""
    if grid is None:
        grid = np.zeros((FRAMES, 1, 1))
        grid[0] = 1
    row = {"clip_id": clip_id, "ratio": 0.1, "upsampling": "nearest", "volume": 0.06, "frame_volume": [0.0] * FRAMES}
    return row | {"grid": np.float16(grid).ravel(), "grid_shape": list(np.shape(grid)), **values}


def decoded(address, mode="RGB"):
    return np.asarray(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))).convert(mode))


def tiles(sheet, columns, count):
    """The pictures of a sheet, in order."""
    rows = -(-count // columns)
    height, width = sheet.shape[0] // rows, sheet.shape[1] // columns
    return [
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row, column in (divmod(index, columns) for index in range(count))
    ]


def page(examples):
    """The gallery's HTML."""
    loader = jinja2.FileSystemLoader(package_files.reports())
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return (
        jinja2.Environment(loader=loader, **options)
        .get_template("_gallery.html.jinja")
        .render(examples=examples, clip_list=None)
    )


# ---- rules ----


def test_the_smallest_and_largest_ratios_tell_ties_and_order_censored_clips_by_how_sure_the_model_is(tmp_path):
    rows = clips("a1", "a2", "a3", "b1", "b2", "b3") | searches(
        search("a1", 0.05, 0.9),
        search("a2", 0.010, 0.6, censored="left"),
        search("a3", 0.012, 0.8, censored="left"),
        search("b1", 0.4, 0.7, censored="right"),
        search("b2", 0.3, 0.7),
        search("b3", 0.2, 0.7, status="non_finite", error="NaN"),
    )
    folder = audit(tmp_path, rows)
    ties = "(left-censored: the smallest mask tried suffices; ties with 1 more)"
    assert chosen(folder, "smallest ratio") == [
        ("a3", "r3d", f"r3d needs at most 1.2 % of the clip {ties}"),
        ("a2", "r3d", f"r3d needs at most 1.0 % of the clip {ties}"),
    ]
    assert chosen(folder, "largest ratio") == [
        (
            "b1",
            "r3d",
            "r3d needs more than 40 % of the clip (right-censored: no mask that was tried suffices; no other clip "
            "ties)",
        ),
        ("b2", "r3d", "r3d needs 30 % of the clip"),
    ]


def test_clips_that_are_alike_in_everything_are_chosen_by_name(tmp_path):
    names = ["a3", "a1", "a2"]
    found = searches(*(search(name, 0.01, 0.5, censored="left") for name in names))
    assert [row[0] for row in chosen(audit(tmp_path, clips(*names) | found), "smallest ratio")] == ["a1", "a2"]


def test_only_the_first_search_counts_and_each_model_has_its_own_but_for_controls(tmp_path):
    rows = clips("a1", "a2") | searches(
        search("a1", 0.2, 0.9),
        search("a2", 0.1, 0.9),
        search("a1", 0.01, 0.9, bound="top1"),
        search("a1", 0.02, 0.9, model="rnn"),
        search("a2", 0.05, 0.9, model="noise"),
    )
    preserve = {"methods": ["step"], "bounds": ["probability", "top1"]}
    found = chosen(audit(tmp_path, rows, models=MODELS, preserve=preserve), "smallest ratio")
    assert [(clip_id, model) for clip_id, model, _ in found] == [("a1", "rnn"), ("a2", "r3d"), ("a1", "r3d")]


def test_models_differ_by_what_censoring_and_brackets_leave_certain(tmp_path):
    pairs = {"a1": (0.1, 0.4, None), "a2": (0.1, 0.2, None), "a3": (0.1, 0.105, None), "a4": (0.01, 0.4, "right")}
    found = [
        each
        for name, (one, other, censored) in pairs.items()
        for each in (search(name, one, 0.9), search(name, other, 0.9, model="rnn", censored=censored))
    ]
    folder = audit(tmp_path, clips(*pairs) | searches(*found), models=MODELS)
    assert chosen(folder, "ratios differ") == [  # a1: 0.9 · 0.4 − 0.1; a2: 0.9 · 0.2 − 0.1; a3's brackets overlap
        ("a4", None, "r3d needs 1.0 % of the clip, rnn more than 40 %: 39 percentage points apart or more"),
        ("a1", None, "r3d needs 10 % of the clip, rnn 40 %: 26 percentage points apart or more"),
        ("a2", None, "r3d needs 10 % of the clip, rnn 20 %: 8 percentage points apart or more"),
    ]


def test_models_differ_in_where_the_same_method_points(tmp_path):
    def hits(clip_id, model, values, method="step", ratio=0.1):
        keys = {"clip_id": clip_id, "model": model, "method": method, "ratio": ratio, "metric": "spatial_pointing"}
        return [keys | {"frame": frame, "value": value} for frame, value in enumerate(values)]

    scores = [
        *hits("a1", "r3d", [1, 1, 1, 1]), *hits("a1", "rnn", [0, 0, 0, 1]),
        *hits("a2", "r3d", [1, 0]), *hits("a2", "rnn", [1, 1]),
        *hits("a3", "r3d", [1, 1]), *hits("a3", "rnn", [1, 1]),
        *hits("a3", "r3d", [1, 1], "middle", None), *hits("a3", "rnn", [0, 0], "middle", None),
        *hits("a2", "noise", [0, 0]),
    ]  # fmt: skip
    folder = audit(tmp_path, clips("a1", "a2", "a3") | {"scores": scores}, models=MODELS)
    told = "step at ratio 0.1: the peak falls on the box in {} % of {} annotated frames on r3d, in {} % on rnn"
    assert chosen(folder, "pointing differs") == [
        ("a1", None, told.format(100, 4, 25)),
        ("a2", None, told.format(50, 2, 100)),
    ]


def test_masks_of_the_class_adversarial_come_first_then_those_of_which_least_survives(tmp_path):
    fills = ("blur", "other_blur", "fade", "freeze", "noise")
    fixed = {"clip": 0.9, "rival_clip": 0.1, "random": 0.1, "outside": 0.1, "inside": 1.0, "annotated": 0.2}
    fixed |= {f"empty.{fill}": 0.05 for fill in fills}

    def parts(others, hard):
        return fixed | {f"soft.{fill}": others for fill in fills} | {"hard.blur": hard, "shift": 0.8}

    given = {"a1": parts(0.85, 0.8), "a2": parts(0.85, 0.05), "a3": parts(0.02, 0.85), "a4": parts(0.85, 0.7)}
    maps = [map_row(name, kept_probability=0.88, perturbation="blur:sigma=5") for name in given]
    scores = [
        {"clip_id": name, "ratio": 0.1, "metric": f"survival.{part}", "value": value}
        for name, values in given.items()
        for part, value in values.items()
    ]
    metrics = {"survival": {"use": "mask_survival"}}
    folder = audit(tmp_path, clips(*given) | {"maps": maps, "scores": scores}, metrics=metrics)
    with database.connect(folder) as connection:
        found = database.records(connection, "from gallery_choices where rule = 'adversarial' order by place")
    assert [row["clip_id"] for row in found] == ["a3", "a2", "a4", "a1"]
    assert found[0]["because"] == (
        "r3d, step: the mask keeps a probability of 0.88, and 0.02 where it was not optimised (class adversarial)"
    )
    assert found[2]["because"].endswith("and 0.70 where it was not optimised (class focused)")
    assert len(chosen(folder, "adversarial")) == 2


def test_the_wrong_answers_of_which_a_model_is_most_sure_are_shown_and_right_ones_never(tmp_path):
    def answered(clip_id, given, sure, **values):
        shares = {"target_probability": 1 - sure, "probabilities": [1 - sure, sure]}
        return {"clip_id": clip_id, "label": clip_id[0], "rank": 2, "predicted": given, **shares, **values}

    rows = clips("a1", "a2", "a3") | {
        "predictions": [
            answered("a1", "b", 0.6),
            answered("a2", "b", 0.9),
            answered("a3", "a", 0.99, rank=1, target_probability=0.99),
            answered("a1", "b", 0.95, model="noise"),
        ]
    }
    assert chosen(audit(tmp_path, rows, models=MODELS), "gets wrong") == [
        ("a2", "r3d", "r3d answers b with probability 0.90; a has 0.10"),
        ("a1", "r3d", "r3d answers b with probability 0.60; a has 0.40"),
    ]


def test_maps_that_avoid_the_boxes_are_shown_and_those_on_them_never(tmp_path):
    def measured(clip_id, metric, value):
        values = {"clip_id": clip_id, "ratio": 0.1, "metric": metric, "frame": 0, "value": value}
        return [values, values | {"method": "middle", "ratio": None, "value": 0.0}]  # a floor says nothing

    scores = [
        row
        for clip, on_box, box in (("a1", 0.1, 0.2), ("a2", 0.01, 0.25), ("a3", 0.9, 0.2))
        for row in (*measured(clip, "mass_in_box", on_box), *measured(clip, "box_share", box))
    ]
    scores = [row for row in scores if row["metric"] != "box_share" or row["value"]]
    assert chosen(audit(tmp_path, clips("a1", "a2", "a3") | {"scores": scores}), "follows the background") == [
        ("a2", "r3d", "r3d, step at ratio 0.1: 1.0 % of the map lies on the boxes, which are 25 % of the picture"),
        ("a1", "r3d", "r3d, step at ratio 0.1: 10 % of the map lies on the boxes, which are 20 % of the picture"),
    ]


def test_the_first_good_clip_of_each_class_is_shown(tmp_path):
    rows = clips("a2", "a1", "a0", "b7", "c1")
    rows["clips"][2] |= {"status": "bad_video"}
    rows["clips"][4] |= {"split": "train", "view": "random0"}
    (group,) = shown(audit(tmp_path, rows)).groups
    assert [(card.label, card.clip_id) for card in group.cards] == [("a", "a1"), ("b", "b7")]
    assert group.cards[0].facts[0] == "16 frames of the video, from 0 to 30"


def test_no_more_clips_of_a_rule_than_a_page_can_hold(tmp_path):
    (group,) = shown(audit(tmp_path, clips(*"abcdefghijklmnopq"))).groups
    assert len(group.cards) == gallery_sources.MAX_CLIPS


def test_the_map_that_a_rule_speaks_of_is_shown_or_else_the_one_nearest_to_the_paper_s_ratio():
    def row(model, method, ratio, seed):
        return {"model": model, "method": method, "ratio": ratio, "seed": seed}

    rows = [row(m, "step", r, s) for m in ("one", "two") for r in (0.02, 0.12, 0.3) for s in (0, 1)]
    rows.append(row("two", "grad_cam", None, 0))
    said = {"method": "step", "model": "two", "ratio": 0.31, "seed": 1}
    either = {"method": "step", "model": None, "ratio": 0.02, "seed": None}
    silent = {"method": None, "model": None, "ratio": None, "seed": None}

    def picked(*choices):
        return [tuple(each.values()) for each in gallery_sources.shown_maps(rows, choices)]

    last = ("two", "grad_cam", None, 0)
    assert picked(silent) == [("one", "step", 0.12, 0), ("two", "step", 0.12, 0), last]
    assert picked(said) == [("one", "step", 0.12, 0), ("two", "step", 0.3, 1), last]
    assert picked(said, either, either) == [
        ("one", "step", 0.02, 0),
        ("two", "step", 0.3, 1),
        ("two", "step", 0.02, 0),
        last,
    ]


# ---- cards ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two clips; the first has a mask, a map in shares of its greatest value, one that failed, and a box."""
    rng = np.random.default_rng(0)
    rows = clips("a1", "b1") | searches(search("a1", 0.05, 0.9), search("b1", 0.07, 0.8))
    rows["predictions"][1] |= {"rank": 2, "target": 0, "probabilities": [0.3, 0.7]}
    rows["segments"][1] |= {"target": 1}
    rows["clip_boxes"] = [{"clip_id": "a1", "size": SIZE, "frame": 3, "x0": 4, "y0": 5, "x1": 20, "y1": 25}]
    seeds = rng.random((FRAMES, 5, 7))
    numbers = {"target_probability": 0.9, "kept_probability": 0.85}
    maps = [
        map_row("a1", seeds, upsampling="smooth-max:sigma=9.0,step=7", **numbers),
        map_row("a1", 0.01 * rng.random((FRAMES, HEIGHT, WIDTH)), method="middle", ratio=None),
        {"clip_id": "b1", "method": "step", "ratio": 0.1, "status": "non_finite", "error": "loss is NaN"},
    ]
    return audit(tmp_path_factory.mktemp("audit"), rows | {"maps": maps})


@pytest.fixture(scope="module")
def found(folder):
    return shown(folder)


def test_a_clip_that_several_rules_choose_is_shown_once_and_named_by_the_others(found):
    cards = [card for group in found.groups for card in group.cards]
    assert sorted(card.clip_id for card in cards) == ["a1", "b1"]
    assert [reason.group for reason in cards[0].reasons] == [
        "gallery-smallest-ratio", "gallery-largest-ratio", "gallery-class",
    ]  # fmt: skip
    last = found.groups[-1]
    assert (last.cards, [clip_id for _, clip_id, _ in last.named]) == ([], ["a1", "b1"])
    html = page(found)
    assert html.count(f'id="{cards[0].anchor}"') == 1
    assert all(f'href="#{reason.group}"' in html for reason in cards[0].reasons)
    assert html.count(f'href="#{cards[0].anchor}"') == 3  # its own name, and the two rules that name it


def test_the_sheet_of_a_film_holds_the_frames_in_order(found):
    (film,) = found.groups[0].cards[0].data["films"].values()
    pictured = tiles(decoded(film["sheet"]), film["columns"], FRAMES)
    apart = np.array([[np.abs(one.astype(int) - frame).mean() for frame in smooth_frames()] for one in pictured])
    assert apart.argmin(axis=1).tolist() == list(range(FRAMES))
    assert apart.diagonal().max() < 8  # grey levels that WebP loses, most of them at the bar's edges
    assert film["size"] == [FRAMES, HEIGHT, WIDTH]
    assert film["boxes"][3] == [[4, 5, 20, 25]]
    assert [frame for frame, inside in enumerate(film["in_action"]) if inside] == [4, 5, 6, 7, 8]


def test_the_sheet_of_a_map_holds_its_grid_to_half_a_grey_level_or_two_if_it_is_large(found, folder):
    card = found.groups[0].cards[0]
    with database.connect(folder) as connection:
        rows = database.records(connection, "select maps.*, size from maps join models on model = name")
    for row in [row for row in rows if row["clip_id"] == "a1"]:
        index = next(t.index for t in card.parts[0].tiles if t.method == row["method"])
        data, grid = card.data["maps"][index], arrays.grid(row, folder).astype(float)
        read = np.stack(tiles(decoded(data["sheet"], "L"), data["columns"], FRAMES)) / 255 * data["top"]
        assert np.abs(read - grid).max() / data["top"] * 255 <= (2 if grid.size > 20_000 else 0.51)
        greatest = 1 if row["kept_probability"] else arrays.full_map(row, folder).max()
        assert data["greatest"] == pytest.approx(greatest)


def test_a_card_tells_target_probabilities_ratios_and_what_failed(found):
    one, other = (card for group in found.groups for card in group.cards)
    (part,) = one.parts
    assert part.facts == ["probability of the label 0.90", "needs 5.0 % of the clip (step, probability)"]
    assert part.tiles[0].facts == ["ratio 0.1, reached 0.06", "keeps probability 0.85"]
    assert [tile.is_floor for tile in part.tiles] == [False, True]
    assert other.parts[0].tiles[0].note == "non_finite: loss is NaN"
    assert other.parts[0].facts[:2] == ["probability of the label 0.80", "answers b (0.70)"]
    assert one.sql.startswith("from gallery_choices where dataset = 'planted' and clip_id = 'a1'")


def test_strips_stand_for_the_animations_where_no_script_runs(found):
    one, other = (card for group in found.groups for card in group.cards)
    assert [still.caption for still in one.stills] == ["clip", "step, r3d", "middle, r3d"]
    assert [still.caption for still in other.stills] == ["clip"]
    strip = decoded(one.stills[0].picture)
    assert strip.shape[1] == 8 * (WIDTH + pictures.GAP_PX) - pictures.GAP_PX
    assert page(found).count("<img ") == page(found).count(" alt=") == 4


def test_the_statement_of_a_card_finds_it(found, folder):
    card = found.groups[0].cards[0]
    names, rows = database.query(folder, card.sql)
    assert {row[names.index("because")] for row in rows} == {reason.text for reason in card.reasons}
    names, rows = database.query(folder, found.groups[0].sql)
    assert [row[names.index("clip_id")] for row in rows] == ["a1", "b1"]


def test_cards_and_tiles_say_what_a_filter_may_ask_for(found):
    html = page(found)
    card = re.search(r'<article class="clip-card filterable"[^>]*>', html)[0]
    assert 'data-dataset="planted" data-label="a"' in card
    assert '<section class="clip-part filterable" aria-label="r3d" data-model="r3d">' in html
    assert '<figure class="clip-tile filterable" data-method="step">' in html


# ---- what can be wrong ----


def test_failures_are_listed_with_their_reasons_those_by_nature_last_and_the_rest_is_counted(tmp_path, monkeypatch):
    rows = clips("a1", "a2", "a3")
    rows["clips"][1] |= {"status": "bad_video", "error": "a2.mp4: no frame decodes"}
    maps = [
        {"clip_id": "a3", "method": "middle", "status": "not_applicable", "error": "needs an LSTM"},
        {"clip_id": "a2", "method": "step", "ratio": 0.1, "status": "upstream", "error": "a2"},
        {"clip_id": "a1", "method": "step", "ratio": 0.1, "status": "non_finite", "error": "NaN"},
    ]
    folder = audit(tmp_path, rows | {"maps": maps})
    found = shown(folder).failures
    rows = [(r["clip_id"], r["stage"], r["model"], r["method"], r["status"], r["error"], r["rows"]) for r in found.rows]
    assert rows == [
        ("a2", "clips", None, None, "bad_video", "a2.mp4: no frame decodes", 1),
        ("a1", "maps", "r3d", "step", "non_finite", "NaN", 1),
        ("a3", "maps", "r3d", "middle", "not_applicable", "needs an LSTM", 1),
    ]
    assert found.left_out == 0
    monkeypatch.setattr(gallery_sources, "MAX_FAILURES", 1)
    found = shown(folder)
    assert ([row["clip_id"] for row in found.failures.rows], found.failures.left_out) == (["a2"], 2)
    assert "2 further rows" in page(found)


def test_names_from_data_are_text_and_nothing_else(tmp_path):
    name = "a<script>alert('1')</script>\"&\u2028"
    rows = clips(name) | {
        "maps": [map_row(name), {"clip_id": name, "method": "middle", "status": "no_peak", "error": name}]
    }
    html = page(shown(audit(tmp_path, rows)))
    assert "<script>alert" not in html
    assert html.count("<script") == html.count("</script") == 1  # the card's data
    assert "\u2028" not in re.search(r"<script[^>]*>(.*?)</script>", html, re.S)[1]
    assert "&lt;script&gt;alert" in html


def test_a_clip_whose_pixels_are_gone_or_damaged_is_told_of_without_pictures(tmp_path):
    folder = audit(tmp_path, clips("a1") | {"maps": [map_row("a1")]})
    (file,) = (folder / "clips").rglob("*.parquet")
    file.write_bytes(b"PAR1 not really PAR1")
    for _ in range(2):  # damaged, then gone
        found = shown(folder)
        (card,) = found.groups[0].cards
        assert (card.data, card.stills) == (None, [])
        assert card.note.startswith("No pictures: clips/")
        assert str(tmp_path) not in page(found)
        assert card.parts[0].tiles[0].facts
        file.unlink(missing_ok=True)


def test_a_clip_whose_pixels_were_never_kept_is_told_of_as_well(tmp_path):
    folder = audit(tmp_path, clips("a1", "b1"))
    (file,) = (folder / "clips").rglob("*.parquet")
    tables.write(
        [
            row | {"pixels": None if row["clip_id"] == "b1" else row["pixels"]}
            for row in tables.read("clips", folder / "clips")
        ],
        "clips",
        file,
    )
    cards = shown(folder).groups[0].cards
    assert [card.data is None for card in cards] == [False, True]
    assert "no pixels of clip 'b1'" in cards[1].note


def test_a_damaged_map_leaves_the_others(tmp_path):
    grids = [map_row("a1"), map_row("a1", method="middle", ratio=None)]
    folder = audit(tmp_path, clips("a1") | {"maps": grids})
    (file,) = (folder / "maps").rglob("method=step/*.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    found = shown(folder)
    (card,) = found.groups[0].cards
    damaged, sound = card.parts[0].tiles
    assert (damaged.index, sound.index, len(card.data["maps"])) == (None, 0, 1)
    assert "damaged" in damaged.note
    assert str(tmp_path) not in page(found)


def test_pictures_beyond_the_budget_are_left_out_and_said_to_be(tmp_path, monkeypatch):
    folder = audit(tmp_path, clips("a1", "b1", "c1"))
    cards = shown(folder).groups[0].cards
    monkeypatch.setattr(gallery, "MAX_PICTURE_BYTES", cards[0].bytes + cards[1].bytes)
    found = shown(folder)
    assert [card.data is None for card in found.groups[0].cards] == [False, False, True]
    assert found.groups[0].cards[2].note == gallery_cards.LEFT_OUT
    assert found.bytes <= gallery.MAX_PICTURE_BYTES


def test_an_audit_of_nothing_has_no_gallery(tmp_path):
    folder = write_audit(tmp_path)
    build_database.create(folder, config.load(folder / "config.yaml"), READ)
    assert not shown(folder)
    assert page(shown(folder)).strip() == ""


def test_script_and_style_have_the_colours_of_the_pictures():
    script, style = (Path(package_files.reports(), f"gallery.{kind}").read_text() for kind in ("js", "css"))
    stops = [[int(part) for part in stop] for stop in pictures.HEAT]
    assert str(stops) in script
    assert ", ".join(f"rgb({red}, {green}, {blue})" for red, green, blue in stops) in style
    assert f"rgb{pictures.BOX_COLOUR}" in script


# ---- what models need ----


def need(clip_id, octaves, seeds=None, **values):
    """A row of `preservation` for what a clip needs, with the seed masks of its smallest piece."""
    row = {"clip_id": clip_id, "bound": "sufficiency", "vacuous": octaves is None, "log2_ratio": octaves, "ratio": 0.05}
    if seeds is not None:
        row |= {"grid": np.float16(seeds).ravel(), "grid_shape": list(seeds.shape), "shown_ratio": 0.05}
        row |= {"upsampling": "smooth-max:sigma=9.0,step=7", "crispness": 0.9}
    return row | {"volumes": [], "shares": []} | values


@pytest.fixture(scope="module")
def needing(tmp_path_factory):
    """Five clips, of which one needs nothing; a1 with the mask of its smallest piece."""
    seeds = np.random.default_rng(0).random((FRAMES, 5, 7)) ** 4
    octaves = {"a1": -5.0, "a2": -3.0, "b1": -2.0, "b2": -1.0, "b3": None}
    rows = [need(name, value, seeds if name == "a1" else None) for name, value in octaves.items()]
    predictions = [{"clip_id": name, "rank": 1, "target_probability": 0.9} for name in octaves]
    tables = clips(*octaves) | {"preservation": rows, "predictions": predictions}
    return audit(tmp_path_factory.mktemp("needs"), tables, preserve={"methods": ["step"]}), seeds


def test_clips_that_need_least_most_and_the_middle_are_shown(needing):
    folder, _ = needing
    assert [row[0] for row in chosen(folder, "smallest ratio")] == ["a1", "a2"]
    assert [row[0] for row in chosen(folder, "largest ratio")] == ["b2", "b1"]
    assert chosen(folder, "median need") == [("a2", "r3d", "r3d needs 12 % of the clip; of 4 clips 1 need less")]


def test_clips_that_a_model_gets_wrong_do_not_stand_for_what_it_needs_unless_answers_are_explained(tmp_path):
    rows = [need("a", -5.0), need("b", -3.0), need("c", -1.0)]
    predictions = [
        {"clip_id": name, "rank": rank, "target_probability": 0.5} for name, rank in (("a", 2), ("b", 1), ("c", 1))
    ]
    tables = clips("a", "b", "c") | {"preservation": rows, "predictions": predictions}
    folder = audit(tmp_path / "label", tables, preserve={"methods": ["step"]})
    assert [row[0] for row in chosen(folder, "smallest ratio")] == ["b", "c"]
    assert [row[2] for row in chosen(folder, "median need")] == ["r3d needs 12 % of the clip; of 2 clips 0 need less"]
    folder = audit(tmp_path / "answer", tables, preserve={"methods": ["step"]}, target="predicted")
    assert [row[0] for row in chosen(folder, "smallest ratio")] == ["a", "b"]


def test_a_card_shows_the_piece_that_is_enough_as_the_model_was_shown_it(needing):
    folder, seeds = needing
    card = next(card for group in shown(folder).groups for card in group.cards if card.clip_id == "a1")
    tile = card.parts[0].tiles[0]
    assert tile.facts == ["enough for half of the confidence: 5.0 % of the clip"]
    drawn = card.data["maps"][tile.index]
    assert drawn["crisp"] == pytest.approx(0.05)
    grid = torch.tensor(np.float16(seeds))[None].float()
    soft = maps.render(grid, "smooth-max:sigma=9.0,step=7", (FRAMES, HEIGHT, WIDTH))
    edge = soft.flatten().sort(descending=True).values[round(0.05 * soft.numel()) - 1].clamp(0.1, 0.9)
    volumes = ((soft[0] - edge) / 0.2 + 0.5).clamp(0, 1).mean(dim=(1, 2))  # a ramp around the quantile
    assert drawn["volumes"] == pytest.approx(volumes.tolist(), abs=1e-3)
