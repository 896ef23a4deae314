"""What a copy of a service's container keeps, and what is each container's own."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.actuators.compose.containers import container_of
from scaler.actuators.compose.replication import Copy, copy_of, why_single

ID = "4f5d" * 16
ANONYMOUS = "ab" * 32


def inspected(name: str = "shop-worker-1", **changes: Any) -> dict[str, Any]:
    """Return an inspection; `host`, `config` and `networks` replace parts of it."""
    return {
        "Id": ID,
        "Name": f"/{name}",
        "Created": "2024-05-01T10:00:00.123456789Z",
        "Image": "sha256:1",
        "State": {
            "Status": "running",
            "Running": True,
            "StartedAt": "2024-05-01T10:00:01.123456789Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        },
        "Config": {
            "Hostname": ID[:12],
            "Image": "worker:1",
            "Env": ["PASSWORD=hush-hush"],
            "ExposedPorts": {"80/tcp": {}},
            "Labels": {
                "com.docker.compose.project": "shop",
                "com.docker.compose.service": "worker",
                "com.docker.compose.container-number": "1",
                "com.docker.compose.config-hash": "h1",
                "com.docker.compose.replace": "worker-1",
            },
            **changes.get("config", {}),
        },
        "HostConfig": {"NetworkMode": "shop_default", **changes.get("host", {})},
        "NetworkSettings": {
            "Networks": changes.get("networks", {"shop_default": {"Aliases": [name, "worker", ID[:12]]}}),
        },
    }


def copied(name: str = "shop-worker-1", **changes: Any) -> Copy:
    return copy_of(container_of(inspected(name, **changes)), 5, "worker:1")


def test_a_copy_has_a_name_and_a_number_of_its_own() -> None:
    copy = copied()
    assert copy.name == "shop-worker-5"
    labels = copy.body["Labels"]
    assert labels["com.docker.compose.container-number"] == "5"
    assert labels["com.docker.compose.config-hash"] == "h1"
    assert "com.docker.compose.replace" not in labels
    assert "Hostname" not in copy.body
    assert copy.body["NetworkingConfig"] == {
        "EndpointsConfig": {"shop_default": {"Aliases": ["shop-worker-5", "worker"]}}
    }
    assert copy.networks == {}


@pytest.mark.parametrize("name", ["shop_worker_1", "0123456789ab_shop_worker_1"])
def test_names_are_made_as_the_project_makes_them(name: str) -> None:
    """The second one is how compose calls a container that it is about to replace."""
    assert copied(name).name == "shop_worker_5"


def test_a_host_name_that_somebody_chose_stays() -> None:
    assert copied(config={"Hostname": "chosen"}).body["Hostname"] == "chosen"


def test_further_networks_are_joined_before_the_start() -> None:
    networks = {"shop_default": {}, "shop_back": {"Aliases": ["rear", ID[:12]], "Links": ["a:b"], "IPAMConfig": {}}}
    assert copied(networks=networks).networks == {"shop_back": {"Aliases": ["rear"], "Links": ["a:b"]}}


def test_anonymous_volumes_are_made_anew_and_named_ones_shared() -> None:
    host = {
        "Binds": ["shop_data:/data:ro", f"{ANONYMOUS}:/scratch:rw", "/srv:/srv"],
        "Mounts": [
            {"Type": "volume", "Source": ANONYMOUS, "Target": "/cache"},
            {"Type": "volume", "Source": "shop_other", "Target": "/other"},
        ],
    }
    body = copied(host=host).body
    assert body["Volumes"] == {"/scratch": {}}
    assert body["HostConfig"]["Binds"] == ["shop_data:/data:ro", "/srv:/srv"]
    assert body["HostConfig"]["Mounts"] == [{"Type": "volume", "Target": "/cache"}, host["Mounts"][1]]


def test_links_are_asked_for_as_they_were() -> None:
    host = {"Links": ["/shop_cache_1:/shop_worker_1/cache"]}
    assert copied(host=host).body["HostConfig"]["Links"] == ["shop_cache_1:cache"]


@pytest.mark.parametrize(
    ("mode", "absent"), [("host", ["Hostname"]), (f"container:{ID}", ["Hostname", "ExposedPorts"])]
)
def test_a_borrowed_network_leaves_nothing_to_set(mode: str, absent: list[str]) -> None:
    copy = copied(host={"NetworkMode": mode}, networks={"host": {}} if mode == "host" else {}, config={"Hostname": "x"})
    assert [key for key in absent if key in copy.body] == []
    assert copy.networks == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"name": "fixed"}, "container_name fixed"),
        ({"host": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}}, "the fixed host port 8080"),
        ({"host": {"PortBindings": {"80/tcp": [{"HostPort": "8080-8089"}], "81/tcp": [{"HostPort": ""}]}}}, ""),
        ({"host": {"PortBindings": {"80/tcp": [{"HostPort": "0"}], "81/tcp": None}}}, ""),
        ({"networks": {"back": {"IPAMConfig": {"IPv4Address": "10.0.0.9"}}}}, "a fixed address in network back"),
        ({"networks": {"back": {"IPAMConfig": {}}}}, ""),
        ({"config": {"MacAddress": "02:42:ac:11:65:43"}}, "a fixed mac_address"),
    ],
)
def test_what_can_be_had_once_is_a_reason(changes: dict[str, Any], reason: str) -> None:
    found = why_single(container_of(inspected(**changes)))
    assert found.startswith(reason) if reason else not found


def test_the_environment_is_in_no_text() -> None:
    container = container_of(inspected())
    assert "hush-hush" not in repr(container)
    assert "hush-hush" not in repr(copy_of(container, 2, "worker:1"))
