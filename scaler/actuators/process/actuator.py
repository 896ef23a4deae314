"""The actuator for processes of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from scaler.actuators.process.runtime import ProcessRuntime
from scaler.actuators.replicas import ReplicaActuator


class ProcessActuator(ReplicaActuator):
    """Runs replicas as local processes.

    Args:
        owner: Marks what belongs to this service.
        state_dir: Where records and logs of replicas are kept.
        settings: Arguments of `ReplicaActuator`: `balancer`, `backoff`, `dns_suffix`, `listing_max_age_s`, `retry_s`.
    """

    kind: ClassVar[str] = "process"

    def __init__(self, owner: str, state_dir: Path, **settings: Any) -> None:
        super().__init__(ProcessRuntime(owner, state_dir), **settings)
