"""What the load balancer knows of replicas: told at once of whatever changes, and of nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from scaler.actuators.runtime import Unit
from scaler.model import Replica
from scaler.ports.load_balancer import LoadBalancer

log = structlog.get_logger(__name__)


class Serving:
    """Tells a load balancer of the replicas of apps with ingress.

    It begins with `open`, so that the first it is told of replicas that ran already is what they are, not that nobody
    has looked at them yet.

    Args:
        balancer: Who is told.
        replica_of: Returns a unit as the balancer is to see it.
    """

    def __init__(self, balancer: LoadBalancer, replica_of: Callable[[Unit], Replica]) -> None:
        self._balancer = balancer
        self._replica_of = replica_of
        self._told: dict[str, tuple[Replica, ...]] = {}
        self._open = False

    def open(self) -> None:
        """Tell from now on."""
        self._open = True

    def told(self) -> Iterable[str]:
        """Return the workloads of which the balancer knows replicas."""
        return tuple(self._told)

    def tell(self, workload: str, units: Sequence[Unit]) -> None:
        """Tell of all units of a workload, unless that is what the balancer was told last."""
        ingress = any(unit.port is not None for unit in units)
        if not self._open or not (ingress or workload in self._told):
            return
        replicas = tuple(map(self._replica_of, units)) if ingress else ()
        if self._told.get(workload) == replicas:
            return
        if replicas:
            self._told[workload] = replicas
        else:
            del self._told[workload]
        try:
            self._balancer.serve(workload, replicas)
        except Exception:
            # Its bug must not end the upkeep of replicas.
            log.exception("load_balancer_failed", workload=workload)
