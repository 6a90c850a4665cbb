"""Snakemake that looks at the queue every few seconds; it would wait ten more each time that no job has ended."""

import asyncio
import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def _sleep(executor: Executor) -> None:
    await asyncio.sleep(executor.workflow.executor_settings.init_seconds_before_status_checks)


if __name__ == "__main__":
    Executor.sleep = _sleep
    sys.exit(main())
