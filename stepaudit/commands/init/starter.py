"""`stepaudit init`: a commented configuration for a folder of videos, from what lies there and a few choices."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import jinja2
import yaml

from stepaudit.audit import config, registry
from stepaudit.commands.init import selection
from stepaudit.commands.init.budgets import BOX_FLOORS, FINE_TUNED, FLOORS, FROM_SCRATCH, NARROW, PRETRAINED, Budget
from stepaudit.commands.init.choices import Choices, audit_name, budget_of, methods_of, model_of, size_of, weights_of
from stepaudit.commands.init.survey import Survey
from stepaudit.errors import UsageError
from stepaudit.store import package_files, writing

TEMPLATE = Path(__file__).with_name("starter.yaml.jinja")
VIEWS_WANTED = 200  # training clips, if there are few videos
CLIPS_SEEN = {True: 2500, False: 800}  # views of videos, over the whole training: from scratch, or fine-tuned
COMMENTS = {
    "classes": "folders to use; remove the line for all that are annotated",
    "partial": "listed videos that are not there are left out",
    "per_class": "test videos of each class; remove the line for all",
    "train_per_class": "training videos of each class; remove the line for all",
    "group": "videos of one group, a scene, do not stand both in training and test",
    "test_share": "of the groups of each class",
    "videos": "which videos are used, and for what",
    "segments": "which frames to explain, and when the action happens",
    "boxes": "where the object is",
    "grid": "shares of the clip that are tried first",
    "tolerance": "the search ends when it knows the ratio so well",
    "bounds": "`probability`: keep `share` of it; `top1`: keep the first place",
    "share": "of the probability for the whole clip",
}


@dataclass(frozen=True)
class Draft:
    """A configuration that is not written yet: its text, and a list of videos to stand beside it, if it needs one."""

    text: str
    listing: selection.Listing | None


def draft(survey: Survey, choices: Choices) -> Draft:
    """The configuration. Raises UsageError for a choice that does not exist, or does not fit the others."""
    listing, options = selection.choose(survey, budget_of(choices), choices.out)
    text = _template().render(_values(survey, choices, options))
    config.parse(yaml.safe_load(text), "the configuration made of these choices")
    return Draft(text, listing)


def write(made: Draft, out: Path, *, force: bool = False) -> None:
    """Writes the files. Raises UsageError if one is there and `force` is not given."""
    files = {out: made.text} | ({made.listing.path: made.listing.text} if made.listing else {})
    for path in files:
        if path.exists() and not force:
            raise UsageError(f"{path}: there already; add --force to replace it, or choose another name with --out")
    for path, text in files.items():
        writing.write_text(path, text)


def snakemake(folder: Path | None = None) -> str:
    """How Snakemake is called in a folder, by default this one: where there are no rules, the installed ones."""
    own = package_files.snakefile()
    here = (folder or Path.cwd()) / "Snakefile"
    return "snakemake" if here.exists() else f"snakemake -s {shlex.quote(str(own))}"


def _values(survey: Survey, choices: Choices, options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the template names."""
    training = len(survey.of("train")) - len(survey.of("train")) // 5 * (not survey.of("validation"))
    budget, size, weights = budget_of(choices), size_of(choices), weights_of(choices)
    component = registry.find("models", model_of(choices))
    floors = [*FLOORS, *(BOX_FLOORS if survey.boxed else ())]
    chosen = [name for name in methods_of(choices) if name not in floors]
    masks = {name: _mask(name, budget) for name in chosen if "ratios" in registry.find("methods", name).requires}
    views = max(1, min(4, ceil(VIEWS_WANTED / max(1, training))))
    return {
        "budget_name": choices.budget,
        "budget": budget,
        "folder": choices.folder,
        "found": found(survey),
        "notes": _notes(survey, size[0]),
        "audit": audit_name(choices),
        "results": f"results/{audit_name(choices)}",
        "size": size,
        "source": survey.source,
        "options": options,
        "comment": lambda name: f"  # {COMMENTS[name]}" if name in COMMENTS else "",
        "views": views,
        "model": _entry_name(component.name),
        "use": component.name,
        "weights": weights,
        "known_weights": PRETRAINED.get(component.name),
        "model_options": _narrow(component) if weights is None else {},
        **_training(weights is None, views * training, size),
        "masks": masks,
        "others": [name for name in chosen if name not in masks],
        "floors": floors,
        "preserved": next(iter(masks), None),
        "preserve": budget.preserve,
        "metrics": _metrics(survey, budget, size, list(masks)),
        "boxed": survey.boxed,
        "acted": survey.acted,
        "box_metrics": budget.box_metrics,
        "action_metrics": budget.action_metrics,
        "out": choices.out,
        "snakemake": snakemake(),
    }


def found(survey: Survey) -> str:
    """What the survey found, in a sentence without its full stop."""
    decoded = [each for each in survey.seen if not each.error]
    sizes = sorted({f"{each.width}×{each.height}" for each in decoded})
    frames = [each.frames for each in decoded]
    parts = [f"{len(survey.labels)} classes", *(f"{len(rows)} {word}" for word, rows in _splits(survey) if rows)]
    if frames:
        parts.append(f"{len(frames)} opened: {', '.join(sizes)} pixels, {min(frames)} to {max(frames)} frames")
    tested = f"of the {len(survey.of('test'))} test segments"
    parts.append(f"boxes on {survey.boxed} {tested}" if survey.boxed else "no boxes")
    parts.append(f"action times on {survey.acted} {tested}" if survey.acted else "no action times")
    return ", ".join(parts)


def _splits(survey: Survey) -> Iterator[tuple[str, list[dict]]]:
    for split, word in {"train": "to train on", "validation": "to validate on", "test": "to test on"}.items():
        yield word, survey.of(split)


def _notes(survey: Survey, frames: int) -> list[str]:
    short = [each.name for each in survey.seen if not each.error and each.frames < frames]
    few = [f"{name} has fewer than {frames} frames: such videos get the status `too_short`" for name in short[:1]]
    return [*survey.notes, *few]


def _mask(name: str, budget: Budget) -> dict[str, Any]:
    known = registry.find("methods", name).options or {}
    options = {key: value for key, value in budget.options.items() if key in known}
    seeds = {"seeds": budget.seeds} if len(budget.seeds) > 1 else {}
    return {"ratios": budget.ratios, **seeds, **({"options": options} if options else {})}


def _narrow(component: registry.Component) -> dict[str, Any]:
    return {name: value for name, value in NARROW.items() if name in (component.options or {})}


def _training(scratch: bool, views: int, size: tuple[int, int, int]) -> dict[str, Any]:
    """Epochs and augmentation: few clips are seen more often."""
    epochs = max(5, min(30, ceil(CLIPS_SEEN[scratch] / max(1, views))))
    shift = min(size[1:]) // 14
    training = FROM_SCRATCH if scratch else FINE_TUNED
    return {"training": training, "epochs": epochs, "step_epochs": ceil(2 * epochs / 3), "shift": shift}


def _metrics(survey: Survey, budget: Budget, size: tuple[int, int, int], masks: list[str]) -> dict[str, dict]:
    """Those that the annotation allows, with a circle in proportion to the clip: the paper's is 7 px of 112."""
    names = [*(budget.box_metrics if survey.boxed else ()), *(budget.action_metrics if survey.acted else ())]
    chosen: dict[str, dict] = {name: {} for name in names} | budget.metrics
    if "spatial_pointing" in chosen:
        chosen["spatial_pointing"] = {"options": {"tolerance_px": round(7 * min(size[1:]) / 112, 1)}}
    with_methods = {
        name: {**entry, "methods": masks} if "methods" in entry else entry for name, entry in chosen.items()
    }
    return {name: entry for name, entry in with_methods.items() if masks or "methods" not in entry}


def _entry_name(use: str) -> str:
    """A name for the report: `my_models:build` is no file name."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", use)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["flow"] = _flow
    return environment.from_string(TEMPLATE.read_text())


def _flow(value: Any) -> str:
    """A value in YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
