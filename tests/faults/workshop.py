"""A finished small audit, a copy of it to break, and the commands that a user would repair it with."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "audit" / "workflow")]

from checkouts import TINY, Checkout, copy_checkout

from stepaudit.networks import checkpoint

STEPAUDIT = Path(sys.executable).with_name("stepaudit")
AUDIT = {
    **TINY,
    "shards": 1,
    "device": "cpu",
    "models": {
        "narrow": {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 4, "batch_size": 4}},
        "plugin": {"use": "misbehaving:build", "training": {"epochs": 0}},
    },
    "methods": {
        "step": {"ratios": [0.1, 0.3], "batch_size": 2, "options": {"schedule": "short", "iterations": 25}},
        "odd": {"use": "misbehaving:attribute", "batch_size": 2},
        "center": {},
    },
    "metrics": {"mass_in_box": {}, "box_share": {}},
}
STEP = {"dataset": "planted", "model": "narrow", "method": "step", "shard": "test-000"}
ODD = {**STEP, "model": "plugin", "method": "odd"}
CLOCK = {"seconds"}
PATIENCE = 900  # seconds; a busy machine is no fault


@dataclass
class Workshop:
    """A copy of the audit.

    Args:
        expected: the results of the audit that was left alone.
    """

    checkout: Checkout
    expected: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def results(self) -> Path:
        return self.checkout.folder / "results" / "tiny"

    def file(self, table: str, keys: dict[str, str]) -> Path:
        """A shard of a table."""
        *folders, shard = (f"{key}={value}" for key, value in keys.items())
        return Path(self.results, table, *folders, f"{shard.partition('=')[2]}.parquet")

    def start(self, command: str, keys: dict[str, str], **environment: str) -> subprocess.Popen:
        """Starts a job as the workflow would."""
        options = [part for key, value in keys.items() for part in (f"--{key}", value)]
        about = self.checkout.command()
        return subprocess.Popen(
            [str(STEPAUDIT), command, "results/tiny/config.yaml", *options], cwd=about["cwd"],
            env={**about["env"], **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def job(self, command: str, keys: dict[str, str], **environment: str) -> tuple[int, str]:
        """Exit status and output of a job."""
        process = self.start(command, keys, **environment)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs the workflow."""
        return self.checkout.snakemake("--cores", "2", "--configfile", "tiny.yaml", *arguments)

    def stepaudit(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of a command."""
        about = self.checkout.command()
        done = subprocess.run(
            [str(STEPAUDIT), *arguments], cwd=about["cwd"], env=about["env"], text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        )  # fmt: skip
        return done.returncode, done.stdout

    def parts(self, table: str, keys: dict[str, str]) -> list[Path]:
        """What is kept of a shard that is not finished."""
        output = self.file(table, keys)
        return sorted(output.with_name(f".{output.name}.parts").glob("*.parquet"))

    def rows(self, table: str, keys: dict[str, str]) -> list[dict]:
        """Rows of a shard, but for what a clock measured."""
        return _rows(self.file(table, keys))

    def expected_rows(self, table: str, keys: dict[str, str]) -> list[dict]:
        """The same of the audit that was left alone."""
        return _rows(self.expected / self.file(table, keys).relative_to(self.results))

    def lost(self, table: str, keys: dict[str, str]) -> int:
        """Rows of a shard that are missing, or are not those of the audit that was left alone."""
        found = self.rows(table, keys)
        return sum(row not in found for row in self.expected_rows(table, keys)) + abs(
            len(found) - len(self.expected_rows(table, keys))
        )

    def lost_of_all(self) -> int:
        """The same of all tables but `runs`, and a row for each checkpoint with other weights."""
        lost = 0
        for expected in self.expected.glob("*/**/*.*"):
            path = self.results / expected.relative_to(self.expected)
            if path.suffix == ".safetensors":
                lost += not same_weights(path, expected)
            elif path.suffix == ".parquet" and path.relative_to(self.results).parts[0] != "runs":
                before, after = _rows(expected), _rows(path)
                lost += sum(row not in after for row in before) + abs(len(after) - len(before))
        return lost


def _rows(path: Path) -> list[dict]:
    table = pq.read_table(path, partitioning=None)
    return table.drop_columns(list(CLOCK & set(table.column_names))).to_pylist()


def made(folder: Path) -> Path:
    """Runs the audit once in `folder`, and returns the checkout's folder."""
    checkout = copy_checkout(folder)
    shutil.copy(Path(__file__).with_name("misbehaving.py"), folder)
    done = checkout.snakemake("--cores", "2", "--configfile", checkout.configure("tiny.yaml", **AUDIT))
    assert done.returncode == 0, done.stdout
    return folder


def copied(original: Path, folder: Path) -> Workshop:
    """A copy to break."""
    shutil.copytree(original, folder, symlinks=True)
    return Workshop(Checkout(folder), original / "results" / "tiny")


def same_weights(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same weights, bit by bit."""
    (about, weights), (other_about, other_weights) = checkpoint.read(one), checkpoint.read(other)
    return about == other_about and all(weights[name].equal(value) for name, value in other_weights.items())


def kill(process: subprocess.Popen) -> None:
    """As when a machine loses power, or memory runs out."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
