"""Replicas as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from scaler.actuators.process.actuator import ProcessActuator
from scaler.actuators.process.processes import MARK
from scaler.model import App, Container, EnvVar, ReplicaState, VolumeMount
from scaler.ports.errors import ReplicaRejected
from scaler.testing.observing import eventually, states, workload


def shell(script: str, *env: EnvVar) -> App:
    container = Container("worker", "", command=("sh", "-c"), args=(script,), env=env)
    return App((container,), termination_grace_period_s=2.0)


def marked(*replicas: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) in replicas:
                found.append(process)
        except psutil.Error:
            continue
    return found


async def test_environment_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_SECRET", "not-for-replicas")
    target = workload(
        shell("echo $GIVEN $CONTAINER_APP_NAME; env >&2; exec sleep 600", EnvVar("GIVEN", SecretStr("x")))
    )
    async with ProcessActuator("owner", tmp_path) as actuator:
        await actuator.apply(target, 1)
        (replica,) = await actuator.observe(target)
        log = tmp_path / "replicas" / replica.id / "output.log"
        await eventually(lambda: asyncio.to_thread(log.read_text), lambda text: "PATH=" in text)
        assert log.read_text().startswith("x worker\n")
        assert "not-for-replicas" not in log.read_text()
        await actuator.remove("worker")
    assert (tmp_path / "logs" / "worker.log").read_text().startswith("x worker\n")


async def test_what_a_replica_started_ends_with_it(tmp_path: Path) -> None:
    target = workload(shell("sleep 600 & sleep 600 & wait"))
    async with ProcessActuator("owner", tmp_path) as actuator:
        await actuator.apply(target, 1)
        (replica,) = await actuator.observe(target)
        await eventually(lambda: asyncio.to_thread(marked, replica.id), lambda found: len(found) == 3)
        await actuator.remove("worker")
        await eventually(lambda: asyncio.to_thread(marked, replica.id), lambda found: found == [])


async def test_a_reused_pid_is_not_taken_for_the_replica(tmp_path: Path) -> None:
    """A record whose process is another one by now: that one is left alone."""
    target = workload(shell("exec sleep 600"))
    async with ProcessActuator("owner", tmp_path) as actuator:
        await actuator.apply(target, 1)
        (replica,) = await actuator.observe(target)
    # A shell that is just becoming another program has no environment to be found by.
    (process,) = await eventually(lambda: asyncio.to_thread(marked, replica.id), lambda found: len(found) == 1)
    process.kill()
    process.wait()
    await asyncio.sleep(0.05)  # the kernel counts start times in hundredths; pids are not reused as fast
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    path = tmp_path / "replicas" / replica.id / "record.json"
    path.write_text(path.read_text().replace(f'"pid": {process.pid}', f'"pid": {stranger.pid}'))
    try:
        async with ProcessActuator("owner", tmp_path) as actuator:
            assert states(await actuator.observe(target)) == [ReplicaState.CRASHED]
            await actuator.remove("worker")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(App((Container("worker", "image"),)), id="no-command"),
        pytest.param(
            App((Container("worker", "", command=("true",), volume_mounts=(VolumeMount("v", "/v"),)),)), id="volume"
        ),
    ],
)
async def test_what_needs_a_container_is_rejected(tmp_path: Path, app: App) -> None:
    async with ProcessActuator("owner", tmp_path) as actuator:
        with pytest.raises(ReplicaRejected):
            await actuator.apply(workload(app), 1)


_SERVICE = """
import asyncio, sys
from pathlib import Path
from scaler.actuators.process.actuator import ProcessActuator
from scaler.model import App, Container
from scaler.testing.observing import eventually, states, workload

async def main():
    worker = Container("worker", "", command=("sh", "-c"), args=("exec sleep 600",))
    app = App((worker,), termination_grace_period_s=2.0)
    async with ProcessActuator("owner", Path(sys.argv[1])) as actuator:
        print("open", flush=True)
        await actuator.apply(workload(app), 8)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("after_s", [0.001, 0.01, 0.02, 0.04, 0.5])
async def test_a_killed_service_loses_nothing_and_starts_nothing_twice(tmp_path: Path, after_s: float) -> None:
    process = subprocess.Popen([sys.executable, "-c", _SERVICE, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout
    assert await asyncio.to_thread(process.stdout.readline) == b"open\n"
    await asyncio.to_thread(_kill_after, process, after_s)
    target = workload(shell("exec sleep 600"))
    async with ProcessActuator("owner", tmp_path) as actuator:
        await actuator.apply(target, 8)
        replicas = await eventually(
            lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * 8
        )
        # A shell that is just becoming another program has no environment to be found by.
        ids = [replica.id for replica in replicas]
        await eventually(lambda: asyncio.to_thread(marked, *ids), lambda found: len(found) == 8)
        folders = {folder.name for folder in (tmp_path / "replicas").iterdir() if (folder / "record.json").exists()}
        assert folders == {replica.id for replica in replicas}
        await actuator.remove("worker")


def _kill_after(process: subprocess.Popen[bytes], after_s: float) -> None:
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
