"""All kinds of faults, one module for each thing that fails."""

from __future__ import annotations

from benchmarks.faults.fault import Fault
from benchmarks.faults.kinds import brokers, machine, manifests, replicas, service, state

_MODULES = (service, brokers, replicas, state, machine, manifests)
ALL: dict[str, Fault] = {fault.name: fault for module in _MODULES for fault in module.FAULTS}
