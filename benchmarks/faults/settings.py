"""What is asked of a run, by environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_SEED = "20261121"


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and where.

    Attributes:
        seed: The same seed chooses the same faults, moments and levels.
        count: Faults, over all worlds.
        worlds: Actuators: the faults are shared out among them.
        kinds: Names of faults to choose from; none are all that work here.
        sources: Names of the sources that take part; none are all.
        settle_s: How long everything may take to be as it should after a fault.
        limit_s: No fault is begun after so long.
        keep: Where the log is left when something was broken, if anywhere.
    """

    seed: int
    count: int
    worlds: tuple[str, ...]
    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    settle_s: float
    limit_s: float
    keep: Path | None

    @classmethod
    def of_environment(cls) -> Settings:
        """Read `SCALER_FAULTS_...`."""

        def words(name: str, default: str = "") -> tuple[str, ...]:
            return tuple(os.environ.get(f"SCALER_FAULTS_{name}", default).replace(",", " ").split())

        (seed,), (count,) = words("SEED", _SEED), words("COUNT", "200")
        (settle,), (limit,) = words("SETTLE_S", "90"), words("LIMIT_S", "14400")
        return cls(
            seed=int(seed),
            count=int(count),
            worlds=words("WORLDS", "process docker"),
            kinds=tuple(name.strip() for name in os.environ.get("SCALER_FAULTS_KINDS", "").split(",") if name.strip()),
            sources=words("SOURCES"),
            settle_s=float(settle),
            limit_s=float(limit),
            keep=Path(folder) if (folder := os.environ.get("SCALER_FAULTS_KEEP")) else None,
        )
