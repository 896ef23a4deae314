"""The built wheel, installed into an empty environment: entry points and packaged files exist only there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaler.testing.polling import eventually
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(project: Path, into: Path) -> Path:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, project, cwd=into)
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with nothing in it but the wheel and its pinned dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(ROOT, folder)
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pins = ROOT / "deploy" / "requirements.txt"
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins, cwd=folder)
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=folder)
    run(python, "-m", "pip", "check", cwd=folder)
    return environment


def test_a_clean_install_of_the_wheel_runs_the_demo(environment: Path, tmp_path: Path) -> None:
    python, scaler = environment / "bin" / "python", environment / "bin" / "scaler"
    assert "redis-streams" in run(scaler, "plugins", cwd=tmp_path)
    assert "peak replicas: 10, now: 0" in run(scaler, "demo", cwd=tmp_path)
    # The page comes with it, whole.
    listing = "from scaler.observability import page_files as p; print(*p.names())"
    page = ROOT / "scaler" / "observability" / "page"
    assert sorted(run(python, "-c", listing, cwd=tmp_path).split()) == sorted(file.name for file in page.iterdir())
    # As the README says it, from the checkout.
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "event-scaler", cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", ".", cwd=ROOT)
    assert "redis-streams" in run(scaler, "plugins", cwd=tmp_path)


def pinned(*names: str) -> str:
    """Return what the lock of our own tests says about some distributions, hashes included."""
    lock = (ROOT / ".ci" / "requirements.txt").read_text()
    blocks = re.findall(r"^([a-z][a-z0-9-]*)==((?:.*\\\n)*.*\n)", lock, re.MULTILINE)
    found = {name: f"{name}=={rest}" for name, rest in blocks if name in names}
    assert found.keys() == set(names)
    return "".join(found.values())


@pytest.fixture
def plugin(environment: Path, tmp_path: Path) -> Iterator[Path]:
    """The example of a plugin, installed from its own wheel beside the scaler, with what its test needs."""
    python = environment / "bin" / "python"
    folder = tmp_path / "plugin"
    shutil.copytree(ROOT / "deploy" / "examples" / "plugin-spool", folder)
    pins = tmp_path / "pins.txt"
    pins.write_text(pinned("pytest", "pytest-asyncio", "iniconfig", "packaging", "pluggy", "pygments"))
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins, cwd=tmp_path)
    wheel = build(folder, tmp_path)
    # A dependency on our own unreleased version would be looked for in an index.
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    (folder / "spool_scaler.py").unlink()  # so that the installed one is tested
    yield folder
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "spool-scaler", cwd=tmp_path)


def test_a_plugin_from_its_own_wheel_is_listed_keeps_its_promises_and_scales(
    environment: Path, plugin: Path, tmp_path: Path
) -> None:
    python, scaler = environment / "bin" / "python", environment / "bin" / "scaler"
    (listed,) = (line for line in run(scaler, "plugins", cwd=tmp_path).splitlines() if line.split()[:1] == ["spool"])
    assert "spool-scaler 1.0.0" in listed
    assert "activationFiles" in run(scaler, "plugins", "spool", cwd=tmp_path)
    assert "worker: 0 to 10 replicas, triggers: jobs (spool)" in run(
        scaler, "validate", plugin / "worker.yaml", cwd=plugin
    )
    (plugin / "trace.jsonl").write_text('{"t": 0, "readings": {"jobs": 12}}\n')
    simulated = run(scaler, "simulate", plugin / "worker.yaml", "--trace", plugin / "trace.jsonl", cwd=plugin)
    assert "activated" in simulated
    assert " passed" in run(python, "-m", "pytest", "-q", "-W", "error", cwd=plugin)
    incoming = tmp_path / "spool" / "incoming"
    incoming.mkdir(parents=True)
    manifest = (plugin / "worker.yaml").read_text().replace("/var/spool/jobs", str(incoming.parent))
    manifest = manifest.replace("cooldownPeriod: 30", "cooldownPeriod: 1")
    command = "        command: [sleep, '1000']\n        resources:"
    manifest = manifest.replace("        resources:", command, 1)
    service = ServiceProcess(tmp_path, manifest, actuator="process", python=python)
    with service.running() as api:
        assert api.workload("worker").current_replicas == 0
        for number in range(12):
            (incoming / str(number)).touch()
        eventually(lambda: api.workload("worker").ready_replicas == 3, what="a replica for every five files")
        for file in incoming.iterdir():
            file.unlink()
        eventually(lambda: api.workload("worker").current_replicas == 0, what="none for an empty folder")
    assert not service.events("plugin_bug")
