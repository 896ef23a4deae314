"""What a replica is told by its environment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from scaler.actuators.runtime import blueprint
from scaler.model import App, Container, EnvVar, Ingress
from scaler.ports.errors import ReplicaRejected


def app(*variables: tuple[str, str]) -> App:
    env = tuple(EnvVar(name, SecretStr(value)) for name, value in variables)
    return App((Container("worker", "image", env=env),), revision_suffix="v1")


def test_the_variables_of_azure_container_apps_are_injected() -> None:
    assert blueprint("api--v1-x", "api", app(), dns_suffix="example.internal").environment == {
        "CONTAINER_APP_NAME": "api",
        "CONTAINER_APP_REVISION": "api--v1",
        "CONTAINER_APP_HOSTNAME": "api--v1.example.internal",
        "CONTAINER_APP_ENV_DNS_SUFFIX": "example.internal",
        "CONTAINER_APP_REPLICA_NAME": "api--v1-x",
    }


def test_the_manifest_wins_and_of_equal_names_the_last() -> None:
    variables = (("A", "1"), ("A", "2"), ("CONTAINER_APP_NAME", "mine"))
    environment = blueprint("r", "api", app(*variables), dns_suffix="d").environment
    assert (environment["A"], environment["CONTAINER_APP_NAME"]) == ("2", "mine")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param((), ("61000", "61000"), id="injected"),
        pytest.param((("PORT", "9000"),), ("9000", "61000"), id="the-manifest-wins"),
        pytest.param((("PORT", "8080"),), ("61000", "61000"), id="the-target-port-means-the-replicas-own"),
    ],
)
def test_a_replica_is_told_its_port(variables: tuple[tuple[str, str], ...], expected: tuple[str, str]) -> None:
    served = replace(app(*variables), ingress=Ingress(8080))
    environment = blueprint("r", "api", served, dns_suffix="d").environment_at(61_000)
    assert (environment["PORT"], environment["CONTAINER_APP_PORT"]) == expected


def test_without_ingress_there_is_no_port() -> None:
    plan = blueprint("r", "api", app(), dns_suffix="d")
    assert plan.environment_at(plan.target_port) == plan.environment


def test_no_secret_is_in_its_repr() -> None:
    assert "hunter2" not in repr(blueprint("r", "api", app(("PASSWORD", "hunter2")), dns_suffix="d"))


def test_several_containers_are_rejected() -> None:
    container = Container("a", "image")
    with pytest.raises(ReplicaRejected, match="not supported yet"):
        blueprint("r", "api", App((container, container)), dns_suffix="d")


def test_a_revision_is_digested_once() -> None:
    """Every tick asks for it."""
    app = App((Container("main", "image"),))
    assert app.revision is app.revision
    assert replace(app, termination_grace_period_s=1.0).revision != app.revision
    assert App((Container("main", "image"),)).revision == app.revision
