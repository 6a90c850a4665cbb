"""Every option of every command, pressed once in the folder of a finished audit.

The options are those of the application itself, so a new one without a press is an offender.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import command_line
from typer.main import get_command

from stepaudit import cli

AT = "--dataset planted --model max_over_time"
CLIP = "disc-horizontal-test-000"
CHECKPOINT = "results/demo/checkpoints/dataset=planted/max_over_time.safetensors"
PLACE = "dataset=planted/model=max_over_time"


@dataclass(frozen=True)
class Press:
    """A command line of `stepaudit`, and a sign that its options had an effect.

    Args:
        words: as typed behind `stepaudit`.
        shows: regular expression that is found in what is printed.
        writes: a file, or a pattern of files, of which one is new or written again.
        ends: exit status, where the documentation names another than 0; None where the machine decides it.
    """

    words: str
    shows: str = ""
    writes: str = ""
    ends: int | None = 0


PRESSES = [
    Press("--version", r"^\d+\.\d+"),
    Press("--debug check demo.yaml", "audit 'demo' is valid"),
    Press("--show-completion bash", "_STEPAUDIT_COMPLETE"),
    Press("--install-completion bash", writes=".bash*"),
    # The workflow's commands, in its order.
    Press("index demo.yaml --dataset planted", writes="results/demo/segments/**/*.parquet"),
    Press("extract demo.yaml --dataset planted --size 16x32x32 --shard test-000", writes="results/demo/clips/**/*t"),
    Press(f"train demo.yaml {AT}", writes=CHECKPOINT),
    Press(f"predict demo.yaml {AT} --shard test-000", writes=f"results/demo/predictions/{PLACE}/*.parquet"),
    Press(f"attribute demo.yaml {AT} --method center --shard test-000", writes=f"results/demo/maps/{PLACE}/*center/*"),
    Press(f"preserve demo.yaml {AT} --method step --shard test-000", writes=f"results/demo/preservation/{PLACE}/*/*"),
    Press(f"score demo.yaml {AT} --method center --shard test-000", writes=f"results/demo/scores/{PLACE}/*center/*"),
    Press("report results/demo", "report: results/demo/report/index.html", "results/demo/report/index.html"),
    # Looking at an audit.
    Press("status results/demo --watch", "report"),
    Press("check results/demo --targets --delete"),
    Press("plan demo.yaml", "attribute"),
    Press("list metrics", "^metrics:"),
    Press("doctor demo.yaml --slurm --json", '"about": ?"slurm"', ends=None),
    Press("sql results/demo 'from accuracy' --format json", r"^\["),
    Press(
        "compare results/last_week results/this_week --dataset planted --list --out compared",
        "accuracy_increase", "compared/compare.html",
    ),
    Press(
        "compare results/last_week results/this_week results/this_week:max_over_time --against first",
        "each against the first",
    ),
    Press("compare results/last_week results/this_week --fail-if 'accuracy_increase < 1'", "accuracy", ends=1),
    # Files for others.
    Press("export table results/demo accuracy --format csv --out accuracy.txt --force", "accuracy.txt", "accuracy.txt"),
    Press("export query results/demo 'from failures' --format json --out q.json --force", "q.json", "q.json"),
    Press("export all results/demo --out all --format parquet --views --force", "files in all", "all/index.csv"),
    Press(
        "export fiftyone results/demo --out fiftyone --all --dataset planted --model max_over_time --method step "
        f"--clip {CLIP} --ratio 0.1 --seed 0 --force",
        r"1 of \d+ clips",
        "fiftyone/samples.json",
    ),
    Press(
        f"export maps results/demo --out maps --format mp4 {AT} --method step --clip {CLIP} --ratio 0.1 --seed 0 "
        "--force",
        "^1 maps in maps", "maps/index.csv",
    ),
    Press(
        f"figure methods results/demo --out methods.png --clip {CLIP} {AT} --methods step,center --ratio 0.05 "
        "--frames 2",
        CLIP, "methods.png",
    ),
    Press(
        f"figure compare results/demo --out two.png --clip {CLIP} --dataset planted "
        "--models mean_over_time max_over_time --method step --frames 2",
        CLIP, "two.png",
    ),
    # Work of one's own.
    Press(
        f"explain my_video.mp4 --model {CHECKPOINT} --method step --ratio 0.1 --target disc-horizontal --out mine "
        "--quick --option iterations=2 --start 1 --stop 17 --seed 3 --device cpu",
        "disc-horizontal", "mine/summary.json",
    ),
    Press(
        f"explain my_video.mp4 --model {CHECKPOINT} --method ep3d --need --background my_video.mp4 --reading frames "
        "--out need",
        "without its content", "need/summary.json",
    ),
    Press(
        f"explain my_video.mp4 --model {CHECKPOINT} --method center --window 1 --stride 0.5 --at 1 --out windowed",
        "in time: half of the map lies between", "windowed/summary.json",
    ),
    Press(
        "explain my_video.mp4 --model my_models:build --method center --weights my_weights.pt --classes 2 "
        "--layer features --size 16x32x32 --fit crop --out mine --overwrite",
        writes="mine/summary.json",
    ),
    Press(
        "init videos --out started.yaml --budget quick --audit begun --model r3d_18 --weights none --methods center "
        "--size 16x32x32 --yes --force",
        "written: started.yaml", "started.yaml",
    ),
]  # fmt: skip


def options(command=None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every option behind its command: `("export", "all", "--views")`."""
    command = command or get_command(cli.app)
    for parameter in command.params:
        yield from ((*path, name) for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-"))
    for name, each in getattr(command, "commands", {}).items():
        yield from options(each, (*path, name))


def pressed(words: list[str]) -> Iterator[tuple[str, ...]]:
    """The options among the words, each behind its command."""
    command, path = get_command(cli.app), ()
    for word in words:
        if word.startswith("--"):
            yield (*path, word)
        elif word in getattr(command, "commands", {}):
            command, path = command.commands[word], (*path, word)


def written(pattern: str) -> dict[Path, int]:
    """When each file of a pattern was written."""
    return {path: path.stat().st_mtime_ns for path in Path().glob(pattern)}


def fault(press: Press) -> str:
    """Problem of a press, as a sentence; empty if there is none."""
    before = written(press.writes) if press.writes else {}
    try:
        ended = command_line.run(*shlex.split(press.words))
    except Exception as error:  # noqa: BLE001 (the others are pressed as well)
        return f"{type(error).__name__}: {error}"
    printed = ended.out + ended.err
    if ended.status not in ((0, 1) if press.ends is None else (press.ends,)):
        return f"ended with {ended.status}: {printed[-2000:]}"
    if not re.search(press.shows, printed, re.M):
        return f"does not print {press.shows!r}: {printed[-2000:]}"
    if press.writes and written(press.writes) == before:
        return f"writes no {press.writes}"
    return ""


def test_every_option_of_every_command_is_pressed_and_has_its_effect(working_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(working_folder))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    names = {each for press in PRESSES for each in pressed(shlex.split(press.words))}
    offenders = [f"{' '.join(each)}: no press" for each in options() if each not in names]
    offenders += [f"{press.words}: {text}" for press in PRESSES if (text := fault(press))]
    assert offenders == [], "\n".join(offenders)
