"""The options of the ingress, and the bootstrap for an Envoy that others run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaler.cli import app
from scaler.cli_ingress import parse_listen, parse_settings
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ports.errors import ConfigError


def test_without_options_it_is_what_settings_default_to() -> None:
    assert parse_settings() == IngressSettings()


def test_all_options_are_taken(tmp_path: Path) -> None:
    settings = parse_settings(
        external="0.0.0.0:80",
        tls="[::1]:8443",
        internal=["172.17.0.1:80", "localhost:81"],
        certificates=tmp_path,
        concurrency=2,
        external_envoy=True,
    )
    assert settings == IngressSettings(
        external=Listen("0.0.0.0", 80),  # noqa: S104
        tls=Listen("::1", 8443),
        internal=(Listen("172.17.0.1", 80), Listen("127.0.0.1", 81)),
        certificates=tmp_path,
        concurrency=2,
        external_envoy=True,
    )


@pytest.mark.parametrize("text", ["8480", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "host:80", ":80", "1.2.3.4:x"])
def test_what_is_no_address_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(ConfigError, match="--ingress-tls"):
        parse_listen("--ingress-tls", text)


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="port of its own"):
        parse_settings(external="127.0.0.1:80", internal=["127.0.0.1:80"])
    with pytest.raises(ConfigError, match="--certificates"):
        parse_settings(tls="127.0.0.1:443")
    with pytest.raises(ConfigError, match="no folder"):
        parse_settings(certificates=tmp_path / "nowhere")


def test_the_bootstrap_leads_to_the_sockets_of_the_state_dir_or_where_they_are_seen(tmp_path: Path) -> None:
    def sockets_of(*options: str) -> list[str]:
        result = CliRunner().invoke(app, ["envoy-bootstrap", "--state-dir", str(tmp_path / "s"), *options])
        assert result.exit_code == 0
        clusters = json.loads(result.stdout)["static_resources"]["clusters"]
        (ends,) = zip(
            *(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] for cluster in clusters), strict=True
        )
        return [end["endpoint"]["address"]["pipe"]["path"] for end in ends]

    folder = tmp_path / "s" / "ingress"
    assert sockets_of() == [str(folder / "control.sock"), str(folder / "hold.sock")]
    seen = sockets_of("--socket", "/run/scaler/control.sock")
    assert seen == ["/run/scaler/control.sock", "/run/scaler/hold.sock"]


def test_a_path_that_no_envoy_can_reach_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["envoy-bootstrap", "--state-dir", str(tmp_path / ("deep" * 30))])
    assert result.exit_code == 2
    assert "--socket" in result.stderr
