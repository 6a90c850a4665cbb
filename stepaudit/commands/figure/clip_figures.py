"""Figures of one clip of an audit, requested or chosen by rule, drawn as the paper draws it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from stepaudit.commands.figure import figure_choice
from stepaudit.errors import UsageError
from stepaudit.report.pictures import figure_sources, figures
from stepaudit.store import database, writing

RATIO, FRAMES = 0.1, 8


@dataclass(frozen=True)
class Figure:
    """A drawing, and a sentence about its content."""

    image: Image.Image
    text: str


def of_methods(
    folder: Path,
    *,
    clip: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
    methods: Sequence[str] = (),
    ratio: float = RATIO,
    frames: int = FRAMES,
) -> Figure:
    """One clip as several methods explain a model on it: each method's map at the nearest ratio and the smallest seed.

    Args:
        folder: of the audit.
        clip: by default the first one by name that most of the methods explain, annotated ones before others.
        dataset: of the clip; by default the first one of the configuration that has it.
        model: by default the first one of the configuration.
        methods: by default all.
        ratio: preservation ratio of the masks.
        frames: to show, spread evenly over the clip.

    Raises:
        UsageError: there is no such clip, data set, model or method, or no database yet.
    """
    with database.connect(folder) as connection:
        chosen_model = figure_sources.names(connection, "models", [model] if model else [])[0]
        chosen_methods = figure_sources.names(connection, "methods", methods)
        clips, maps = figure_sources.read(connection, dataset, [chosen_model], chosen_methods)
        shown_clip = figure_choice.most_explained(figure_choice.usable(clips, clip), maps)
        shown = figure_sources.ShownClip(connection, folder, shown_clip, frames)
        probabilities = figure_sources.probabilities(connection, shown_clip, [chosen_model])
    of_method = {
        name: [row for row in _rows_of_clip(maps, shown_clip) if row["method"] == name] for name in chosen_methods
    }
    rows = {name: figure_choice.nearest_ratio(given, ratio) for name, given in of_method.items()}
    subtitle = f"{shown_clip['clip_id']} of {shown_clip['dataset']}, explained on {chosen_model}"
    drawn = [shown.clip_row(probabilities), *(shown.map_row(name, row) for name, row in rows.items())]
    rule = "" if clip else ", the first by name that most methods explain (annotated clips before others)"
    return Figure(
        figures.draw(shown_clip["label"] or "no label", subtitle, shown.headers(), drawn),
        f"clip {shown_clip['clip_id']} of {shown_clip['dataset']}{rule}; model {chosen_model}",
    )


def of_models(
    folder: Path,
    *,
    clip: str | None = None,
    dataset: str | None = None,
    models: Sequence[str] = (),
    method: str | None = None,
    frames: int = FRAMES,
) -> Figure:
    """One clip as two models need it: masks of one method that keep (nearly) the same probability of the class.

    Args:
        folder: of the audit.
        clip: by default the first one by name whose two masks keep about the same, annotated ones before others.
        dataset: of the clip; by default the first one of the configuration that has it.
        models: two; by default the first two of the configuration.
        method: by default the first one with ratios, EP-3D before others.
        frames: to show, spread evenly over the clip.

    Raises:
        UsageError: there is no such clip, data set, model or method, no mask with a kept probability, or no database.
    """
    with database.connect(folder) as connection:
        pair = _two_models(figure_sources.names(connection, "models", models))
        mask = figure_sources.masking(connection, method)
        clips, maps = figure_sources.read(connection, dataset, pair, [mask])
        candidates = figure_choice.usable(clips, clip)
        masks = figure_choice.most_equal(_choices(candidates, maps, pair, mask))
        of_model = {row["model"]: row for row in _rows_of_clip(candidates, masks[0])}
        shown = [figure_sources.ShownClip(connection, folder, of_model[model], frames) for model in pair]
        probabilities = figure_sources.probabilities(connection, masks[0], pair)
    shown_clip = shown[0].clip
    equal = figure_choice.difference(masks) <= figure_choice.CLOSE
    kind = "that keep nearly the same probability" if equal else "whose probabilities are nearest to each other"
    subtitle = f"{shown_clip['clip_id']} of {shown_clip['dataset']}, masks of {mask} {kind}"
    drawn = [
        shown[0].clip_row(probabilities),
        *(one.map_row(row["model"], row) for one, row in zip(shown, masks, strict=True)),
    ]
    why = "the first by name whose masks keep about the same" if equal else "the one whose masks differ least"
    rule = "" if clip else f", {why} (annotated clips before others)"
    shares = "; ".join(f"{row['model']} keeps {row['kept_probability']:.3f} at ratio {row['ratio']:g}" for row in masks)
    return Figure(
        figures.draw(shown_clip["label"] or "no label", subtitle, shown[0].headers(), drawn),
        f"clip {shown_clip['clip_id']} of {shown_clip['dataset']}{rule}; {mask}: {shares}",
    )


def save(figure: Figure, path: Path) -> str:
    """Writes a figure as PNG, under a temporary name first. Returns the sentence to print.

    Raises:
        UsageError: the path does not end in `.png`, or its folder is not there.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: a figure is a PNG; give a name that ends in .png")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder '{path.parent}'; make it first")
    with writing.written(path) as temporary:
        figure.image.save(temporary, "PNG")
    return f"{path}: {figure.text}"


def _rows_of_clip(rows: Sequence[dict], clip: dict) -> list[dict]:
    return [row for row in rows if figure_choice.key(row) == figure_choice.key(clip)]


def _choices(clips: Sequence[dict], maps: Sequence[dict], models: list[str], method: str) -> list[list[dict]]:
    """For each clip with masks of all models, the masks whose kept probabilities are nearest to each other."""
    masks = [row for row in maps if row["kept_probability"] is not None]
    choices = []
    for clip in (clip for clip in clips if clip["model"] == models[0]):
        of_model = [[row for row in _rows_of_clip(masks, clip) if row["model"] == model] for model in models]
        if all(of_model):
            choices.append(figure_choice.equally_kept(of_model))
    if not choices:
        both = " and ".join(models)
        raise UsageError(f"no mask of '{method}' with a kept probability on {both}; name another --method or --clip")
    return choices


def _two_models(models: list[str]) -> list[str]:
    if len(set(models)) < 2:
        raise UsageError(f"two models are compared, here is only '{models[0]}'; name two with --models")
    return models[:2]
