"""Completion of a configuration: default uses, entries left out, settings that controls inherit."""

from typing import Any

from stepaudit.errors import did_you_mean

OF_MODEL = ("use", "options", "clips", "batch_size", "layer", "gives", "tolerance", "outputs", "classes")  # of controls
OF_TRAINING = ("training", "training_on")


def whole_models(models: Any, datasets: Any) -> Any:
    """The section `models` with inherited settings of controls, without settings for data sets that are left out."""
    return _drop_training_on(with_uses(_fill_in_controls(models)), _names_left_out(datasets))


def with_uses(entries: Any) -> Any:
    """A section whose entries all have `use`, by default their own name."""
    if not isinstance(entries, dict):
        return entries
    # `false` takes an entry out: what is merged into a configuration (`snakemake --config`) can only add otherwise.
    filled = {name: {} if entry is None else entry for name, entry in entries.items() if entry is not False}
    return {name: {"use": name, **entry} if isinstance(entry, dict) else entry for name, entry in filled.items()}


def _names_left_out(entries: Any) -> set[str]:
    return {name for name, entry in entries.items() if entry is False} if isinstance(entries, dict) else set()


def _drop_training_on(models: Any, left_out: set[str]) -> Any:
    """The models, whose `training_on` has no entry for a data set that is left out."""
    if not isinstance(models, dict):
        return models
    changed = dict(models)
    for name, entry in models.items():
        if isinstance(entry, dict) and isinstance(on := entry.get("training_on"), dict):
            changed[name] = {**entry, "training_on": {key: value for key, value in on.items() if key not in left_out}}
    return changed


def _fill_in_controls(models: Any) -> Any:
    """The models, controls with the settings of their models; controls of models that are left out are dropped.

    Raises:
        ValueError: a control is one of no model, or of another control.
    """
    if not isinstance(models, dict):
        return models
    changed = dict(models)
    for name, entry in models.items():
        of = entry.get("of") if isinstance(entry, dict) else None
        if not isinstance(of, str):
            continue
        able = [key for key, other in models.items() if not (isinstance(other, dict) and other.get("of"))]
        if of not in able:
            raise ValueError(f"models.{name}.of: no model '{of}' to be a control of{did_you_mean(of, able)}")
        changed[name] = models[of] is not False and _inherit_settings(entry, models[of] or {}, of)
    return changed


def _inherit_settings(entry: dict, origin: Any, of: str) -> dict:
    """A control's entry with the settings of its model."""
    if not isinstance(origin, dict):
        return {"use": of, **entry}
    keys = (*OF_MODEL, *OF_TRAINING, *(() if entry.get("randomise") else ("weights",)))
    taken = {"use": of} | {key: origin[key] for key in keys if key in origin}
    both = {key: (taken.get(key), entry.get(key)) for key in OF_TRAINING}
    merged = {key: own | new for key, (own, new) in both.items() if isinstance(own, dict) and isinstance(new, dict)}
    return taken | entry | merged
