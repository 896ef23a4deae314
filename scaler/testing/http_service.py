"""The service with an ingress as its users run it, and the apps of `scaler.testing.http_app` behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from scaler.testing import http_app
from scaler.testing.http_client import BY_HTTP, BY_RPC, Kind, Target
from scaler.testing.polling import eventually
from scaler.testing.servers.process import free_port
from scaler.testing.service_process import ServiceProcess

# Up at once and down again as soon as can be: the least that settings allow.
QUICK: Mapping[str, object] = {"minReplicas": 0, "maxReplicas": 5, "pollingInterval": 0.1, "cooldownPeriod": 0.3}


def rule(**metadata: str) -> dict[str, object]:
    """Return a scale rule by requests in flight, over the shortest window there is unless told otherwise."""
    return {"name": "requests", "custom": {"type": "http", "metadata": {"window": "6", **metadata}}}


class HttpService(ServiceProcess):
    """A service whose apps are reached at a port of its own.

    Apps that run as local processes write their requests to one log, where requests that came twice can be seen.
    """

    def __init__(
        self, folder: Path, manifests: Sequence[str], *, actuator: str = "process", env: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, "\n---\n".join(manifests), actuator=actuator, env=env, ingress_port=free_port())

    @staticmethod
    def log_of_requests(folder: Path) -> dict[str, str]:
        """Return the variables that make an app write the log of a service in this folder."""
        return {"REQUEST_LOG": str(folder / "requests")}

    def target(self, app: str, *, kinds: Mapping[Kind, float] = BY_HTTP) -> Target:
        """Return where an app is sent requests."""
        assert self.ingress_port is not None
        return Target(self.ingress_port, f"{app}.localhost", kinds=kinds)

    def rpc_target(self, app: str) -> Target:
        """Return where an app is sent gRPC."""
        return self.target(app, kinds=BY_RPC)

    def replicas(self, app: str) -> int:
        """Return how many replicas exist."""
        return len(self.api.workload(app).replicas)

    def ready(self, app: str) -> int:
        """Return how many replicas serve."""
        return self.api.workload(app).ready_replicas

    def wait_for_zero(self, app: str, *, within_s: float = 60.0) -> None:
        """Wait until it has no replica.

        Raises:
            AssertionError: It still has one after that long.
        """
        eventually(lambda: self.replicas(app) == 0, within_s=within_s, what=f"{app} at zero")

    def wait_for_ready(self, app: str, count: int, *, within_s: float = 60.0) -> None:
        """Wait until that many or more replicas serve.

        Raises:
            AssertionError: There are fewer after that long.
        """
        eventually(lambda: self.ready(app) >= count, within_s=within_s, what=f"{count} replicas of {app}")

    def envoy(self) -> psutil.Process | None:
        """Return the embedded Envoy, which works in the state dir; None while there is none."""
        for process in psutil.process_iter(["name", "cwd", "status"]):
            found = process.info
            if found["name"] != "envoy" or not found["cwd"] or found["status"] == psutil.STATUS_ZOMBIE:
                continue
            if Path(found["cwd"]).is_relative_to(self.state_dir.resolve()):
                return process
        return None

    def processes(self, app: str) -> list[psutil.Process]:
        """Return an app's replicas that are local processes."""
        names = {replica.name for replica in self.api.workload(app).replicas}
        return [
            process
            for process in psutil.process_iter(["environ"])
            if (process.info["environ"] or {}).get("CONTAINER_APP_REPLICA_NAME") in names
        ]

    def repeated(self) -> list[str]:
        """Return the numbers of the requests that reached replicas more than once."""
        lines = (self.manifest.parent / "requests").read_text().splitlines()
        numbers = Counter(line.split()[-1] for line in lines if " /" in line)
        return [number for number, times in numbers.items() if times > 1 and number != "-"]


def quick_app(name: str, folder: Path | None = None, *, image: str | None = None, rpc: bool = False) -> str:
    """Return the manifest of an app that scales up and down as fast as can be, one replica for two requests.

    Args:
        name: The app's.
        folder: The service's, for the log of requests; None writes none.
        image: Run containers of it.
        rpc: It speaks gRPC, and nothing else.
    """
    return http_app.manifest(
        name,
        image=image,
        script=http_app.RPC if rpc else http_app.PLAIN,
        environment=HttpService.log_of_requests(folder) if folder else None,
        ingress={"transport": "http2"} if rpc else None,
        scale={**QUICK, "rules": [rule(concurrentRequests="2")]},
    )
