"""What one app's front tells those who wait, without a proxy."""

from __future__ import annotations

import asyncio

from scaler.ingress.front import Front
from scaler.ingress.proxies import Proxies
from scaler.ingress.settings import IngressSettings
from scaler.ingress.traffic import AppTraffic
from scaler.ingress.waiting_room import Refused
from scaler.ingress.xds.discovery import Discovery
from scaler.model import App, Container, Ingress, Replica, ReplicaState, ScalingPolicy, Workload
from scaler.ports.recorder import Recorder
from scaler.testing import virtual_time

APP = Workload("app", App((Container("main", "image"),), ingress=Ingress(8080)), (), ScalingPolicy())


def test_clients_are_told_how_a_replica_ends_but_not_in_the_engines_words() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        proxies = Proxies({}, lambda _: None, lost=lambda _: None)
        front = Front(
            APP,
            discovery=Discovery(IngressSettings()),
            traffic=AppTraffic(proxies, loop.time),
            recorder=Recorder(),
            watched=lambda: None,
        )
        detail = 'exit code 127: OCI runtime create failed: exec: "/srv/private/run": no such file'
        front.serve([Replica("1", "app-1", "app", "r1", ReplicaState.CRASHED, restarts=1, detail=detail)])
        refused = await front.room.wait()
        assert isinstance(refused, Refused)
        assert refused.reason == "its replica does not stay up: exit code 127"

    virtual_time.run(main())
