"""The `memory` trigger."""

from __future__ import annotations

from scaler.model import Resource
from scalers.resources.samples import ResourceScaler


class MemoryScaler(ResourceScaler):
    """Memory that the workload's own replicas use, in percent of their limit or on average.

    Reads:
        Bytes that each running replica uses, once a second at most. A replica that ended and waits for its restart is
        missing. No replica gives no sample: the trigger then wants none.

        The decision averages as the Horizontal Pod Autoscaler does (see "cpu and memory" in the page on decisions):
        missing replicas count as 0 % on the way up and as 100 % on the way down. Unlike with cpu, a replica that is not
        ready yet counts with what it uses.
    Active:
        Never by its value. With cpu and memory alone a workload is always active: it does not go below one replica. At
        zero another trigger must wake it.
    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | no replica could be measured yet | they have just started | nothing |
        | NAME has no memory limit ... | Utilization of what declares none | declare it, or use AverageValue |
        | the replicas' use cannot be read | the engine does not answer | look at the engine; the count is held |
    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | percent of the container's request | of its limit `resources.memory`, as Azure has no request |
        | read every 15 s | at every poll |
        | `value` may be 0 or negative | above 0 |
    """

    type = "memory"
    resource = Resource.MEMORY
