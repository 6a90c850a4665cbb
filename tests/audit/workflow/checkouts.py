"""A copy of the checkout to run Snakemake in, and a tiny audit for it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
TINY = {
    "audit": "tiny",
    "shards": 1,
    "clips": {"height": 32, "width": 32, "random_views": 1},
    "datasets": {
        "planted": {
            "root": "data/planted",
            "options": {
                "classes": ["disc-horizontal", "cross-vertical"],
                "train_per_class": 4,
                "test_per_class": 3,
                "object_size": 0.33,
            },
        }
    },
    "models": {"narrow": {"use": "r2plus1d_18", "options": {"width": 2}, "training": {"epochs": 2, "batch_size": 4}}},
    "methods": {
        "step": {"ratios": [0.1, 0.3], "batch_size": 2, "options": {"schedule": "short", "iterations": 20}},
        "center": {},
    },
    "preserve": {"methods": ["step"], "bounds": ["probability", "top1"], "grid": [0.2, 0.6], "tolerance": 0.3},
    "metrics": {"spatial_pointing": {}, "temporal_pointing": {}, "mass_in_box": {}, "box_share": {}},
}


@dataclass(frozen=True)
class Checkout:
    """A folder to run Snakemake in, as a user would who has not activated the environment."""

    folder: Path

    def configure(self, name: str, **changes: object) -> str:
        """Writes the tiny audit's configuration with other sections, and returns the file's name."""
        (self.folder / name).write_text(yaml.safe_dump({**TINY, **changes}))
        return name

    def command(self, *arguments: str) -> dict:
        """What `subprocess` needs to run Snakemake here."""
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder.parent),
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
        }
        return {"args": [str(SNAKEMAKE), *arguments], "cwd": self.folder, "env": environment}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs Snakemake to its end; standard error, where it reports, is joined to the output."""
        return subprocess.run(
            **self.command(*arguments), text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def planned(self, config: str, *options: str) -> dict[str, int]:
        """How many jobs of each rule a dry run wants to run."""
        done = self.snakemake("-n", "--configfile", config, *options)
        assert done.returncode == 0, done.stdout
        lines = [line.split() for line in done.stdout.split("Job stats:")[-1].split("\n\n")[0].splitlines()]
        counted = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}
        if not counted:
            assert "Nothing to be done" in done.stdout, done.stdout
        return {rule: count for rule, count in counted.items() if rule not in ("all", "total")}


def copy_checkout(folder: Path) -> Checkout:
    """A checkout with the parts that an audit needs."""
    for name in ("workflow", "config", "reports", "stepaudit"):
        shutil.copytree(ROOT / name, folder / name)  # with compiled modules, or every checkout compiles its own
    shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
    (folder / "slurm").symlink_to((ROOT / "slurm").readlink())
    return Checkout(folder)
