"""Takes up edits of manifests while the service runs, by file watching and on request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import watchfiles

from scaler.model import Workload
from scaler.ports.errors import ConfigError, InvalidManifest
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

# Editors and `cp` write in several steps: wait for this much quiet before reading.
QUIET_MS = 200


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the manifests say, and the files and folders that they were read from."""

    workloads: tuple[Workload, ...]
    files: tuple[Path, ...]


class Reloader:
    """Reads the manifests again after an edit or a request; a broken edit is reported and changes nothing."""

    def __init__(
        self,
        load: Callable[[], Configuration],
        apply: Callable[[Sequence[Workload]], Awaitable[None]],
        recorder: Recorder,
    ) -> None:
        self._load = load
        self._apply = apply
        self._recorder = recorder
        self._requested = asyncio.Event()
        self._files: tuple[Path, ...] = ()

    def request(self) -> None:
        """Read the manifests again (SIGHUP)."""
        self._requested.set()

    async def run(self, files: tuple[Path, ...]) -> None:
        """Watch until cancelled."""
        self._files = files
        while True:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch(), name="watch-manifests")
                while self._files == files:
                    await self._requested.wait()
                    self._requested.clear()
                    await self._reload()
                watch.cancel()
            files = self._files

    async def _watch(self) -> None:
        folders = {path if path.is_dir() else path.parent for path in self._files}
        watched = {path.absolute() for path in self._files}

        def concerns(_: watchfiles.Change, changed: str) -> bool:
            path = Path(changed)
            return path in watched or (path.parent in watched and path.suffix in {".yaml", ".yml"})

        try:
            async for _ in watchfiles.awatch(
                *(folder.absolute() for folder in folders if folder.exists()),
                watch_filter=concerns,
                recursive=False,
                debounce=1600,
                step=QUIET_MS,
            ):
                self.request()
        except OSError as error:
            log.warning("manifests_not_watched", error=str(error), hint="send SIGHUP after an edit")

    async def _reload(self) -> None:
        try:
            # In a thread: a large manifest must not stop the loops.
            configuration = await asyncio.to_thread(self._load)
        except InvalidManifest as error:
            for problem in error.problems:
                log.error("manifest_problem", problem=str(problem))
            self._rejected()
        except ConfigError as error:
            log.error("manifest_problem", problem=str(error))
            self._rejected()
        else:
            self._files = configuration.files
            await self._apply(configuration.workloads)
            self._recorder.configuration_reloaded(accepted=True)
            log.info("configuration_reloaded", workloads=len(configuration.workloads))

    def _rejected(self) -> None:
        self._recorder.configuration_reloaded(accepted=False)
        log.error("configuration_kept", hint="the running configuration stays until the manifests are mended")
