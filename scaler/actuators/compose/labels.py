"""What the newest container of each service says by its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from scaler.actuators.compose.containers import ServiceName
from scaler.actuators.compose.engine import ServiceEngine
from scaler.actuators.compose.picture import Picture


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a service's newest container says of itself, to those who read its labels.

    Attributes:
        labels: Those that begin as was asked for.
        environment: It may hold secrets.
    """

    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, inspected: Mapping[str, Any], prefix: str) -> Self:
        """Return the part of an inspection that is the same for all replicas: not what compose numbers them with."""
        config = inspected["Config"]
        variables = (variable.partition("=") for variable in config["Env"] or ())
        labels = {label: text for label, text in config["Labels"].items() if label.startswith(prefix)}
        return cls(labels, {name: value for name, _, value in variables})


class Labels:
    """Reads them; a container is inspected once."""

    def __init__(self, picture: Picture, engine: ServiceEngine) -> None:
        self._picture = picture
        self._engine = engine
        self._known: dict[str, Labelled] = {}

    async def read(self, prefix: str) -> Mapping[ServiceName, Labelled]:
        """See `ComposeActuator.labelled`."""
        rows, known = await self._picture.rows(), dict(self._known)
        while True:
            chosen = newest_with(rows, prefix)
            unknown = [each for each in chosen.values() if each not in known]
            found = await self._engine.inspect(unknown)
            known |= {key: Labelled.of(each, prefix) for key, each in found.items()}
            if not (gone := set(unknown) - found.keys()):
                break
            # Removed since the listing, as by a scale-down: the service is still there if it has another container.
            rows = [row for row in rows if row["Id"] not in gone]
        self._known = {key: known[key] for key in chosen.values()}
        return {service: known[key] for service, key in chosen.items()}


def newest_with(rows: Sequence[Mapping[str, Any]], prefix: str) -> dict[ServiceName, str]:
    """Return the newest container of each service in a listing, of those where it has a label that begins so."""
    by_age = sorted(rows, key=lambda row: (row["Created"], row["Id"]))
    found = {ServiceName.of_labels(row["Labels"]): row for row in by_age}
    return {name: row["Id"] for name, row in found.items() if any(label.startswith(prefix) for label in row["Labels"])}
