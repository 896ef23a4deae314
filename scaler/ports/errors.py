"""Everything that is raised on purpose.

ScalerError
├── ConfigError                  the operator must edit something: exit code 2, never retried
│   ├── InvalidManifest          problems, each with file, line, column and path
│   ├── InvalidTrace             the same for a trace to be simulated
│   ├── PluginNotFound           no scaler of that type is installed
│   ├── PluginBroken             an installed scaler cannot be imported or breaks the contract
│   └── StateDirLocked           another service uses the state dir
├── SourceError                  an event source could not be read
│   ├── SourceUnavailable        Transient: outage, time-out, throttling
│   └── SourceRejected           Permanent: bad credentials, wrong kind of key, no such queue
└── ActuatorError                replicas could not be made to match
    ├── EngineUnavailable        Transient: the container engine does not answer
    │   └── EngineRefused        what stands before the engine, such as a socket proxy, does not let a call through
    ├── RegistryUnavailable      Transient: an image's registry does not answer the engine
    ├── TargetUnavailable        Transient: what runs elsewhere and is to be scaled is not there, or is stopped
    └── ReplicaRejected          Permanent: no such image, bad command, a volume that cannot be made

The engine asks one question of a SourceError or ActuatorError: is it `Transient` (try again soon, with back-off) or
`Permanent` (report it, try again slowly)? What is neither is a bug: counted, logged with its traceback, and treated
as transient, so that the service lives. Texts hold no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from scaler.model import SourceLocation
from scaler.printable import printable


class ScalerError(Exception):
    """Root of all."""


class Transient:
    """Mixed into errors that time can heal."""


class Permanent:
    """Mixed into errors that someone must mend."""


class ConfigError(ScalerError):
    """The operator must edit something."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a manifest.

    Attributes:
        location: File, line and column.
        path: Dotted path of the field, such as `properties.template.scale.rules[0].name`; empty for a whole document.
        found: What stands there, secrets left out.
        expected: What would be accepted.
        hint: What to do, such as a "did you mean"; empty when there is none.
        warning: Running without it is harmless.
    """

    location: SourceLocation
    path: str
    found: str
    expected: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.location}: {self.path}: " if self.path else f"{self.location}: "
        level = "warning: " if self.warning else ""
        hint = f" ({self.hint})" if self.hint else ""
        # Names of files and fields come from outside.
        return printable(f"{where}{level}found {self.found}, expected {self.expected}{hint}")


class InvalidManifest(ConfigError):
    """At least one problem that is not a warning; carries all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidTrace(ConfigError):
    """A trace that cannot be replayed; carries all problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginNotFound(ConfigError):
    """No scaler of that type is installed."""

    def __init__(self, type_: str, installed: Sequence[str]) -> None:
        self.type = type_
        self.installed = tuple(installed)
        super().__init__(f"no scaler of type {type_!r} is installed (installed: {', '.join(installed) or 'none'})")


class PluginBroken(ConfigError):
    """An installed scaler cannot be imported or breaks the contract."""

    def __init__(self, type_: str, distribution: str, cause: str) -> None:
        self.type = type_
        self.distribution = distribution
        self.cause = cause
        super().__init__(f"the scaler {type_!r} of {distribution} is broken: {cause}")


class StateDirLocked(ConfigError):
    """Another service uses the state dir."""

    def __init__(self, path: str, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"the state dir {path} is in use by {who}; stop it, or give this one another --state-dir")


class SourceError(ScalerError):
    """An event source could not be read.

    Attributes:
        logged: Whoever raised it has told the operator, once for all triggers that it strikes.
    """

    logged: bool = False

    def again(self) -> Self:
        """Return a fresh exception that says the same, for one more who is to get it."""
        error = type(self)(*self.args)
        error.logged = self.logged
        return error


class SourceUnavailable(Transient, SourceError):
    """Outage, time-out, throttling."""


class SourceRejected(Permanent, SourceError):
    """Bad credentials, wrong kind of key, no such queue."""


class ActuatorError(ScalerError):
    """Replicas could not be made to match.

    Attributes:
        told: The same for clients that wait for a replica: the text itself may name images, registries and paths.
    """

    told: str = "no replica of this app can be started"

    def __init__(self, text: str = "", *, told: str | None = None) -> None:
        super().__init__(text)
        if told is not None:
            self.told = told


class EngineUnavailable(Transient, ActuatorError):
    """The container engine does not answer."""


class EngineRefused(EngineUnavailable):
    """What stands before the engine does not let a call through; tried again, since it may be mended without us."""


class RegistryUnavailable(Transient, ActuatorError):
    """An image's registry does not answer the engine."""

    told = "the image of this app cannot be pulled now"


class TargetUnavailable(Transient, ActuatorError):
    """What runs elsewhere and is to be scaled is not there, or somebody stopped it."""


class ReplicaRejected(Permanent, ActuatorError):
    """No such image, bad command, a volume that cannot be made."""
