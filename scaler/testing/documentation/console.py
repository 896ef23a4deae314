"""Runs the commands of a page as its reader would: in a folder, in order, beside the service that they started."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from typer.testing import CliRunner

from scaler import cli
from scaler.engine import state_dir
from scaler.ports.errors import ConfigError
from scaler.testing.documentation.pages import Command
from scaler.testing.polling import accepts, eventually
from scaler.testing.servers.process import free_port

_COMMAND_DEADLINE_S = 120
_SETTLED_WITHIN_S = 90.0
_POLL_S = 0.5
# What only looks may be asked again until things are as the page says: starting takes a moment.
_LOOKS = ("scaler status", "scaler explain", "curl ", "redis-cli llen", "tail ", "ls ")
_GOES_ON = ("scaler run", "redis-server")
# Run in this process where they need no shell: an interpreter takes longer to start than they take.
_HERE = ("scaler validate ", "scaler simulate ", "scaler status", "scaler explain ")
_FOR_A_SHELL = frozenset("|&;<>$`\\\n\"'()*?[")


@dataclass
class Console:
    """A folder, an environment and ports, and what was started there.

    Attributes:
        folder: Where commands run.
        redis_port: Stands in for 6379.
        api_port: Stands in for 8470.
        ingress_port: Stands in for 8480.
    """

    folder: Path
    redis_port: int
    api_port: int = field(default_factory=free_port)
    ingress_port: int = field(default_factory=free_port)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _service: str = ""

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, *, redis_port: int) -> Iterator[Self]:
        """Lend a console; on exit what it started has ended, replicas included."""
        console = cls(folder, redis_port)
        try:
            yield console
        finally:
            console.interrupt()
            console._shell("scaler down")

    def here(self, text: str) -> str:
        """Return a page's text with the ports and folders of this console for the usual ones."""
        for usual, ours in self._stand_ins():
            text = text.replace(usual, ours)
        return text

    def run(self, command: Command) -> None:
        """Run a command and compare what it prints.

        Raises:
            AssertionError: It prints something else, or ends with another status.
        """
        text = self.here(command.text)
        if text.startswith(_GOES_ON):
            self._start(text)
        elif text == "systemctl stop scaler":  # the unit stands for the last `scaler run`
            self.interrupt()
        elif text == "systemctl start scaler":
            self._start(self._service)
        else:
            if text.startswith("scaler down"):
                self.interrupt()
            self._check(command, text)

    def interrupt(self) -> None:
        """End what goes on, as Ctrl-C does."""
        while self._running:
            process = self._running.pop()
            process.send_signal(signal.SIGINT)
            process.wait(_COMMAND_DEADLINE_S)

    def _check(self, command: Command, text: str) -> None:
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while True:
            exit_code, output = self._output(text)
            printed = self._as_usual(output)
            if exit_code == command.exit_code and matches(command.expected, printed):
                return
            if not text.startswith(_LOOKS) or time.monotonic() > deadline:
                wanted = "\n".join(command.expected)
                raise AssertionError(
                    f"line {command.line}: $ {command.text}\nexit code {exit_code}, printed:\n{printed}\n"
                    f"the page has, with exit code {command.exit_code}:\n{wanted}"
                )
            time.sleep(_POLL_S)

    def _start(self, text: str) -> None:
        if text.startswith("scaler run"):
            self._service = text
            text += f" --listen 127.0.0.1:{self.api_port} --ingress 127.0.0.1:{self.ingress_port}"
            # Local processes stand in for containers, whose images a machine without a network does not have.
            text += "" if "--actuator" in text else " --actuator process"
        log = self.folder / "background.log"
        with log.open("ab") as file:
            process = self._spawn(text, file)
        self._running.append(process)

        def ready() -> bool:
            assert process.poll() is None, f"$ {text}\nended:\n{log.read_text()}"
            if text.startswith("redis-server"):
                return accepts("127.0.0.1", self.redis_port)
            return self._serving(process.pid)

        eventually(ready, within_s=_SETTLED_WITHIN_S, what=text)

    def _serving(self, pid: int) -> bool:
        try:
            note = state_dir.open_unlocked(self.folder / "state").read_note("service")
        except ConfigError:
            return False
        return bool(note) and note["pid"] == pid

    def _output(self, text: str) -> tuple[int, str]:
        if not text.startswith(_HERE) or _FOR_A_SHELL & set(text):
            done = self._shell(text)
            return done.returncode, done.stdout
        arguments = shlex.split(text, comments=True)[1:]
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(cli.app, arguments, env=self._environment())
        return result.exit_code, result.output

    def _spawn(self, text: str, log: BinaryIO) -> subprocess.Popen[bytes]:
        # `exec`, so that the process that gets the signals is the command and not the shell.
        return subprocess.Popen(  # noqa: S603 - the documentation's own commands
            ["/bin/bash", "-c", f"exec {text}"], cwd=self.folder, env=self._environment(), stdout=log, stderr=log
        )

    def _shell(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the documentation's own commands
            ["/bin/bash", "-c", text],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_COMMAND_DEADLINE_S,
        )

    def _environment(self) -> dict[str, str]:
        binaries = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": os.pathsep.join([binaries, os.environ.get("PATH", "")]),
            "SCALER_STATE_DIR": str(self.folder / "state"),
            "HOME": str(self.folder),
            "TZ": "UTC",
        }

    def _stand_ins(self) -> Sequence[tuple[str, str]]:
        return (
            ("/var/lib/scaler", str(self.folder / "state")),
            ("localhost:6379", f"localhost:{self.redis_port}"),
            ("--port 6379", f"--port {self.redis_port}"),
            ("redis-cli ", f"redis-cli -p {self.redis_port} "),
            ("127.0.0.1:8470", f"127.0.0.1:{self.api_port}"),
            ("localhost:8480", f"localhost:{self.ingress_port}"),
        )

    def _as_usual(self, text: str) -> str:
        for usual, ours in self._stand_ins():
            text = text.replace(ours, usual)
        return text


def matches(expected: Sequence[str], printed: str) -> bool:
    """Whether output is as expected, where `...` stands for anything, and on a line of its own for any lines.

    Nothing expected is met by any output. How many blanks there are does not count: columns have the width of their
    content.
    """
    if not expected:
        return True
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\n]*?".join(map(re.escape, _narrow(line).split("..."))) + r"\n"
    lines = map(_narrow, printed.strip("\n").splitlines())
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _narrow(line: str) -> str:
    return re.sub(r" +", " ", line.rstrip())
