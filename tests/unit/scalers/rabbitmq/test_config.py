"""The parameters of the RabbitMQ scaler: what is understood, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from scalers.rabbitmq.config import RabbitMQConfig
from scalers.rabbitmq.values import Mode

PASSWORD = "correct:horse"  # noqa: S105 - of no server
ENCODED = "correct%3Ahorse"


def config(**parameters: Any) -> RabbitMQConfig:
    return RabbitMQConfig.model_validate({"host": "http://broker", "queueName": "jobs", **parameters})


def refusal(**parameters: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**parameters)
    return str(caught.value)


@pytest.mark.parametrize(
    ("host", "location", "vhost", "prefix"),
    [
        pytest.param("amqp://broker", "broker:5672", "/", "", id="default port and virtual host"),
        pytest.param("amqps://broker/", "broker:5671", "/", "", id="TLS"),
        pytest.param("amqp://broker:1/orders", "broker:1", "orders", "", id="virtual host"),
        pytest.param("amqp://broker/a/b", "broker:5672", "a/b", "", id="slash in a virtual host"),
        pytest.param("amqp://broker/%2Forders", "broker:5672", "/orders", "", id="encoded slash"),
        pytest.param("amqp://[::1]:1/orders", "[::1]:1", "orders", "", id="IPv6"),
        pytest.param("http://broker", "broker:80", "/", "", id="http"),
        pytest.param("https://broker/mq/orders", "broker:443", "orders", "/mq", id="http below a path"),
        pytest.param("https://broker/mq/%2F", "broker:443", "/", "/mq", id="http below a path, default virtual host"),
    ],
)
def test_where_the_broker_is(host: str, location: str, vhost: str, prefix: str) -> None:
    address = config(host=host).address()
    assert (address.location, address.vhost, address.prefix) == (location, vhost, prefix)


@pytest.mark.parametrize("scheme", ["amqp", "http"])
def test_credentials_are_decoded_and_replaced_by_parameters(scheme: str) -> None:
    host = f"{scheme}://us%40er:{ENCODED}@broker"
    address = config(host=host).address()
    assert (address.username, address.password.get_secret_value()) == ("us@er", PASSWORD)
    address = config(host=host, username="other", password="word").address()  # noqa: S106 - of no server
    assert (address.username, address.password.get_secret_value()) == ("other", "word")


@pytest.mark.parametrize(
    ("parameters", "mode", "target"),
    [
        pytest.param({}, Mode.QUEUE_LENGTH, 20, id="defaults"),
        pytest.param({"queueLength": "7"}, Mode.QUEUE_LENGTH, 7, id="deprecated"),
        pytest.param({"queueLength": "0"}, Mode.QUEUE_LENGTH, 20, id="deprecated and zero"),
        pytest.param({"mode": "MessageRate", "value": "1.5"}, Mode.MESSAGE_RATE, 1.5, id="mode and value"),
    ],
)
def test_mode_and_target(parameters: dict[str, Any], mode: Mode, target: float) -> None:
    found = config(**parameters)
    assert (found.measured_mode, found.target()) == (mode, target)


def test_timeout_is_in_milliseconds() -> None:
    assert config(timeout="1500").read_timeout_s() == 1.5
    assert config().read_timeout_s() is None


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        pytest.param({"host": "broker:5672"}, "begins with amqp://", id="no scheme"),
        pytest.param({"host": "http://"}, "name of a server", id="no server"),
        pytest.param({"host": "amqp://broker:x"}, "number as its port", id="port"),
        pytest.param({"host": "amqp://broker?heartbeat=5"}, "without ?", id="query"),
        pytest.param({"protocol": "amqp"}, "one of amqp", id="protocol against scheme"),
        pytest.param({"mode": "MessageRate"}, "both mode and value", id="mode alone"),
        pytest.param({"value": "5"}, "both mode and value", id="value alone"),
        pytest.param({"mode": "QueueLength", "value": "5", "queueLength": "5"}, "not both", id="both ways"),
        pytest.param({"value": "0", "mode": "QueueLength"}, "above 0", id="value of zero"),
        pytest.param({"queueLength": "-1"}, "above 0", id="negative length"),
        pytest.param({"username": "user"}, "both username and password", id="user alone"),
        pytest.param({"queueName": "x" * 256}, "255 bytes", id="long name"),
        pytest.param({"tls": "enable"}, "without TLS", id="TLS without its scheme"),
        pytest.param({"ca": "PEM"}, "without TLS", id="certificates without TLS"),
        pytest.param({"host": "https://broker", "ca": "no PEM"}, "PEM", id="no certificate"),
        pytest.param({"host": "amqp://b", "useRegex": "true"}, "amqp does not know useRegex", id="regex"),
        pytest.param({"host": "amqp://b", "timeout": "5"}, "amqp does not know timeout", id="timeout"),
        pytest.param(
            {"host": "amqp://b", "mode": "MessageRate", "value": "5"}, "not know the mode MessageRate", id="rate"
        ),
        pytest.param({"workloadIdentityResource": "r"}, "exists only in Azure", id="workload identity"),
        pytest.param({"clientID": "c"}, "OAuth is not supported yet; use username", id="OAuth"),
        pytest.param({"pageSize": "0"}, "above 0", id="page size"),
        pytest.param({"pageSize": "501"}, "at most 500", id="page too large"),
        pytest.param({"operation": "min"}, "'sum', 'avg' or 'max'", id="operation"),
    ],
)
def test_what_is_refused_and_why(parameters: dict[str, Any], reason: str) -> None:
    assert reason in refusal(**parameters)


@pytest.mark.parametrize(
    "host",
    [
        "amqp://user:horse#1@broker",
        "amqp://user:horse/1@broker",
        "amqp://user:horse?1@broker:5672",
        "amqp://user:horse[@broker",
        "horse://user@broker",
    ],
)
def test_a_refused_url_shows_nothing_of_itself(host: str) -> None:
    assert "horse" not in refusal(host=host)


def test_a_long_pattern_is_no_name() -> None:
    assert config(queueName="a|" * 200, useRegex="true").use_regex


def test_tls_is_that_of_the_url_with_or_without_the_parameter() -> None:
    pem = trustme.CA().cert_pem.bytes().decode()
    for parameters in ({"ca": pem}, {"ca": pem, "tls": "enable"}):
        found = config(host="amqps://broker", **parameters)
        tls = found.tls_for(found.address())
        assert tls is not None
        assert tls.ca == pem.strip()
    assert config().tls_for(config().address()) is None


@pytest.mark.parametrize(
    ("parameters", "counted"),
    [
        pytest.param({}, True, id="the management API's length"),
        pytest.param({"host": "amqp://broker"}, False, id="amqp counts what is ready"),
        pytest.param({"excludeUnacknowledged": "true"}, False, id="left out"),
        pytest.param({"mode": "MessageRate", "value": "5"}, False, id="a rate counts nothing"),
    ],
)
def test_unacknowledged_messages_are_in_progress(parameters: dict[str, str], *, counted: bool) -> None:
    assert config(**parameters).counts_in_progress() is counted


def test_of_a_host_that_is_not_known_nothing_is_counted() -> None:
    assert not RabbitMQConfig.model_construct(queue_name="jobs").counts_in_progress()
