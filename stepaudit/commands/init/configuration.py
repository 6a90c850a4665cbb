"""A commented configuration for a folder of videos, from its survey and the user's choices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import jinja2
import yaml

from stepaudit.audit import config, registry
from stepaudit.commands.init import sampling
from stepaudit.commands.init.budgets import FINE_TUNED, FROM_SCRATCH, MODEL, NARROW, PRETRAINED, Budget, Size
from stepaudit.commands.init.choices import Choices, budget_of, methods_of, own_weights, size_of, weights_of
from stepaudit.commands.init.survey import Survey
from stepaudit.errors import UsageError
from stepaudit.store import package_files, writing

TEMPLATE = Path(__file__).with_name("configuration.yaml.jinja")
MINIMUM_VIEWS = 200  # training clips, if there are few videos
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
    "bounds": "`probability`: also as in the paper, by soft masks on one fill, which keep `share` of it",
    "share": "of the probability that the full mask keeps",
}


@dataclass(frozen=True)
class Draft:
    """A configuration that is not written yet: its text, and a list of videos to write beside it, if it needs one."""

    text: str
    listing: sampling.Listing | None


def draft(survey: Survey, choices: Choices) -> Draft:
    """The configuration. Raises UsageError for a choice that does not exist, or does not fit the others."""
    if not survey.labels and weights_of(choices) is None:
        raise UsageError(_no_classes_text(survey, choices))
    listing, options = sampling.choose(survey, budget_of(choices), choices.out)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["flow"] = _one_line_yaml
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        _template_values(survey, choices, options)
    )
    config.parse(yaml.safe_load(text), "the configuration made of these choices")
    return Draft(text, listing)


def _no_classes_text(survey: Survey, choices: Choices) -> str:
    """Text of the error for videos without class folders and a model that is not trained."""
    first, count = Path(survey.segments[0]["path"]).name, len({row["path"] for row in survey.segments})
    weights = PRETRAINED.get(choices.model_name, PRETRAINED[MODEL])[0]
    return (
        f"{choices.folder}: {count} videos are not in a folder of their class, such as {first}, so that nothing can be "
        f"trained; make a folder for each class, such as {choices.folder / 'jump' / first}, or explain what a trained "
        f"model answers on them: `stepaudit init {choices.folder} --weights {weights}`, or a file of yours"
    )


def write(made: Draft, out: Path, *, force: bool = False) -> None:
    """Write the files. Raises UsageError if one exists and `force` is not given."""
    files = {out: made.text} | ({made.listing.path: made.listing.text} if made.listing else {})
    for path in files:
        if path.exists() and not force:
            raise UsageError(f"{path}: exists already; replace it with --force, or choose another name with --out")
    for path, text in files.items():
        writing.write_text(path, text)


def summary(survey: Survey) -> str:
    """The survey in a sentence without its full stop."""
    decoded = [each for each in survey.seen if not each.error]
    uses = {"train": "to train on", "validation": "to validate on", "test": "to test on"}
    parts = [f"{len(survey.labels)} classes" if survey.labels else "no class folders"]
    parts += [f"{len(survey.of(split))} {use}" for split, use in uses.items() if survey.of(split)]
    if decoded:
        sizes = ", ".join(sorted({f"{each.width}×{each.height}" for each in decoded}))
        frames = [each.frames for each in decoded]
        parts.append(f"{len(frames)} opened: {sizes} pixels, {min(frames)} to {max(frames)} frames")
    tested = f"of the {len(survey.of('test'))} test segments"
    parts.append(f"boxes on {survey.boxed} {tested}" if survey.boxed else "no boxes")
    parts.append(f"action times on {survey.with_action} {tested}" if survey.with_action else "no action times")
    return ", ".join(parts)


def _template_values(survey: Survey, choices: Choices, options: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the template's variables."""
    training = len(survey.of("train")) - len(survey.of("train")) // 5 * (not survey.of("validation"))
    budget, size, weights = budget_of(choices), size_of(choices), weights_of(choices)
    component, name = registry.find("models", choices.model_name), choices.audit_name
    floors = floors_of(survey)
    methods = [registry.find("methods", name) for name in methods_of(choices) if name not in floors]
    masks = {method.name: _mask(method, budget) for method in methods if "ratios" in method.requires}
    views = max(1, min(4, ceil(MINIMUM_VIEWS / max(1, training))))
    epochs = (
        0
        if own_weights(choices) or not survey.labels
        else max(5, min(30, ceil(CLIPS_SEEN[weights is None] / max(1, views * training))))
    )
    short = [each.name for each in survey.seen if not each.error and each.frames < size[0]]
    status = f"has fewer than {size[0]} frames: such videos get the status `too_short`"
    narrow = {name: value for name, value in NARROW.items() if name in (component.options or {})}
    return {
        "budget_name": choices.budget,
        "budget": budget,
        "folder": choices.folder,
        "found": summary(survey),
        "notes": [*survey.notes, *(f"{name} {status}" for name in short[:1])],
        "audit": name,
        "dataset": choices.dataset_name,
        "results": f"results/{name}",
        "size": size,
        "source": survey.source,
        "options": options,
        "comment": lambda key: f"  # {COMMENTS[key]}" if key in COMMENTS else "",
        "views": views,
        "model": re.sub(r"[^A-Za-z0-9_.+-]+", "_", component.name),  # `my_models:build` cannot name a file
        "use": component.name,
        "weights": weights,
        "labelled": bool(survey.labels),
        "own_weights": own_weights(choices),
        "known_weights": PRETRAINED.get(component.name),
        "model_options": narrow if weights is None else {},
        "training": FROM_SCRATCH if weights is None else FINE_TUNED,
        "epochs": epochs,
        "step_epochs": ceil(2 * epochs / 3),
        "shift": min(size[1:]) // 14,
        "masks": masks,
        "others": [method.name for method in methods if method.name not in masks],
        "floors": floors,
        "preserved": next((each.name for each in methods if each.defines("sufficiency")), None),
        "preserve": budget.preserve,
        "metrics": _metrics(survey, budget, size, list(masks)),
        "boxed": survey.boxed,
        "with_action": survey.with_action,
        "box_metrics": budget.box_metrics,
        "action_metrics": budget.action_metrics,
        "out": choices.out,
        "snakemake": package_files.snakemake(),
    }


def floors_of(survey: Survey) -> list[str]:
    """Methods that ignore the model, without those made of boxes if there are none."""
    floors = [each for each in registry.components("methods").values() if each.declares("ignores_model")]
    return [each.name for each in floors if each.requires <= ({"box_prior"} if survey.boxed else set())]


def _mask(method: registry.Component, budget: Budget) -> dict[str, Any]:
    """The entry of a method with ratios."""
    options = {key: value for key, value in budget.options.items() if key in (method.options or {})}
    seeds = {"seeds": list(budget.seeds)} if len(budget.seeds) > 1 else {}
    return {"ratios": budget.ratios, **seeds, **({"options": options} if options else {})}


def _metrics(survey: Survey, budget: Budget, size: Size, masks: list[str]) -> dict[str, dict]:
    """The metrics that the annotation allows, with a circle in proportion to the clip: the paper's is 7 px of 112."""
    names = [*(budget.box_metrics if survey.boxed else ()), *(budget.action_metrics if survey.with_action else ())]
    metrics: dict[str, dict] = {name: {} for name in names} | budget.metrics
    if "spatial_pointing" in metrics:
        metrics["spatial_pointing"] = {"options": {"tolerance_px": round(7 * min(size[1:]) / 112, 1)}}
    return {
        name: {**entry, "methods": masks} if "methods" in entry else entry
        for name, entry in metrics.items()
        if masks or "methods" not in entry
    }


def _one_line_yaml(value: Any) -> str:
    """A value in YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
