"""A real Prometheus, with series of the test's own."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scaler.testing.servers.process import ServerNotStarted, ServerProcess, server_folder

_INTERVAL = "100ms"


class PrometheusServer(ServerProcess):
    """Prometheus on a loopback port; it keeps its data while its folder is there."""

    def __init__(
        self,
        folder: Path,
        *,
        web: Mapping[str, object] | None = None,
        targets: Sequence[str] = (),
        rules: Sequence[Path] = (),
        prefix: str = "",
    ) -> None:
        super().__init__(folder)
        self._web = web
        self._files = tuple(map(str, rules))
        self._targets = tuple(targets)
        self._prefix = prefix
        self._rules: dict[str, str] = {}
        self._write_rules()

    @classmethod
    @contextmanager
    def running(
        cls,
        *,
        web: Mapping[str, object] | None = None,
        targets: Sequence[str] = (),
        rules: Sequence[Path] = (),
        prefix: str = "",
    ) -> Iterator[Self]:
        """Start a server and stop it on exit.

        Args:
            web: Its web configuration: `tls_server_config`, `basic_auth_users` (bcrypt hashes).
            targets: host:port of what it scrapes, every 100 ms; it begins some seconds after the start.
            rules: Files of rules that it evaluates every 100 ms.
            prefix: The path that its API lies under.
        """
        with (
            server_folder("prometheus") as folder,
            cls._run(cls(folder, web=web, targets=targets, rules=rules, prefix=prefix)) as server,
        ):
            yield server

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        encrypted = self._web is not None and "tls_server_config" in self._web
        return f"{'https' if encrypted else 'http'}://{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Return the program; what is secret stands in a file."""
        program = shutil.which("prometheus")
        if program is None:
            raise ServerNotStarted("no prometheus on the PATH: apt-get install prometheus")
        config = self.folder / "prometheus.yml"
        jobs = [{"job_name": "test", "static_configs": [{"targets": list(self._targets)}]}] if self._targets else []
        # YAML takes JSON.
        intervals = {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL}
        rules = [str(self.folder / "rules.yml"), *self._files]
        config.write_text(json.dumps({"global": intervals, "scrape_configs": jobs, "rule_files": rules}))
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.host}:{self.port}",
            # Evaluations that a busy machine holds up for less leave no gap.
            "--query.lookback-delta=10s",
        ]
        if self._prefix:
            command.append(f"--web.external-url=http://{self.host}:{self.port}{self._prefix}")
        if self._web is not None:
            web = self.folder / "web.yml"
            web.touch(mode=0o600)
            web.write_text(json.dumps(self._web))
            command.append(f"--web.config.file={web}")
        return command

    def record(self, series: str, expression: str) -> None:
        """Let a series have the value of an expression from the next evaluation on, within 0.2 s or so."""
        self._rules[series] = expression
        self._write_rules()
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def _write_rules(self) -> None:
        rules = [{"record": series, "expr": expression} for series, expression in self._rules.items()]
        groups = [{"name": "test", "rules": rules}] if rules else []
        (self.folder / "rules.yml").write_text(json.dumps({"groups": groups}))

    def answers(self) -> bool:
        """Whether it says that it takes requests: this holds with TLS and credentials, too."""
        return b"Server is ready to receive web requests" in self.log.read_bytes()
