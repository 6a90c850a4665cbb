"""Guarded calls of methods, metrics and models, so that a fault in one does not reach the next row."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from stepaudit.audit.config import Config
from stepaudit.audit.requests import Request
from stepaudit.errors import AuditError, StorageError, TimedOutError, UsageError, no_exit
from stepaudit.running import footprint, interruption, watchdog
from stepaudit.running.side_effects import ModelState, ProcessState
from stepaudit.running.smaller_batches import is_out_of_memory

SHOWN = 4  # clips that a message names

log = logging.getLogger(__name__)
Loaded = tuple[nn.Module | None, Any]
Result = TypeVar("Result")


class Guard:
    """Calls a plugin in limited time, undoes its side effects, and names it and its clips if it has a bug.

    Args:
        folder: of the job's finished parts, where calls that hang are noted.
        plugin: name of the plugin in messages.
        load: makes the model and the plugin; called again when the model has to be loaded again.
    """

    def __init__(self, config: Config, folder: Path, plugin: str, load: Callable[[], Loaded] | None = None):
        self.plugin, self._load, self._folder = plugin, load, folder
        self._watchdog = watchdog.Watchdog(config.batch_seconds, folder)
        self._loaded: Loaded | None = None
        self._process: ProcessState | None = None
        self._models: dict[int, ModelState] = {}
        self._most: int | None = None  # rows at once, after memory ran out
        self._growth, self._limit = config.memory_growth_mb, footprint.limit_mb()
        self._first: float | None = None  # MB after the first call
        self._warned: set[str] = set()

    def __enter__(self) -> "Guard":
        self._watchdog.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._watchdog.__exit__(*error)
        watchdog.forget(self._folder)

    def over(
        self, index: object, batch: Sequence[Request], use: Callable[[Any, Sequence[Request]], list] | None = None
    ) -> Callable[[Sequence[Request]], list]:
        """Function of the rows of a batch, or of some of them, that calls the plugin, for `smaller_batches.each`.

        Args:
            index: of the batch within the job.
            use: calls the plugin with rows; by default with nothing else.
        """

        def work(rows: Sequence[Request]) -> list:
            if self._most is not None and len(rows) > self._most:
                raise torch.OutOfMemoryError("so many rows did not fit into memory before")
            first = next(place for place, row in enumerate(batch) if row is rows[0])
            model, called = self._load_once()
            try:
                return self.call(
                    lambda: called(rows) if use is None else use(called, rows),
                    key=f"batch {index}, {len(rows)} rows from {first}",
                    clips=[row.clip_id for row in rows],
                    model=model,
                    reload=self._forget,
                )
            except (MemoryError, RuntimeError) as error:
                if is_out_of_memory(error):
                    self._most = (len(rows) + 1) // 2
                raise

        return work

    def call(
        self,
        work: Callable[[], Result],
        *,
        key: str,
        clips: Sequence[str],
        plugin: str = "",
        model: nn.Module | None = None,
        reload: Callable[[], None] | None = None,
    ) -> Result:
        """Result of a guarded call.

        Args:
            key: identifies the call within the job.
            clips: of its rows.
            plugin: name in messages, if it is not the same in all calls.
            model: of the call.
            reload: called if the model must not be used again.

        Raises:
            TimedOutError: it took too long.
        """
        process = self._process = self._process or ProcessState()
        before = self._model_state(model)
        needs_reload = False
        try:
            with self._watchdog.limited(key), no_exit(plugin or self.plugin):
                return work()
        except TimedOutError:
            needs_reload = True  # wherever it was interrupted
            raise
        except (AuditError, UsageError, StorageError):
            raise
        except Exception as error:
            if len(clips) == 1 or not is_out_of_memory(error):  # of several, fewer are tried
                error.add_note(self._crash_text(plugin or self.plugin, "failed on", clips))
            raise
        finally:
            if self._undo_side_effects(plugin or self.plugin, process, before) or needs_reload:
                self._models.clear()
                if reload is not None:
                    reload()
            self._check_memory()

    def renew(self) -> None:
        """Accept the present settings of the process: loading a plugin may change them."""
        self._process = None

    def _load_once(self) -> Loaded:
        """The loaded plugin and its model; loads them at the first call."""
        if self._loaded is None:
            if self._load is None:
                raise ValueError("this guard has no `load`")
            try:
                with no_exit(self.plugin):
                    self._loaded = self._load()
            except (AuditError, UsageError, StorageError):
                raise
            except Exception as error:
                error.add_note(self._crash_text(self.plugin, "failed while it was loaded", []))
                raise
            self.renew()
        return self._loaded

    def _forget(self) -> None:
        self._loaded = None

    def _model_state(self, model: nn.Module | None) -> ModelState | None:
        if model is None:
            return None
        if id(model) not in self._models:
            self._models[id(model)] = ModelState(model)
        return self._models[id(model)]

    def _undo_side_effects(self, plugin: str, process: ProcessState, model: ModelState | None) -> bool:
        """Undo a call's side effects, with one warning. Returns True if the model must be loaded again."""
        changes, needs_reload = model.restore() if model is not None else ([], False)
        changes += process.restore()
        if changes:
            end = "undone, the model is loaded again" if needs_reload else "undone"
            text = f"{plugin} changed {', '.join(changes)} and did not restore it; {end}"
            if text not in self._warned:
                log.warning("%s", text)
            self._warned.add(text)
        return needs_reload

    def _check_memory(self) -> None:
        now = footprint.resident_mb()
        self._first = self._first or now
        if reason := footprint.too_much(self._first, now, self._limit, self._growth):
            interruption.ask(f"{self.plugin}: {reason}")

    def _crash_text(self, plugin: str, what: str, clips: Sequence[str]) -> str:
        named = [f"'{clip}'" for clip in dict.fromkeys(clips)]
        shown = ", ".join(named[:SHOWN]) + (f" or {len(named) - SHOWN} others" if len(named) > SHOWN else "")
        finished = interruption.finished()
        text = f"stepaudit: {plugin} {what} {shown}".rstrip()
        return f"{text}; {finished}; fix it and run again" if finished else f"{text}; fix it and run again"
