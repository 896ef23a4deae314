"""What scaling makes of a compose service, and what it leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.model import Replica, ReplicaState, Workload
from scaler.ports.actuator import Applied
from scaler.ports.errors import ReplicaRejected, TargetUnavailable
from scaler.testing.discovered_envoy import free_address
from scaler.testing.observing import changes_of, eventually, states
from scaler.testing.servers.compose import WORKER, ComposeProject, Projects, compose_file, started
from scaler.testing.servers.docker import DockerServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


async def reach(actuator: ComposeActuator, target: Workload, count: int) -> tuple[Replica, ...]:
    """Apply a count, as often as it takes while compose is at work."""
    await eventually(lambda: applied(actuator, target, count), lambda done: done is not None)
    return await settled(actuator, target, count)


async def applied(actuator: ComposeActuator, target: Workload, count: int) -> Applied | None:
    try:
        return await actuator.apply(target, count)
    except TargetUnavailable:
        return None


async def refusal(actuator: ComposeActuator, target: Workload, count: int) -> str:
    with pytest.raises(TargetUnavailable) as refused:
        await actuator.apply(target, count)
    return str(refused.value)


async def settled(actuator: ComposeActuator, target: Workload, count: int) -> tuple[Replica, ...]:
    return await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * count)


async def compose(project: ComposeProject, *arguments: str) -> str:
    return await asyncio.to_thread(project.run, *arguments)


@asynccontextmanager
async def asking(actuator: ComposeActuator, target: Workload, count: int) -> AsyncIterator[None]:
    """Ask for a count again and again."""

    async def ask() -> None:
        while True:
            await applied(actuator, target, count)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(ask())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_replica_is_what_compose_would_have_made(projects: Projects, actuator: ComposeActuator) -> None:
    """The same definition, but for what must be each container's own."""
    project = projects("")
    project.write(
        compose_file(
            """\
  other: {<<: *image}
  worker:
    <<: *image
    environment: {MODE: fast}
    command: ["sleep", "1000"]
    working_dir: /tmp
    user: "1000"
    init: true
    stop_grace_period: 7s
    stop_signal: SIGINT
    mem_limit: 64m
    cap_drop: [ALL]
    read_only: true
    restart: unless-stopped
    links: [other:friend]
    ports: ["80"]
    labels: {team: blue}
    networks: {default: {aliases: [crew]}, back: {aliases: [rear]}}
    volumes: ["data:/data:ro", "/scratch"]
    healthcheck: {test: ["CMD", "true"], interval: 1s}""",
            "networks: {back: {}}\nvolumes: {data: {}}",
        )
    )
    await compose(project, "up", "-d")
    await reach(actuator, project.scaled(), 2)
    first, second = (
        project.inspect(id_) for id_ in sorted(project.states("worker"), key=lambda x: project.inspect(x)["Name"])
    )

    own = {"Hostname", "Labels"}
    assert {key: value for key, value in second["Config"].items() if key not in own} == {
        key: value for key, value in first["Config"].items() if key not in own
    }
    assert second["Config"]["Hostname"] == second["Id"][:12]
    number = "com.docker.compose.container-number"
    assert second["Config"]["Labels"] == {**first["Config"]["Labels"], number: "2"}
    assert second["HostConfig"] == first["HostConfig"]
    assert second["Name"] == first["Name"][:-1] + "2"
    for network, endpoint in first["NetworkSettings"]["Networks"].items():
        copied = second["NetworkSettings"]["Networks"][network]
        renamed = {first["Id"][:12]: second["Id"][:12], first["Name"][1:]: second["Name"][1:]}
        assert set(copied["Aliases"]) == {renamed.get(alias, alias) for alias in endpoint["Aliases"]}
        assert copied["Links"] == endpoint["Links"]
    volumes = [{mount["Destination"]: mount["Name"] for mount in each["Mounts"]} for each in (first, second)]
    assert volumes[0]["/data"] == volumes[1]["/data"]
    assert volumes[0]["/scratch"] != volumes[1]["/scratch"]


async def test_only_the_named_service_is_touched(projects: Projects, actuator: ComposeActuator) -> None:
    """Neither other services, nor one-off containers, nor the same service of another project."""
    services = WORKER + "\n  web: {<<: *image}"
    project, twin = projects(services), projects(services)
    for each in (project, twin):
        await compose(each, "up", "-d")
    await compose(project, "run", "-d", "worker")
    ids = set(project.states("worker"))
    others = project.states("web"), twin.states("web"), twin.states("worker")
    (one_off,) = {id_ for id_ in ids if project.inspect(id_)["Config"]["Labels"]["com.docker.compose.oneoff"] == "True"}
    target = project.scaled()
    for count in (3, 0, 2):
        await reach(actuator, target, count)
        assert project.states("worker")[one_off] == "running"
    assert (project.states("web"), twin.states("web"), twin.states("worker")) == others
    assert await actuator.owned() == {}
    await actuator.remove(target.name)
    assert len(project.running("worker")) == 3


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ('container_name: "only-PROJECT"', "container_name"),
        ('ports: ["127.0.0.1:0:81", "127.0.0.1:18471:80"]', "host port 18471"),
        ("networks: {back: {ipv4_address: 10.99.7.7}}", "fixed address in network"),
        ("mac_address: 02:42:ac:11:65:43", "mac_address"),
    ],
)
async def test_what_only_one_container_can_have_allows_one_replica(
    projects: Projects, actuator: ComposeActuator, setting: str, reason: str
) -> None:
    """More are rejected with the reason; one and none work."""
    project = projects("")
    network = "networks: {back: {ipam: {config: [{subnet: 10.99.7.0/24}]}}}"
    text = f"  worker:\n    <<: *image\n    {setting.replace('PROJECT', project.name)}"
    project.write(compose_file(text, network if "ipv4" in setting else ""))
    await compose(project, "up", "-d")
    target = project.scaled()
    before = set(project.states("worker"))
    with pytest.raises(ReplicaRejected, match=reason):
        await actuator.apply(target, 3)
    assert project.states("worker") == dict.fromkeys(before, "running")
    await reach(actuator, target, 0)
    await eventually(
        lambda: asyncio.to_thread(project.states, "worker"), lambda s: s == dict.fromkeys(before, "exited")
    )
    with pytest.raises(ReplicaRejected, match=reason):
        await actuator.apply(target, 2)
    await settled(actuator, target, 1)
    assert set(project.states("worker")) == before


async def test_new_replicas_are_made_from_the_newest_definition(projects: Projects, actuator: ComposeActuator) -> None:
    """After an edit and `up -d`, with replicas and at zero."""
    project, target = await started(projects)

    def modes() -> set[str]:
        found = [project.inspect(id_)["Config"]["Env"] for id_ in project.states("worker")]
        return {variable for env in found for variable in env if variable.startswith("MODE")}

    await reach(actuator, target, 2)
    for mode, count in (("one", 3), ("two", 0), ("three", 2)):
        project.write(compose_file(WORKER.replace("}", f", environment: {{MODE: {mode}}}}}")))
        await compose(project, "up", "-d")
        await reach(actuator, target, count)
        await eventually(lambda: asyncio.to_thread(modes), lambda seen, mode=mode: seen == {f"MODE={mode}"})
        before = project.states("worker")
        assert len(before) == max(count, 1)


async def test_a_service_that_is_stopped_by_hand_stays_stopped(projects: Projects, actuator: ComposeActuator) -> None:
    """`stop` holds it until compose starts it again."""
    project, target = await started(projects)
    await reach(actuator, target, 3)
    await compose(project, "stop")
    await eventually(lambda: refusal(actuator, target, 3), lambda text: "stopped by hand" in text)
    assert (await actuator.apply(target, 0)).stopped == ()
    assert list(project.states("worker").values()) == ["exited"] * 3
    await compose(project, "start")
    await settled(actuator, target, 3)
    await reach(actuator, target, 1)


async def test_nothing_is_started_while_somebody_stops_it(projects: Projects, actuator: ComposeActuator) -> None:
    """As long as compose waits for the ends of what it stops."""
    stubborn = "trap '' TERM; while :; do sleep 0.05; done"
    project, target = await started(
        projects, f'  worker: {{<<: *image, stop_grace_period: 600s, command: ["sh", "-c", "{stubborn}"]}}'
    )
    await reach(actuator, target, 2)

    async def refused() -> str:
        try:
            await actuator.apply(target, 2)
        except TargetUnavailable as error:
            return str(error)
        return ""  # compose has not begun

    stopping = asyncio.create_task(compose(project, "stop"))
    await eventually(refused, lambda text: "are being stopped by somebody else" in text)
    await compose(project, "kill")
    await stopping
    await eventually(lambda: refusal(actuator, target, 2), lambda text: "stopped by hand" in text)
    assert list(project.states("worker").values()) == ["exited"] * 2


async def test_one_replica_stopped_by_hand_is_started_again(projects: Projects, actuator: ComposeActuator) -> None:
    _, target = await started(projects)
    first, second = await reach(actuator, target, 2)
    with actuator._client.api() as api:
        await asyncio.to_thread(api.stop, second.id)
    await settled(actuator, target, 1)
    assert {each.id for each in await reach(actuator, target, 2)} == {first.id, second.id}


async def test_down_while_scaling_leaves_nothing_and_up_goes_on(engine: DockerServer, projects: Projects) -> None:
    """What keeps asking for replicas neither hinders `down` nor brings anything back."""
    project, target = await started(projects, WORKER + "\n  web: {<<: *image, stop_grace_period: 1s}")
    # Compose may be slow from one of its steps to the next.
    async with ComposeActuator(base_url=engine.base_url, quiet_s=15.0) as actuator, asking(actuator, target, 5):
        await eventually(lambda: asyncio.to_thread(project.running, "worker"), lambda names: len(names) == 5)
        await compose(project, "down")
        assert project.rows() == []
        await eventually(lambda: refusal(actuator, target, 5), lambda text: "`docker compose up` makes it" in text)
        assert await actuator.observe(target) == ()
        assert project.rows() == []
        await compose(project, "up", "-d")
        await eventually(lambda: asyncio.to_thread(project.running, "worker"), lambda names: len(names) == 5)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("count", [1, 4])
async def test_compose_is_not_hindered_at_its_work(engine: DockerServer, projects: Projects, count: int) -> None:
    """While somebody asks for replicas all the time, it recreates, adds and removes them without an error."""
    project, target = await started(projects)
    # It is at work all the time, however long it takes from one step to the next.
    async with ComposeActuator(base_url=engine.base_url, quiet_s=1000.0) as actuator:
        await reach(actuator, target, count)
        async with asking(actuator, target, count):
            for mode in ("one", "two"):
                project.write(compose_file(WORKER.replace("}", f", environment: {{MODE: {mode}}}}}")))
                await compose(project, "up", "-d", "--scale", "worker=4")
                await compose(project, "up", "-d", "--scale", "worker=1")
    async with ComposeActuator(base_url=engine.base_url, quiet_s=1.0) as actuator, asking(actuator, target, count):
        await eventually(lambda: asyncio.to_thread(project.running, "worker"), lambda names: len(names) == count)
        await eventually(lambda: asyncio.to_thread(project.states, "worker"), lambda seen: len(seen) == count)
    for id_ in project.states("worker"):
        assert "MODE=two" in project.inspect(id_)["Config"]["Env"]


async def test_none_is_made_or_removed_while_somebody_is_at_work(engine: DockerServer, projects: Projects) -> None:
    """What compose has listed is there until it is done, and the names that it is about to take are free."""
    project, target = await started(projects)
    async with ComposeActuator(base_url=engine.base_url, quiet_s=1000.0) as actuator:
        await reach(actuator, target, 1)
        await compose(project, "up", "-d", "--scale", "worker=3")
        await settled(actuator, target, 3)
        made = project.states("worker")
        await reach(actuator, target, 1)
        await eventually(lambda: asyncio.to_thread(project.running, "worker"), lambda names: len(names) == 1)
        assert project.states("worker").keys() == made.keys()
        await reach(actuator, target, 3)  # those that are there
        await eventually(lambda: refusal(actuator, target, 4), lambda text: "somebody else is at work" in text)
        assert project.states("worker").keys() == made.keys()


async def test_none_is_started_that_somebody_at_work_may_be_about_to_remove(
    engine: DockerServer, projects: Projects
) -> None:
    """What was stopped by hand. What we stopped is of use, and the service is not held by the other."""
    project, target = await started(projects)
    async with ComposeActuator(base_url=engine.base_url, quiet_s=1000.0) as actuator:
        first, second = await reach(actuator, target, 2)
        with engine.client() as api:
            await asyncio.to_thread(api.stop, second.id)
        await settled(actuator, target, 1)
        await eventually(lambda: refusal(actuator, target, 2), lambda text: "somebody else is at work" in text)
        assert project.states("worker") == {first.id: "running", second.id: "exited"}
        await reach(actuator, target, 0)
        await reach(actuator, target, 1)
        assert project.states("worker") == {first.id: "running", second.id: "exited"}


async def test_what_was_of_use_to_others_is_removed_when_they_are_done(
    projects: Projects, actuator: ComposeActuator
) -> None:
    """Nobody needs to ask for it: the change is reported."""
    project, target = await started(projects)
    await reach(actuator, target, 1)

    async def follow() -> None:
        async with changes_of(actuator) as changes:
            async for _ in changes:
                await applied(actuator, target, 1)

    following = asyncio.create_task(follow())
    try:
        await compose(project, "up", "-d", "--scale", "worker=3")
        await eventually(lambda: asyncio.to_thread(project.states, "worker"), lambda states: len(states) == 1)
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_compose_takes_copies_for_its_own(projects: Projects, actuator: ComposeActuator) -> None:
    """Asked for as many as there are, it recreates none of them."""
    project = projects("")
    services = f"{WORKER[:-1]}, networks: [front, back], volumes: [/scratch, 'data:/data'], environment: {{A: b}}}}"
    project.write(compose_file(services, "networks: {front: {}, back: {}}\nvolumes: {data: {}}"))
    target = project.scaled()
    await compose(project, "up", "-d")
    await reach(actuator, target, 0)
    await reach(actuator, target, 4)
    before = project.states("worker")
    await compose(project, "up", "-d", "--scale", "worker=4")
    assert project.states("worker") == before
    assert len(before) == 4
    await compose(project, "restart")
    await settled(actuator, target, 4)
    assert project.states("worker") == before


async def test_a_count_given_to_compose_is_mended(projects: Projects, actuator: ComposeActuator) -> None:
    """`up -d --scale` in both directions is a change like any other from outside."""
    project, target = await started(projects)
    await reach(actuator, target, 3)
    for other in (1, 6):
        await compose(project, "up", "-d", "--scale", f"worker={other}")
        assert len(project.running("worker")) == other
        await reach(actuator, target, 3)
        async with asking(actuator, target, 3):
            await eventually(lambda: asyncio.to_thread(project.states, "worker"), lambda seen: len(seen) == 3)


async def test_crashes_are_left_to_the_restart_policy(projects: Projects, actuator: ComposeActuator) -> None:
    """Without one, a replica that ends stays so and counts; the next time from zero it is started again."""
    project, target = await started(projects, '  worker: {<<: *image, command: ["sh", "-c", "sleep 0.5; exit 3"]}')
    crashed = await eventually(
        lambda: actuator.observe(target), lambda seen: states(seen) in ([ReplicaState.CRASHED], [])
    )
    if crashed:
        assert crashed[0].detail == "exit code 3"
    # Ended before anybody looked, it would be just stopped: started once, then it is known to crash.
    await actuator.apply(target, 1)
    (replica,) = await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.CRASHED])
    assert replica.detail == "exit code 3"
    assert (await actuator.apply(target, 1)).started == ()
    assert len((await actuator.apply(target, 2)).started) == 1
    await actuator.apply(target, 0)
    await eventually(
        lambda: asyncio.to_thread(project.states, "worker"), lambda seen: list(seen.values()) == ["exited"]
    )
    await settled(actuator, target, 0)
    assert len((await actuator.apply(target, 1)).started) == 1


async def test_the_health_check_decides_who_is_ready(projects: Projects, actuator: ComposeActuator) -> None:
    project, target = await started(
        projects,
        "  worker:\n    <<: *image\n    stop_grace_period: 1s\n"
        '    healthcheck: {test: ["CMD", "test", "-e", "/www/well"], interval: 0.2s, retries: 2, start_period: 1h}',
    )
    (replica,) = await eventually(
        lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.STARTING]
    )
    await compose(project, "exec", "-T", "worker", "touch", "/www/well")
    await settled(actuator, target, 1)
    await compose(project, "exec", "-T", "worker", "rm", "/www/well")
    await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.NOT_READY])
    await compose(project, "exec", "-T", "worker", "touch", "/www/well")
    await settled(actuator, target, 1)
    await actuator.apply(target, 2)
    seen = await actuator.observe(target)
    assert sorted(states(seen)) == [ReplicaState.READY, ReplicaState.STARTING]
    await actuator.apply(target, 1)
    assert {each.id for each in await settled(actuator, target, 1)} == {replica.id}


async def test_a_half_made_container_is_made_anew(engine: DockerServer, projects: Projects) -> None:
    """One that was not connected to all its networks when an earlier run ended is of no use."""
    project = projects("")
    project.write(compose_file("  worker: {<<: *image, networks: [front, back]}", "networks: {front: {}, back: {}}"))
    target = project.scaled()
    await compose(project, "up", "-d")
    await compose(project, "up", "--no-start", "--scale", "worker=2")
    (half,) = [id_ for id_, state in project.states("worker").items() if state == "created"]
    if len(project.inspect(half)["NetworkSettings"]["Networks"]) == 2:  # compose 1 connects it only when it starts it
        with engine.client() as api:
            api.disconnect_container_from_network(half, f"{project.name}_front")
    async with ComposeActuator(base_url=engine.base_url, settle_s=0.0) as actuator:
        await actuator.apply(target, 2)
        replicas = await settled(actuator, target, 2)
        assert half not in project.states("worker")
        for each in replicas:
            assert len(project.inspect(each.id)["NetworkSettings"]["Networks"]) == 2


async def test_an_image_whose_tag_moved_is_not_mixed_in(
    engine: DockerServer, projects: Projects, actuator: ComposeActuator
) -> None:
    """Replicas of one definition are of one image; the new one comes with `up -d`."""
    engine.busybox_image("scaler-test-moving:1", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    project, target = await started(projects, "  worker: {image: scaler-test-moving:1, stop_grace_period: 1s}")
    engine.busybox_image("scaler-test-moving:1", "trap 'exit 0' TERM; while :; do sleep 0.06; done")
    await reach(actuator, target, 2)
    assert len({project.inspect(id_)["Image"] for id_ in project.states("worker")}) == 1
    await compose(project, "up", "-d", "--scale", "worker=2")
    await reach(actuator, target, 3)
    images = {project.inspect(id_)["Image"] for id_ in project.states("worker")}
    with engine.client() as api:
        assert images == {api.inspect_image("scaler-test-moving:1")["Id"]}


async def test_the_engine_restarts(engine: DockerServer, projects: Projects, actuator: ComposeActuator) -> None:
    """Docker starts what has `restart: always` although it was stopped; the next step stops it again."""
    project = projects(
        "\n".join(
            f"  {name}: {{<<: *image, stop_grace_period: 1s, restart: {policy}}}"
            for name, policy in (("always", "always"), ("unless", "unless-stopped"), ("never", '"no"'))
        )
    )
    names = ("always", "unless", "never")
    targets = [project.scaled(name) for name in names]
    await compose(project, "up", "-d")
    for target, count in zip(targets, (0, 0, 2), strict=True):
        await reach(actuator, target, count)
    await asyncio.to_thread(engine.stop)
    await asyncio.to_thread(engine.start)
    await eventually(lambda: asyncio.to_thread(project.running, "always"), lambda running: len(running) == 1)
    assert project.running("unless") == project.running("never") == set()
    for target, count in zip(targets, (0, 0, 2), strict=True):
        await reach(actuator, target, count)
    assert [len(project.states(name)) for name in names] == [1, 1, 2]


async def test_up_starts_what_is_at_zero_and_it_is_stopped_again(projects: Projects, actuator: ComposeActuator) -> None:
    """The container is the same before and after: nothing is recreated."""
    project, target = await started(projects)
    before = set(project.states("worker"))
    await reach(actuator, target, 0)
    await compose(project, "up", "-d")
    await settled(actuator, target, 1)
    await reach(actuator, target, 0)
    assert project.states("worker") == dict.fromkeys(before, "exited")


async def test_a_range_of_host_ports_is_shared_out(projects: Projects, actuator: ComposeActuator) -> None:
    """As many replicas as there are ports; one more fails with the engine's reason, and leaves nothing."""
    project, target = await started(
        projects, WORKER.replace("}", f', ports: ["{free_address().host}:18480-18482:80"]}}')
    )
    await reach(actuator, target, 3)
    with pytest.raises(ReplicaRejected, match="port"):
        await actuator.apply(target, 4)
    assert len(project.states("worker")) == 3


async def test_paused_replicas_are_not_ready(projects: Projects, actuator: ComposeActuator) -> None:
    project, target = await started(projects)
    await reach(actuator, target, 2)
    await compose(project, "pause")
    await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.NOT_READY] * 2)
    assert await actuator.apply(target, 2) == Applied()
    await compose(project, "unpause")
    await settled(actuator, target, 2)


async def test_a_signal_that_ends_nothing_is_no_stop(projects: Projects, actuator: ComposeActuator) -> None:
    """Scaling goes on at once after a HUP, as log rotation sends it."""
    project, target = await started(projects)
    await reach(actuator, target, 1)
    await compose(project, "kill", "-s", "HUP")
    assert len((await actuator.apply(target, 3)).started) == 2
    await settled(actuator, target, 3)


async def test_what_replicas_use_is_told_with_the_limits_of_the_compose_file(
    projects: Projects, actuator: ComposeActuator
) -> None:
    _, target = await started(projects, "  worker: {<<: *image, mem_limit: 64m, cpus: 0.5}")
    replicas = await reach(actuator, target, 2)
    counts = await eventually(lambda: actuator.usage(target), lambda seen: len(seen) == 2)
    assert {count.id for count in counts} == {replica.id for replica in replicas}
    assert {(count.cpu_limit, count.memory_limit) for count in counts} == {(0.5, 64 << 20)}
    assert all(count.memory_bytes > 0 for count in counts)
    await reach(actuator, target, 0)
    assert await actuator.usage(target) == ()


async def test_labels_are_the_same_whatever_replicas_come_and_go(projects: Projects, actuator: ComposeActuator) -> None:
    """A service that is not among the labelled ones for a moment would be forgotten, with its cooldown."""
    project = projects("")
    labels = "labels: {scaler.max: '9'}"
    project.write(compose_file(f"  worker: {{<<: *image, stop_grace_period: 0s, {labels}}}\n"))
    await compose(project, "up", "-d")
    target = project.scaled()
    seen = []

    async def look() -> None:
        while True:
            seen.append(await actuator.labelled("scaler."))
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    for count in (6, 1, 6, 1):
        await reach(actuator, target, count)
    assert not looking.done()
    looking.cancel()
    await asyncio.wait([looking])
    assert len(seen) > 10
    assert all(found == seen[0] for found in seen)
    assert [dict(each.labels) for each in seen[0].values()] == [{"scaler.max": "9"}]
