"""`stepaudit list`: components with their options, defaults and ranges."""

from collections.abc import Iterator

from stepaudit.audit import registry
from stepaudit.audit.registry import Component


def lines(kind: str | None) -> Iterator[str]:
    """Components of a kind, such as `methods`, or of all."""
    for each in [kind] if kind else registry.FUNCTIONS:
        yield f"{each}:"
        for component in registry.components(each).values():
            yield f"  {component.name}: {component.summary}"
            yield from (f"      {option}" for option in _options(component))


def _options(component: Component) -> Iterator[str]:
    for option, (annotation, default) in (component.options or {}).items():
        limits = component.ranges.get(option)
        span = "" if limits is None else f"   ({limits[0]:.10g} to {limits[1]:.10g})"
        yield f"{option}: {annotation} = {default}{span}"
