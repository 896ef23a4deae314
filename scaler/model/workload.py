"""What is scaled: a target with its triggers and its policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scaler.model.app import App
from scaler.model.policy import ScalingPolicy, TriggerPolicy

# Read an event source this often when the manifest is silent.
DEFAULT_POLLING_INTERVAL_S = 5.0
MIN_POLLING_INTERVAL_S = 0.1

# The kind of target (KEDA `scaleTargetRef.kind`) that is a service of Docker Compose; its name is `PROJECT/SERVICE`.
COMPOSE_SERVICE = "ComposeService"


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where in the manifests something was written; lines and columns count from 1, and are 0 where there are none."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class ForeignTarget:
    """Something that runs already and is only scaled (KEDA `scaleTargetRef`)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """One configured use of a scaler.

    Attributes:
        policy: Name, type, target and activation, as the decision needs them.
        config: The plugin's own validated configuration, secrets included; its `repr` shows none.
    """

    policy: TriggerPolicy
    config: Any

    @property
    def name(self) -> str:
        """Unique within the workload."""
        return self.policy.name

    @property
    def type(self) -> str:
        """The scaler's type."""
        return self.policy.type


@dataclass(frozen=True, slots=True)
class Workload:
    """What is scaled, how, and by what.

    Attributes:
        name: Unique within one service; the app's name, or the ScaledObject's where the target is foreign.
        target: The app to run, or a reference to something that runs already.
        triggers: Configured event sources; their policies are `policy.triggers`, in the same order.
        policy: How readings become a count.
        polling_interval_s: Seconds between two readings.
        idle_polling_interval_s: The same while no replica is wanted; None: the same as ever.
        location: Where the manifest defines it; two workloads that differ only here are equal.
    """

    name: str
    target: App | ForeignTarget
    triggers: tuple[Trigger, ...]
    policy: ScalingPolicy
    polling_interval_s: float = DEFAULT_POLLING_INTERVAL_S
    idle_polling_interval_s: float | None = None
    location: SourceLocation | None = field(default=None, compare=False)

    @property
    def target_name(self) -> str:
        """What is scaled, as `KIND/NAME`; all revisions of an app are the same, and it is the workload's own."""
        return "ContainerApp" if isinstance(self.target, App) else f"{self.target.kind}/{self.target.name}"

    def polling_interval_at(self, desired: int) -> float:
        """Return the seconds between two readings while that many replicas are wanted."""
        if desired == 0 and self.idle_polling_interval_s is not None:
            return self.idle_polling_interval_s
        return self.polling_interval_s
