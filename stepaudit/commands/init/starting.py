"""The course of `stepaudit init`: look, ask, write, and say what it takes and what to run next."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stepaudit.audit import config, planning
from stepaudit.commands.init import choices as deciding
from stepaudit.commands.init import starter, survey
from stepaudit.commands.init.choices import Choices, Question
from stepaudit.errors import UsageError

Ask = Callable[..., str]
LONG = 12 * 3600  # seconds, on one core


def run(
    folder: Path | None,
    out: Path | None,
    given: Mapping[str, str | None],
    *,
    force: bool = False,
    ask: Ask | None = None,
    tell: Callable[[str], object],
) -> Path:
    """Writes a configuration and returns its path.

    Args:
        folder: of the videos; asked for if it is None.
        out: the file to write; None: named after the audit.
        given: choices that need not be asked for, by name.
        force: replace files that are there.
        ask: takes a text and a `default`, returns the answer; None: what is not given is chosen.
        tell: prints a line.

    Raises:
        UsageError: there are no videos, a choice does not exist, or the file is there already.
    """
    if folder is None:
        folder = Path(_answer(ask, "Folder of your videos", "."))
    seen = survey.look(folder)
    tell(f"{folder}: {starter.found(seen)}")
    choices = Choices(folder, Path(), **{name: value for name, value in given.items() if value is not None})
    for question in deciding.QUESTIONS if ask else ():
        if given.get(question.field) is None:
            choices = _asked(question, choices, ask, tell)
    path = out or Path(f"{deciding.audit_name(choices)}.yaml")
    made = starter.draft(seen, replace(choices, out=path))
    starter.write(made, path, force=force)
    tell(f"written: {path}" + (f", {made.listing.path} ({made.listing.used} videos are used)" if made.listing else ""))
    for line in _estimate(path):
        tell(line)
    return path


def _answer(ask: Ask | None, text: str, default: str) -> str:
    if ask is None:
        raise UsageError("name the folder of your videos, such as `stepaudit init videos`")
    return ask(text, default=default)


def _asked(question: Question, choices: Choices, ask: Ask, tell: Callable[[str], object]) -> Choices:
    """The choices with the answer to a question, which is asked again until it makes sense."""
    while True:
        try:
            answer = ask(question.text, default=question.proposed(choices))
            changed = deciding.answered(choices, question.field, answer.strip())
            question.check(changed)
        except UsageError as error:
            tell(str(error))
        else:
            return changed


def _estimate(path: Path) -> Iterator[str]:
    """How long it takes, and what to run next."""
    settings = planning.planned(config.load(path))
    seconds = sum(entry["seconds"] * entry["shards"] for entry in settings.plan.entries.values())
    jobs = sum(row[1] for row in planning.overview(settings)[1])
    yield f"It takes about {duration(seconds)} on one core, in {jobs} jobs, as far as can be told before it has run."
    if seconds > LONG:
        yield "That is long: see what a quick look says (`--budget quick`), ask for fewer methods, or use a GPU."
    yield "Next:"
    yield f"  stepaudit doctor {path}"
    yield f"  {starter.snakemake()} -n --configfile {path}"
    yield f"  {starter.snakemake()} --cores all --configfile {path}"


def duration(seconds: float) -> str:
    """In words, in the largest unit that fits twice."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return "a minute or two"
