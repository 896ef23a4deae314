"""An engine on TCP with TLS, as `DOCKER_HOST` and its companions or a docker context name it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from scaler.actuators.docker.client import EngineClient
from scaler.ports.errors import EngineUnavailable
from scaler.testing.polling import eventually
from scaler.testing.servers.docker_tls import TlsDockerServer, write_certificates
from scaler.testing.servers.registry import RegistryServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

APP = """\
name: worker
properties:
  template:
    terminationGracePeriodSeconds: 2
    containers: [{{image: "{image}"}}]
    scale: {{minReplicas: 2, maxReplicas: 2}}
"""


def tls(engine: TlsDockerServer, certificates: Path, **more: str) -> dict[str, str]:
    return {"DOCKER_HOST": engine.tcp, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates), **more}


def test_replicas_come_and_go(engine: TlsDockerServer, tmp_path: Path) -> None:
    """Pulled, started, replaced, ended by `down`, whatever CA the machine's other programs are told to trust."""
    certificates = write_certificates(tmp_path / "certificates", engine.ca)
    env = tls(engine, certificates, REQUESTS_CA_BUNDLE=str(tmp_path / "of-all-programs.pem"))
    with RegistryServer.running() as registry, engine.client() as api:
        name = f"{registry.address}/team/tls"
        api.tag(engine.image, name, "v1")
        api.push(name, tag="v1")
        api.remove_image(f"{name}:v1")
        service = ServiceProcess(tmp_path, APP.format(image=f"{name}:v1"), actuator="auto", env=env)
        with service.running():
            eventually(lambda: service.api.workload("worker").ready_replicas == 2, within_s=60, what="2 replicas")
            api.remove_container(engine.replicas()[0], force=True)
            eventually(
                lambda: service.api.workload("worker").ready_replicas == 2 and len(engine.replicas()) == 2,
                within_s=60,
                what="the replacement",
            )
            assert "worker" in service.command("status").stdout
            assert service.stop() == 0
            assert service.command("down").stdout == "2 replicas stopped\n"
    assert engine.replicas() == []
    assert service.events("actuator_bug", "service_task_failed") == []


def test_a_context_names_an_engine_too(engine: TlsDockerServer, tmp_path: Path) -> None:
    """One that docker's own command made."""
    certificates = write_certificates(tmp_path / "certificates", engine.ca)
    place = f"host={engine.tcp},ca={certificates}/ca.pem,cert={certificates}/cert.pem,key={certificates}/key.pem"
    subprocess.run(["docker", "context", "create", "far", "--docker", place], check=True, capture_output=True)
    subprocess.run(["docker", "context", "use", "far"], check=True, capture_output=True)
    done = ServiceProcess(tmp_path, None, actuator="auto").command("validate", "--compose")
    assert (done.returncode, done.stderr) == (0, "")


async def test_wrong_certificates_are_told_apart(
    engine: TlsDockerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that we do not trust, one that does not trust us, none at all, and half of what is needed."""

    async def refused(env: Mapping[str, str]) -> str:
        with monkeypatch.context() as variables:
            for name, value in env.items():
                variables.setenv(name, value)
            client = EngineClient(None, threads=1, timeout_s=30)
            with contextlib.closing(client), pytest.raises(EngineUnavailable) as caught:
                await client.call(lambda api: api.ping())
        return str(caught.value)

    other = trustme.CA()
    certificates = write_certificates(tmp_path / "untrusted", engine.ca, trusted=other)
    assert "its certificate is not trusted: unable to get local issuer" in await refused(tls(engine, certificates))

    certificates = write_certificates(tmp_path / "strange", other, trusted=engine.ca)
    assert "it does not accept our certificate: " in await refused(tls(engine, certificates))

    (certificates / "cert.pem").unlink()
    told = await refused(tls(engine, certificates))
    assert f"DOCKER_CERT_PATH: the folder {certificates} has not all certificates" in told
    (certificates / "key.pem").unlink()
    assert "it does not accept our certificate: " in await refused(tls(engine, certificates))

    assert "Client sent an HTTP request to an HTTPS server" in await refused({"DOCKER_HOST": engine.tcp})
    assert "there is no docker context 'none'" in await refused({"DOCKER_CONTEXT": "none"})


def test_a_service_with_wrong_certificates_does_not_begin(engine: TlsDockerServer, tmp_path: Path) -> None:
    """What is wrong with files is an error at once, what the engine says a warning where processes do as well."""
    manifest = APP.format(image="none").replace("containers: [{", 'containers: [{command: ["sleep", "1000"], ')
    empty = tmp_path / "empty"
    empty.mkdir()
    service = ServiceProcess(tmp_path, manifest, actuator="docker", env=tls(engine, empty))
    done = service.command("run", str(service.manifest), "--actuator", "docker", "--listen", "127.0.0.1:0")
    assert (done.returncode, "has not all certificates" in done.stderr) == (2, True)
    strange = write_certificates(tmp_path / "strange", trustme.CA(), trusted=engine.ca)
    service = ServiceProcess(tmp_path, manifest, actuator="auto", env=tls(engine, strange))
    with service.running():
        (told,) = service.events("engine_not_reached")
        assert told["named_by"] == "DOCKER_HOST"
        assert "it does not accept our certificate" in told["error"]
        assert [each["kind"] for each in service.events("actuator_chosen")] == ["process"]
