"""Scalers found by entry points: the project's own, a third party's, and broken ones, which harm nobody else."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from scaler.engine.plugins import Parameter, Plugin, discover, installed, parameters
from scaler.ports.errors import PluginBroken
from scalers.redis.lists import RedisListScaler
from scalers.redis.streams import RedisStreamsScaler

GOOD = """
    from contextlib import asynccontextmanager
    from scaler.model import Reading
    from scaler.ports.scaler import Scaler, ScalerConfig

    class Config(ScalerConfig):
        queue: str
        def target(self): return 1
        def activation(self): return 0

    class Good(Scaler[Config]):
        '''Items in a queue.

        More about it.
        '''
        type = "good"
        Config = Config
        @classmethod
        @asynccontextmanager
        async def open(cls, config, connections):
            yield cls()
        async def read(self):
            return Reading(value=0.0)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, into which `install` puts distributions."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, module: str, code: str, entry: str, *, distribution: str = "") -> None:
    (site / f"{module}.py").write_text(dedent(code))
    name = distribution or module.replace("_", "-")
    info = site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[scaler.scalers]\n{entry}\n")


def found(type_: str) -> Plugin:
    return next(plugin for plugin in installed() if plugin.type == type_)


def test_the_project_s_own_scalers_are_found() -> None:
    assert discover()["redis"] is RedisListScaler
    assert discover()["redis-streams"] is RedisStreamsScaler
    redis = found("redis")
    assert redis.distribution == "event-scaler"
    assert redis.version
    assert redis.summary == "Items in a Redis list, set, sorted set or hash."


def test_a_scaler_is_imported_when_it_is_asked_for(site: Path) -> None:
    install(site, "lazy_plugin", GOOD, "good = lazy_plugin:Good")
    scalers = discover()
    assert "good" in scalers
    assert {"good", "redis"} <= set(scalers)
    assert "lazy_plugin" not in sys.modules
    assert scalers["good"] is sys.modules["lazy_plugin"].Good


def test_every_entry_point_is_named_as_its_scaler_s_type() -> None:
    assert all(not isinstance(cls, PluginBroken) and cls.type == type_ for type_, cls in discover().items())


def test_a_third_party_s_scaler_is_found_with_its_origin(site: Path) -> None:
    install(site, "good_plugin", GOOD, "good = good_plugin:Good")
    plugin = found("good")
    assert (plugin.distribution, plugin.version, plugin.summary) == ("good-plugin", "1.2", "Items in a queue.")
    assert not isinstance(plugin.found, PluginBroken)
    assert plugin.found.type == "good"


@pytest.mark.parametrize(
    ("module", "code", "cause"),
    [
        pytest.param("raises", "raise RuntimeError('no such library')", "RuntimeError: no such library", id="raises"),
        pytest.param("exits", "raise SystemExit(3)", "cannot be imported: SystemExit: 3", id="exits"),
        pytest.param("lacks", "import surely_not_there", "No module named", id="lacks a library"),
        pytest.param("empty", "", "has no attribute 'Good'", id="empty"),
        pytest.param("no_class", "Good = 1", "is not a subclass of", id="no class"),
        pytest.param("foreign", "class Good: type = 'good'", "is not a subclass of", id="foreign class"),
        pytest.param("no_read", GOOD.replace("def read", "def reed"), "does not implement read", id="no read"),
        pytest.param("name", GOOD.replace('"good"', '"gut"'), "has type 'gut', but its entry point", id="other type"),
        pytest.param("untyped", GOOD.replace('type = "good"', ""), "has type None", id="no type"),
        pytest.param("no_config", GOOD.replace("Config = Config", ""), "has no Config that is", id="no config"),
        pytest.param(
            "alien",
            GOOD.replace("class Config(ScalerConfig)", "import pydantic\n    class Config(pydantic.BaseModel)"),
            "has no Config that is",
            id="config of another kind",
        ),
        pytest.param("no_target", GOOD.replace("def target", "def goal"), "does not implement target", id="no target"),
        pytest.param(
            "lax",
            GOOD.replace("queue: str", "model_config = {'extra': 'ignore'}"),
            "accepts unknown parameters",
            id="lax config",
        ),
        pytest.param(
            "leaky",
            GOOD.replace("queue: str", "model_config = {'hide_input_in_errors': False}"),
            "shows what was given",
            id="leaky config",
        ),
        pytest.param(
            "silent", GOOD.replace("Items in a queue.", "").replace("More about it.", ""), "no docstring", id="silent"
        ),
    ],
)
def test_a_broken_plugin_is_named_with_its_cause_and_harms_no_other(
    site: Path, module: str, code: str, cause: str
) -> None:
    install(site, f"broken_{module}", code, f"good = broken_{module}:Good")
    plugins = discover()
    broken = plugins["good"]
    assert isinstance(broken, PluginBroken)
    assert broken.distribution == f"broken-{module.replace('_', '-')}"
    assert cause in broken.cause
    assert found("good").summary.startswith("broken: ")
    assert plugins["redis"] is RedisListScaler


def test_a_type_that_two_packages_provide_is_reported_with_both(site: Path) -> None:
    install(site, "one_plugin", GOOD, "good = one_plugin:Good")
    install(site, "two_plugin", GOOD, "good = two_plugin:Good")
    plugin = found("good")
    assert isinstance(plugin.found, PluginBroken)
    assert plugin.found.distribution == "one-plugin and two-plugin"
    assert "more than one scaler" in plugin.found.cause


def test_a_package_cannot_take_over_a_type_of_our_own(site: Path) -> None:
    install(site, "greedy_plugin", GOOD.replace('"good"', '"redis"'), "redis = greedy_plugin:Good")
    assert discover()["redis"] is RedisListScaler
    greedy = next(plugin for plugin in installed() if plugin.distribution == "greedy-plugin")
    assert "comes with event-scaler" in greedy.summary


def test_parameters_say_default_values_origin_and_need() -> None:
    by_name = {parameter.name: parameter for parameter in parameters(RedisListScaler)}
    assert by_name["listName"].required
    assert by_name["listLength"] == Parameter(
        name="listLength",
        types=("integer", "string"),
        default=5,
        allowed=(),
        sources=("metadata",),
        required=False,
        secret=False,
        description="items that one replica carries",
    )
    assert by_name["tls"].allowed == ("enable", "disable")
    assert by_name["tls"].sources == ("authentication",)
    assert by_name["password"].secret
    assert by_name["password"].default is None
    assert by_name["address"].sources == ("metadata", "environment", "authentication")
    assert "sentinelMaster" not in by_name
