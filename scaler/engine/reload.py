"""Takes up edits of manifests while the service runs, by looking at the files and on request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from scaler.model import Workload
from scaler.ports.errors import ConfigError, InvalidManifest
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

# Files are looked at rather than watched through the kernel: that sees no change behind a symbolic link, on a network
# file system or of a folder that was replaced, and the kernel's watches may be used up.
LOOK_EVERY_S = 0.5
# Editors and `cp` write in several steps: wait for this much quiet before reading, but not forever.
QUIET_S = 0.2
_QUIET_TRIES = 10

Stamps: TypeAlias = Mapping[str, tuple[int, ...] | None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the manifests say.

    Attributes:
        workloads: All of them.
        files: The files and folders that they were read from.
        stamps: Of the paths that were asked for, taken before they were read.
    """

    workloads: tuple[Workload, ...]
    files: tuple[Path, ...]
    stamps: Stamps


def stamps(paths: Sequence[Path]) -> dict[str, tuple[int, ...] | None]:
    """Return what changes when a file, or a manifest in a folder, does; symbolic links are followed."""
    return {file: _stamp(file) for path in paths for file in _files(path)}


class Reloader:
    """Reads the manifests again after an edit or a request; a broken edit is reported and changes nothing."""

    def __init__(
        self,
        load: Callable[[], Configuration],
        apply: Callable[[Sequence[Workload]], Awaitable[None]],
        recorder: Recorder,
        *,
        look_every_s: float = LOOK_EVERY_S,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._load = load
        self._apply = apply
        self._recorder = recorder
        self._look_every_s = look_every_s
        self._quiet_s = quiet_s
        self._requested = asyncio.Event()
        self._files: tuple[Path, ...] = ()
        self._stamps: Stamps = {}

    def request(self) -> None:
        """Read the manifests again (SIGHUP)."""
        self._requested.set()

    async def run(self, configuration: Configuration) -> None:
        """Take up what changes after this configuration, until cancelled."""
        await self._take(configuration)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s):
                    await self._requested.wait()
            if self._requested.is_set() or await self._edited():
                self._requested.clear()
                await self._reload()

    async def _take(self, configuration: Configuration) -> None:
        self._files = configuration.files
        # Stamps from before the reading win, so that an edit in the meantime is seen as one. Those of other files,
        # such as secrets that the manifests refer to, could not be taken then.
        found = await self._look()
        self._stamps = {**{str(file): found[str(file)] for file in self._files}, **configuration.stamps}

    async def _edited(self) -> bool:
        found = await self._look()
        for _ in range(_QUIET_TRIES):
            if found == self._stamps:
                return False
            before = found
            await asyncio.sleep(self._quiet_s)
            found = await self._look()
            if found == before:
                break
        return found != self._stamps

    async def _look(self) -> Stamps:
        # In a thread: a network file system may take its time.
        return await asyncio.to_thread(stamps, self._files)

    async def _reload(self) -> None:
        self._stamps = await self._look()
        try:
            # In a thread: a large manifest must not stop the loops.
            configuration = await asyncio.to_thread(self._load)
            await self._apply(configuration.workloads)
        except InvalidManifest as error:
            for problem in error.problems:
                log.error("manifest_problem", problem=str(problem))
            self._rejected()
        except ConfigError as error:
            log.error("manifest_problem", problem=str(error))
            self._rejected()
        except Exception:
            # A bug in reading must not end what runs.
            log.exception("reload_failed")
            self._rejected()
        else:
            await self._take(configuration)
            self._recorder.configuration_reloaded(accepted=True)
            log.info("configuration_reloaded", workloads=len(configuration.workloads))

    def _rejected(self) -> None:
        self._recorder.configuration_reloaded(accepted=False)
        log.error("configuration_kept", hint="the running configuration stays until the manifests are mended")


def _files(path: Path) -> Iterator[str]:
    yield str(path)
    with suppress(OSError), os.scandir(path) as entries:
        yield from (str(path / entry.name) for entry in entries if entry.name.lower().endswith((".yaml", ".yml")))


def _stamp(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - Path.stat is the same, but slower for thousands of files
    except OSError:
        return None
    if os.path.isdir(file):  # noqa: PTH112 - as above
        return ()  # its manifests count, not what else is written in it
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
