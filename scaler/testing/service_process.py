"""The service as its users run it: a process of its own, used over its command line and its API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from scaler.engine import state_dir
from scaler.observability.api_client import ApiClient, ServiceNotReached
from scaler.ports.errors import ConfigError, ScalerError
from scaler.testing.polling import accepts
from scaler.testing.servers.process import free_port

_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 30.0
_POLL_S = 0.05


class ServiceNotStarted(ScalerError):
    """It ended, or did not decide in time; the text holds the end of its log."""


class ServiceProcess:
    """One `scaler run` over `manifest.yaml` in its folder; the log is in `service.log`, the state in `state`.

    Without a manifest it runs over none, as `--compose` allows. With an `ingress_port`, apps are reached there.
    """

    def __init__(
        self,
        folder: Path,
        manifest: str | None,
        *,
        actuator: str,
        env: Mapping[str, str] | None = None,
        python: Path | str = sys.executable,
        ingress_port: int | None = None,
    ) -> None:
        """Write the manifest; `python` is the interpreter whose installed scaler and plugins are run."""
        self.manifest = folder / "manifest.yaml"
        self._paths = [] if manifest is None else [str(self.manifest)]
        if manifest is not None:
            self.manifest.write_text(manifest)
        self.state_dir = folder / "state"
        self._log = folder / "service.log"
        self._actuator = actuator
        self.ingress_port = ingress_port
        self._ingress: tuple[str, ...] = ()
        if ingress_port is not None:
            self._ingress = ("--ingress", f"127.0.0.1:{ingress_port}")
            # Containers reach other apps at the bridge's address; for processes there is one port for all services.
            if actuator == "process":
                self._ingress += ("--ingress-internal", f"127.0.0.1:{free_port()}")
        self._env = {**os.environ, **(env or {})}
        # More of the environment from the next start on.
        self.variables: Mapping[str, str] = {}
        self._python = str(python)
        self._process: subprocess.Popen[bytes] | None = None
        self._api: ApiClient | None = None

    @property
    def api(self) -> ApiClient:
        """The API of the running service."""
        if self._api is None:
            raise RuntimeError("the service does not run")
        return self._api

    @contextmanager
    def running(self, *options: str) -> Iterator[ApiClient]:
        """Run it; on exit it ends, and its replicas with it."""
        try:
            self.start(*options)
            yield self.api
        finally:
            self.stop()
            self.command("down")

    def start(self, *options: str) -> None:
        """Start it and wait until every workload has been decided, and the ingress takes connections.

        Raises:
            ServiceNotStarted: It ended, or took too long.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    *(self._python, "-m", "scaler", "run", *self._paths, "--state-dir", str(self.state_dir)),
                    *("--listen", "127.0.0.1:0", "--actuator", self._actuator),
                    *(*self._ingress, *options),
                ],
                stdout=log,
                stderr=log,
                env={**self._env, **self.variables},
            )
        deadline = time.monotonic() + _START_DEADLINE_S
        while not (self._decided() and self._listens()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServiceNotStarted(f"the service did not start:\n{self.log[-3000:]}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """Ask it to end; return its exit status. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def reload(self) -> None:
        """Ask it to read its manifests again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `scaler` on this service's state dir; return its status and what it printed."""
        return subprocess.run(  # noqa: S603 - our own command
            [self._python, "-m", "scaler", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**self._env, "SCALER_STATE_DIR": str(self.state_dir)},
            timeout=180,
        )

    @property
    def pid(self) -> int:
        """The running process."""
        if self._process is None:
            raise RuntimeError("the service does not run")
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started, and has not ended since."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it wrote so far, over all its runs."""
        return self._log.read_text(errors="replace")

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return the log's entries with one of these names."""
        entries = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [entry for entry in entries if entry["event"] in names]

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 when there is none with these labels."""
        request = urllib.request.urlopen(f"http://{self.api.address}/metrics", timeout=10)
        with request as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (sample for family in families for sample in family.samples)
        found = [sample for sample in samples if sample.name == name and sample.labels.items() >= labels.items()]
        return sum(sample.value for sample in found)

    def _listens(self) -> bool:
        return self.ingress_port is None or accepts("127.0.0.1", self.ingress_port)

    def _decided(self) -> bool:
        try:
            note = state_dir.open_unlocked(self.state_dir).read_note("service")
            if not note or note["pid"] != self.pid:
                return False
            self._api = ApiClient(note["address"])
            return all(workload.decision is not None for workload in self._api.workloads())
        except (ConfigError, ServiceNotReached):
            return False
