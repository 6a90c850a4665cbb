"""Figures: known pixels of drawings, and what is chosen and read for them."""

import numpy as np
import pytest
from PIL import Image
from tiny_audit import clips, write_audit

from stepaudit.audit import config
from stepaudit.commands.figure import clip_figures, figure_choice
from stepaudit.errors import UsageError
from stepaudit.report import build_database
from stepaudit.report.pictures import figures
from stepaudit.report.pictures.pictures import BOX_COLOUR, tint

FRAMES, HEIGHT, WIDTH = 3, 32, 48
GREY = np.full((FRAMES, HEIGHT, WIDTH, 3), 128, np.uint8)
BLANK = [[], [], []]
HEADERS = figures.Headers(["frame 0", "frame 1", "frame 2"], ["source 0", "source 4", "source 9"])
TILE = (figures.TILE_PX * WIDTH // HEIGHT, figures.TILE_PX)


def pixels(image):
    return np.asarray(image.convert("RGB")).astype(int)


def tiles(image, rows=2, columns=FRAMES):
    """Left and top edges of the tiles: where so many of them beside or below each other leave no paper."""
    inked = (pixels(image) != 255).any(axis=2)
    return starts(inked.sum(axis=0) >= rows * TILE[1]), starts(inked.sum(axis=1) >= columns * TILE[0])


def starts(run):
    return np.flatnonzero(np.diff(np.concatenate([[0], run.astype(int)])) == 1).tolist()


def drawn(*rows, headers=HEADERS):
    return figures.draw("Skate", "clip 7", headers, [figures.Row("clip", (), GREY, BLANK), *rows])


def test_tiles_stand_in_a_grid_of_frames_and_rows_of_the_frames_own_shape():
    image = drawn(figures.Row("a", (), GREY, BLANK))
    columns, rows = tiles(image)
    assert np.diff(columns).tolist() == [TILE[0] + figures.GAP_PX] * 2
    assert np.diff(rows).tolist() == [TILE[1] + figures.GAP_PX]
    assert (pixels(image)[rows[0] + 5, columns[2] + 5] == 128).all()


def test_a_map_that_is_one_in_one_corner_of_one_frame_colours_that_corner():
    share = np.zeros((FRAMES, HEIGHT, WIDTH))
    share[1, -8:, -12:] = 1  # bottom right quarter of a quarter
    image = drawn(figures.Row("a", (), GREY, BLANK, share))
    columns, rows = tiles(image)
    hot, cold = (
        tint(GREY[:1, :1, :1], np.ones((1, 1, 1)))[0, 0, 0],
        tint(GREY[:1, :1, :1], np.zeros((1, 1, 1)))[0, 0, 0],
    )
    inside, outside = (columns[1] + TILE[0] - 20, rows[1] + TILE[1] - 20), (columns[1] + 20, rows[1] + 20)
    assert (pixels(image)[inside[1], inside[0]] == hot).all()
    assert (pixels(image)[outside[1], outside[0]] == cold).all()
    assert (pixels(image)[inside[1], columns[0] + TILE[0] - 20] == cold).all()
    assert (pixels(image)[rows[0] + 20, outside[0]] == 128).all()  # the clip itself stays as it is


def test_boxes_are_drawn_at_the_scale_of_the_tile():
    row = figures.Row("a", (), GREY, [[(12, 8, 24, 16)], [], []])
    columns, rows = tiles(drawn(row))
    green = (pixels(drawn(row)) == BOX_COLOUR).all(axis=2)[
        rows[1] : rows[1] + TILE[1], columns[0] : columns[0] + TILE[0]
    ]
    y, x = np.nonzero(green)
    scale = figures.TILE_PX / HEIGHT
    assert (x.min(), x.max() + 1, y.min(), y.max() + 1) == (12 * scale, 24 * scale, 8 * scale, 16 * scale)
    assert not green[int(12 * scale), int(18 * scale)]  # an outline


def test_frames_of_the_action_have_a_bar_below_the_last_row():
    headers = figures.Headers(HEADERS.names, HEADERS.notes, [False, True, False])
    image = drawn(headers=headers)
    columns, rows = tiles(image, rows=1)
    line = (pixels(image)[rows[-1] + TILE[1] + figures.GAP_PX + 1] == BOX_COLOUR).all(axis=1)
    assert np.flatnonzero(line).tolist() == list(range(columns[1], columns[1] + TILE[0]))


def test_the_colour_bar_runs_through_the_colours_of_the_maps():
    bar = pixels(figures.colour_bar())[2]
    shares = np.linspace(0, 1, figures.COLOUR_BAR_PX[0])[None, None]
    assert (bar == tint(np.full((1, 1, len(bar), 3), 128, np.uint8), shares)[0, 0]).all()


def test_a_map_that_is_not_there_says_why_and_takes_its_row():
    missing = drawn(figures.Row("a", missing="not_applicable: needs a 3-D CNN"))
    other = drawn(figures.Row("a", missing="something else"))
    assert missing.size == other.size
    assert (pixels(missing) != pixels(other)).any()
    assert (pixels(missing) == figures.EMPTY).all(axis=2).sum() > TILE[0] * TILE[1]


def test_the_margin_grows_with_the_longest_name_and_long_titles_fit():
    short, long = drawn(figures.Row("a", (), GREY, BLANK)), drawn(figures.Row("a" * 60, (), GREY, BLANK))
    assert long.width > short.width
    assert tiles(long)[0][0] > tiles(short)[0][0]
    titled = figures.draw("x" * 300, "", HEADERS, [figures.Row("clip", (), GREY, BLANK)])
    assert (pixels(titled)[:, -figures.MARGIN_PX :] == 255).all()


def test_the_same_rows_give_the_same_pixels():
    row = figures.Row("a", ("ratio 0.1",), GREY, BLANK, np.full((FRAMES, HEIGHT, WIDTH), 0.5))
    assert drawn(row).tobytes() == drawn(row).tobytes()


# What is chosen


def clip_row(clip_id, *, boxed=False, status="ok"):
    return {"dataset": "d", "clip_id": clip_id, "boxed": boxed, "status": status, "error": "broken"}


def mask(kept, ratio, model="r3d", seed=0):
    return {"model": model, "ratio": ratio, "seed": seed, "kept_probability": kept}


def test_annotated_clips_come_first_and_those_that_were_not_cut_never():
    rows = [clip_row("a", status="bad_video"), clip_row("b"), clip_row("c", boxed=True)]
    assert [row["clip_id"] for row in figure_choice.usable(rows)] == ["c", "b"]
    assert [row["clip_id"] for row in figure_choice.usable(rows, "b")] == ["b"]


def test_a_clip_that_cannot_be_shown_is_named_with_the_reason():
    rows = [clip_row("skate-01", status="bad_video"), clip_row("skate-02"), clip_row("surf-01")]
    with pytest.raises(UsageError, match="nearest names: skate-02, skate-01, surf-01"):
        figure_choice.usable(rows, "skate-2")
    with pytest.raises(UsageError, match="skate-01 is bad_video: broken"):
        figure_choice.usable(rows, "skate-01")
    with pytest.raises(UsageError, match="no test clip to show"):
        figure_choice.usable([])


def test_the_clip_that_most_methods_explain_is_taken_and_the_first_of_equals():
    base = {"dataset": "d", "status": "ok"}
    maps = [base | {"clip_id": clip_id, "method": method} for clip_id in "abc" for method in "xy"]
    maps[1]["status"] = "non_finite"
    assert figure_choice.most_explained([clip_row(name) for name in "abc"], maps)["clip_id"] == "b"


def test_the_nearest_ratio_is_taken_the_smaller_of_two_and_the_least_seed():
    rows = [mask(None, ratio, seed=seed) for ratio in (0.5, 0.375, 0.125) for seed in (1, 0)]
    chosen = figure_choice.nearest_ratio(rows, 0.25)
    assert (chosen["ratio"], chosen["seed"]) == (0.125, 0)
    assert figure_choice.nearest_ratio([], 0.1) is None
    assert figure_choice.nearest_ratio([mask(None, None)], 0.1)["ratio"] is None


def test_masks_are_compared_at_the_greatest_probability_that_both_models_reach():
    first = [mask(0.5, 0.02), mask(0.8, 0.05), mask(0.99, 0.1)]
    second = [mask(0.3, 0.02), mask(0.4, 0.05), mask(0.79, 0.3)]
    chosen = figure_choice.equally_kept([first, second])  # the level is 0.79
    assert [row["ratio"] for row in chosen] == [0.05, 0.3]
    assert figure_choice.difference(chosen) == pytest.approx(0.01)


def test_the_first_clip_whose_masks_keep_about_the_same_is_taken():
    choices = [[mask(0.9, 0.1), mask(0.5, 0.1)], [mask(0.9, 0.1), mask(0.87, 0.1)], [mask(0.9, 0.1), mask(0.9, 0.1)]]
    assert figure_choice.most_equal(choices) is choices[1]
    assert figure_choice.most_equal([choices[0], [mask(0.9, 0.1), mask(0.6, 0.1)]])[1]["kept_probability"] == 0.6


# From an audit


SIZES = {"small": (32, 48), "large": (64, 96)}
MODELS = {name: {"use": "r2plus1d_18", "clips": {"height": h, "width": w}} for name, (h, w) in SIZES.items()}
METHODS = {"ep3d": {"ratios": [0.05, 0.1]}, "cam": {"use": "grad_cam"}}


def audit(folder, names=("a", "b"), maps=()):
    """Clips of 16 grey frames in two sizes; the second one has a box in frame 5, in the pixels of each size."""
    rows = clips(*names) | {"maps": list(maps), "clips": [], "clip_boxes": [], "predictions": []}
    for height, width in SIZES.values():
        size = {"size": f"16x{height}x{width}", "height": height, "width": width, "frames": list(range(0, 32, 2))}
        grey = bytes([128]) * (16 * height * width * 3)
        rows["clips"] += [{"clip_id": name, "label": "a", "pixels": grey, **size} for name in names]
        box = {"x0": 0, "y0": 0, "x1": width / 2, "y1": height / 2}
        rows["clip_boxes"].append({"clip_id": names[-1], "frame": 5, "size": size["size"], **box})
    rows["predictions"] = [{"clip_id": n, "model": m, "target_probability": 0.75} for n in names for m in MODELS]
    folder = write_audit(folder, rows, models=MODELS, methods=METHODS)
    build_database.create(folder, config.load(folder / "config.yaml"))
    return folder


def map_row(clip_id, model, ratio=0.1, kept=0.9, frame=5, **values):
    """A map that is 1 in one frame and 0 in all others."""
    grid = np.zeros((16, 1, 1), np.float16)
    grid[frame] = 1
    row = {
        "clip_id": clip_id,
        "model": model,
        "method": "ep3d",
        "ratio": ratio,
        "kept_probability": kept,
        "volume": 1 / 16,
    }
    return {**row, "grid": grid.ravel(), "grid_shape": [16, 1, 1], "upsampling": "nearest", **values}


def test_the_methods_figure_shows_the_annotated_clip_with_its_maps(tmp_path):
    maps = [map_row(name, "small") for name in "ab"]
    maps += [map_row(name, "small", None, None, method="cam", status="non_finite", error="NaN") for name in "ab"]
    figure = clip_figures.of_methods(audit(tmp_path, maps=maps), model="small")
    assert figure.text.startswith("clip b of planted, the first by name that most methods explain")
    columns, rows = tiles(figure.image, columns=clip_figures.FRAMES)
    assert len(columns) == clip_figures.FRAMES
    image = pixels(figure.image)
    middle = [image[rows[1] + TILE[1] - 9, column + TILE[0] - 9].sum() for column in columns]
    assert int(np.argmax(middle)) == 2  # frames 1, 3, 5
    green = (image == BOX_COLOUR).all(axis=2)
    assert green[rows[0] : rows[0] + TILE[1], columns[2] : columns[2] + TILE[0]].any()
    assert not green[rows[0] : rows[0] + TILE[1], columns[1] : columns[1] + TILE[0]].any()


def test_the_compared_models_have_their_own_clips_and_masks_of_equal_probability(tmp_path):
    maps = [map_row("a", "small", 0.05, 0.5), map_row("a", "small", 0.1, 0.8)]
    maps += [map_row("a", "large", 0.05, 0.1), map_row("a", "large", 0.1, 0.52)]
    figure = clip_figures.of_models(audit(tmp_path, maps=maps))
    expected = "ep3d: small keeps 0.500 at ratio 0.05; large keeps 0.520 at ratio 0.1"
    assert figure.text.endswith(expected)
    columns, rows = tiles(figure.image, rows=3, columns=8)
    assert (len(columns), len(rows)) == (8, 3)
    green = (pixels(figure.image) == BOX_COLOUR).all(axis=2)
    assert not green[rows[0] : rows[2] + TILE[1]].any()  # clip a has no box


def test_a_box_lies_at_the_same_place_of_both_models_clips(tmp_path):
    maps = [map_row("b", model) for model in MODELS]
    image = clip_figures.of_models(audit(tmp_path, maps=maps), clip="b").image
    columns, rows = tiles(image, rows=3, columns=8)
    green = (pixels(image) == BOX_COLOUR).all(axis=2)
    first, second, third = (green[row : row + TILE[1], columns[2] : columns[2] + TILE[0]] for row in rows)
    assert first.any()
    assert (first == second).all()
    assert (first == third).all()


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"clip": "c"}, "no test clip 'c'; nearest names: "),
        ({"model": "smal"}, "no model 'smal'; did you mean 'small'"),
        ({"methods": ["epd"]}, "no method 'epd'; did you mean 'ep3d'"),
        ({"dataset": "plantd"}, "no dataset 'plantd'; did you mean 'planted'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(tmp_path, asked, text):
    with pytest.raises(UsageError, match=text):
        clip_figures.of_methods(audit(tmp_path), **asked)


def test_what_cannot_be_compared_says_why(tmp_path):
    folder = audit(tmp_path, maps=[map_row("a", "small")])
    with pytest.raises(UsageError, match="no mask of 'ep3d' with a kept probability on small and large"):
        clip_figures.of_models(folder)
    with pytest.raises(UsageError, match="two models are compared"):
        clip_figures.of_models(folder, models=["small", "small"])
    with pytest.raises(UsageError, match="run `stepaudit report"):
        clip_figures.of_models(tmp_path / "nowhere")


def test_a_database_without_its_parquet_files_is_named(tmp_path):
    folder = audit(tmp_path, maps=[map_row("a", "small")])
    for path in (folder / "clips").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(UsageError, match="no pixels of clip 'a' in it; put the Parquet files beside"):
        clip_figures.of_methods(folder)


def test_the_commands_write_a_png_and_say_what_it_shows(tmp_path, stepaudit):
    folder = audit(tmp_path, maps=[map_row("a", model) for model in MODELS])
    for arguments in (["methods", "--methods", "ep3d", "--frames", "5"], ["compare", "--models", "large", "small"]):
        path = tmp_path / f"{arguments[0]}.png"
        status, out, _ = stepaudit("figure", *arguments, folder, "--out", path)
        assert status == 0
        assert out.startswith(f"{path}: clip a of planted")
        assert Image.open(path).format == "PNG"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(("name", "text"), [("x.jpg", "ends in .png"), ("none/x.png", "make it first")])
def test_a_figure_that_cannot_be_written_says_why(tmp_path, name, text):
    figure = clip_figures.Figure(Image.new("RGB", (2, 2)), "nothing")
    with pytest.raises(UsageError, match=text):
        clip_figures.save(figure, tmp_path / name)
