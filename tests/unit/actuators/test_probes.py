"""HTTP probes against a real server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from scaler.actuators.probes import Health, Prober, aimed
from scaler.model import Endpoint, HttpGet, Probe, ProbeKind, TcpSocket
from scaler.testing import virtual_time


class Site:
    """Answers with `status`, and keeps the headers it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.port = 0
        self.asked = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.headers = dict(request.headers)
        self.asked.set()
        return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:1/"})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site, application = Site(), web.Application()
    application.router.add_get("/health", site.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    prober = Prober()
    yield prober
    await prober.close()


def probe(site: Site, kind: ProbeKind, **settings: float) -> Probe:
    check = HttpGet(site.port, "/health", headers=(("X-Probe", "yes"),))
    return Probe(kind, check, **{"period_s": 0.02, "timeout_s": 5.0, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "ready"), [(200, True), (302, True), (399, True), (400, False), (503, False)])
async def test_statuses_from_200_to_399_pass(site: Site, prober: Prober, status: int, *, ready: bool) -> None:
    site.status = status
    reported: asyncio.Queue[Health] = asyncio.Queue()
    watching = asyncio.create_task(prober.watch([probe(site, ProbeKind.READINESS)], None, 0.0, reported.put_nowait))
    assert (await reported.get()).ready is ready
    assert site.headers["X-Probe"] == "yes"
    watching.cancel()
    await asyncio.wait([watching])


async def test_liveness_counts_failures_in_a_row_and_says_why(site: Site, prober: Prober) -> None:
    site.status = 500
    unhealthy = await prober.watch(
        [probe(site, ProbeKind.LIVENESS, termination_grace_period_s=3.0)], None, 0.0, lambda _: None
    )
    assert unhealthy.reason == "liveness probe failed: HTTP status 500"
    assert unhealthy.grace_s == 3.0


async def test_startup_gates_liveness(site: Site, prober: Prober) -> None:
    site.status = 500
    reported: list[Health] = []

    def report(health: Health) -> None:
        reported.append(health)
        if health.started:
            site.status = 503

    probes = [probe(site, ProbeKind.STARTUP, failure_threshold=1_000_000), probe(site, ProbeKind.LIVENESS)]
    watching = asyncio.create_task(prober.watch(probes, None, 0.0, report))
    await site.asked.wait()
    assert reported == [Health()]
    site.status = 200
    assert (await watching).reason == "liveness probe failed: HTTP status 503"
    assert reported[-1] == Health(started=True, ready=True)


def test_probes_of_the_target_port_are_aimed_at_the_replicas_own() -> None:
    probes = [
        Probe(ProbeKind.STARTUP, HttpGet(8080, "/")),
        Probe(ProbeKind.READINESS, TcpSocket(8080, host="localhost")),
        Probe(ProbeKind.LIVENESS, TcpSocket(9090)),
    ]
    assert [each.check.port for each in aimed(probes, 8080, 61_000)] == [61_000, 61_000, 9090]
    assert aimed(probes, 8080, 8080) == tuple(probes)
    elsewhere = Probe(ProbeKind.READINESS, TcpSocket(8080, host="db.example"))
    assert aimed([elsewhere], 8080, 61_000) == (elsewhere,)


def test_a_readiness_probe_of_the_port_is_asked_as_soon_as_it_accepts() -> None:
    """Not a period after the try that came too early; until then the replica is starting."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        reported: list[tuple[float, Health]] = []

        async def connect(endpoint: Endpoint, timeout_s: float) -> str:
            del endpoint, timeout_s
            return "" if loop.time() >= 0.5 else "refused"

        class OpenProber(Prober):
            """Its HTTP always answers."""

            async def _check(self, probe: Probe, host: str) -> str:
                del probe, host
                return ""

        prober = OpenProber(connect)
        watching = asyncio.create_task(
            prober.watch(
                [Probe(ProbeKind.READINESS, HttpGet(8080), period_s=240)],
                "192.0.2.1",
                0.0,
                lambda health: reported.append((loop.time(), health)),
                8080,
            )
        )
        await asyncio.sleep(1)
        watching.cancel()
        await asyncio.wait([watching])
        assert reported[0] == (0.0, Health(detail="refused"))
        at, health = reported[-1]
        assert health == Health(started=True, ready=True)
        assert 0.5 <= at < 0.55

    virtual_time.run(main())
