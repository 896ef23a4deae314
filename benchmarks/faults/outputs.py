"""What the service says: no secret, and no bug, in its log, its API and what its commands print."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

from benchmarks.faults import estate
from benchmarks.faults.secrets import leaked
from scaler.testing.http_service import HttpService

_EVERY = 3
# Characters of a traceback.
_TOLD = 6000
_COMMANDS = (("status",), ("explain", estate.WEB), ("explain", "list"), ("validate",))


class Outputs:
    """Reads all that is new since it last looked."""

    def __init__(self, service: HttpService) -> None:
        self._service = service
        self._read = 0
        self._turn = 0

    def problems(self) -> list[str]:
        """Return what should not have been said."""
        return [*self._log(), *self._api(), *self._command()]

    def _log(self) -> Iterator[str]:
        log = self._service.log
        fresh, self._read = log[self._read :], len(log)
        yield from (f"the log tells the secret of {name}" for name in leaked(fresh))
        place = fresh.find("Traceback")
        if place >= 0:
            yield f"a bug in the log: {fresh[place : place + _TOLD]}"

    def _api(self) -> Iterator[str]:
        for path in ("/v1/workloads", "/metrics"):
            try:
                with urllib.request.urlopen(f"http://{self._service.api.address}{path}", timeout=10) as answer:
                    text = answer.read().decode()
            except (urllib.error.URLError, TimeoutError) as error:
                yield f"{path} is not answered: {error}"
                continue
            yield from (f"{path} tells the secret of {name}" for name in leaked(text))
            for line in text.splitlines():
                if line.startswith("scaler_plugin_bugs_total") and float(line.rsplit(" ", 1)[1]):
                    yield f"a bug is counted: {line}"

    def _command(self) -> Iterator[str]:
        # Not all of them after every fault: each is a process that loads everything.
        turn, self._turn = self._turn, self._turn + 1
        if turn % _EVERY:
            return
        command = _COMMANDS[turn // _EVERY % len(_COMMANDS)]
        if command == ("validate",):
            command = ("validate", str(self._service.manifest))
        done = self._service.command(*command)
        yield from (f"{command[0]} tells the secret of {name}" for name in leaked(done.stdout + done.stderr))
        if done.returncode or "Traceback" in done.stderr:
            yield f"{command} ended with {done.returncode}: {done.stderr[-500:]}"
