"""`stepaudit init`: looks at the videos, asks, writes a configuration, and prints its cost and the next commands."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stepaudit.audit import config, planning
from stepaudit.clips import data_checks
from stepaudit.commands.init import configuration, survey
from stepaudit.commands.init.choices import QUESTIONS, Choices, Question
from stepaudit.errors import UsageError
from stepaudit.store import package_files
from stepaudit.store.formats import duration
from stepaudit.store.plain_files import at_home

Ask = Callable[..., str]
LONG = 12 * 3600  # seconds, on one core


def run(
    folder: Path | None,
    out: Path | None,
    given: Mapping[str, str | None],
    *,
    force: bool = False,
    ask: Ask | None = None,
    echo: Callable[[str], object],
) -> Path:
    """Write a configuration and return its path.

    Args:
        folder: of the videos; asked for if it is None.
        out: the file to write; None: named after the audit.
        given: choices that are made already, by name.
        force: replace existing files.
        ask: takes a text and a `default`, returns the answer; None: choose the defaults.
        echo: prints a line.

    Raises:
        UsageError: there are no videos, a choice does not exist, or the file exists already.
    """
    if folder is None:
        if ask is None:
            raise UsageError("name the folder of your videos, such as `stepaudit init videos`")
        folder = at_home(Path(ask("Folder of your videos", default=".")))
    seen = survey.look(folder)
    echo(f"{folder}: {configuration.summary(seen)}")
    for row in data_checks.class_table(seen.segments):
        echo(f"  {row}")
    for note in seen.notes:
        echo(f"note: {note}")
    choices = Choices(folder, Path(), **{name: value for name, value in given.items() if value is not None})
    for question in QUESTIONS:
        if ask and given.get(question.field) is None:
            choices = _ask_question(question, choices, ask, echo)
    path = out or Path(f"{choices.audit_name}.yaml")
    draft = configuration.draft(seen, replace(choices, out=path))
    configuration.write(draft, path, force=force)
    listing = f", {draft.listing.path} ({draft.listing.used} videos are used)" if draft.listing else ""
    echo(f"written: {path}{listing}")
    for line in _next_steps(path):
        echo(line)
    return path


def _ask_question(question: Question, choices: Choices, ask: Ask, echo: Callable[[str], object]) -> Choices:
    """The choices with the answer to a question; it is repeated until the answer is valid."""
    while True:
        try:
            answer = ask(question.text, default=question.default(choices)).strip()
            changed = Choices(**{**vars(choices), question.field: answer})
            question.check(changed)
        except UsageError as error:
            echo(str(error))
        else:
            return changed


def _next_steps(path: Path) -> Iterator[str]:
    """The estimated time, and the commands to run next."""
    planned = planning.planned(config.load(path))
    seconds = sum(entry["seconds"] * entry["shards"] for entry in planned.plan.entries.values())
    jobs = sum(row[1] for row in planning.overview(planned)[1])
    yield f"Estimate: about {duration(seconds)} on one core, in {jobs} jobs."
    if seconds > LONG:
        yield "That is long: start with `--budget quick`, choose fewer methods, or use a GPU."
    yield "Next:"
    yield f"  stepaudit doctor {shlex.quote(str(path))}"
    yield f"  {package_files.snakemake()} -n --configfile {shlex.quote(str(path))}"
    yield f"  {package_files.snakemake()} --cores all --configfile {shlex.quote(str(path))}"
