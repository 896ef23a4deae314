"""The `cpu` trigger."""

from __future__ import annotations

from scaler.model import Resource
from scalers.resources.samples import ResourceScaler


class CpuScaler(ResourceScaler):
    """Cores that the workload's own replicas use, in percent of their limit or on average.

    Reads:
        Seconds of cpu that each running replica used, once a second at most; the rate is over the last 15 s, as the
        Kubernetes metrics server's. A younger replica's is over what there is, from 4 s on. Until then it is missing.
        A replica that ended and waits for its restart is missing, too. No replica gives no sample: the trigger then
        wants none.

        The decision averages as the Horizontal Pod Autoscaler does (see "cpu and memory" in the page on decisions):
        missing replicas count as 0 % on the way up and as 100 % on the way down, those that are not ready yet or were
        not for a whole window during their first 300 s as 0 % on the way up.
    Active:
        Never by its value. With cpu and memory alone a workload is always active: it does not go below one replica. At
        zero another trigger must wake it.
    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | no replica could be measured yet | they or the service just started | nothing: it takes two counts 4 s apart |
        | the replicas are still starting | none was ready for a whole window | nothing, or see why the probe fails |
        | NAME has no cpu limit ... | Utilization of what declares none | declare `resources.cpu`, or use AverageValue |
        | the replicas' use cannot be read | the engine does not answer | look at the engine; the count is held |
    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | percent of the container's request | of its limit `resources.cpu`, as Azure has no request |
        | read every 15 s | at every poll |
        | `value` may be 0 or negative | above 0 |
    """

    type = "cpu"
    resource = Resource.CPU
    busy_start = True
