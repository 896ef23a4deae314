"""What a manifest may say, and how it is told what is wrong with it, without its secrets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from scalers.kafka.apache import ApacheKafkaConfig
from scalers.kafka.config import KafkaLagConfig
from scalers.kafka.kafka import KafkaConfig
from scalers.kafka.server import OAuth, Password

NEEDED = {"bootstrapServers": "kafka:9092", "consumerGroup": "workers"}
USER = {"username": "worker", "password": "open-sesame"}
OAUTH = {**USER, "sasl": "oauthbearer", "oauthTokenEndpointUri": "https://login/token"}
BOTH = pytest.mark.parametrize("config", [KafkaConfig, ApacheKafkaConfig])


def refusal(config: type[KafkaLagConfig], **parameters: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config.model_validate({**NEEDED, **parameters})
    assert "open-" not in str(caught.value)
    return str(caught.value)


@BOTH
def test_brokers_are_one_or_several_with_or_without_a_port(config: type[KafkaLagConfig]) -> None:
    parsed = config.model_validate({**NEEDED, "bootstrapServers": "one:9093, two,[::1]:9094"})
    assert parsed.server().bootstrap == (("one", 9093), ("two", 9092), ("::1", 9094))
    assert str(parsed.server()) == "kafka at one:9093,two:9092,[::1]:9094"


@BOTH
@pytest.mark.parametrize("given", ["kafka:0", "kafka:65536", "a:1,,b:1", "http://kafka:1", "open-me@kafka:1", "a b:1"])
def test_an_address_that_is_none_is_refused_without_repeating_it(config: type[KafkaLagConfig], given: str) -> None:
    assert "expected" in refusal(config, bootstrapServers=given)


@BOTH
def test_what_is_not_carried_is_refused_with_the_reason(config: type[KafkaLagConfig]) -> None:
    assert "Kerberos library" in refusal(config, sasl="gssapi")
    assert "its own cloud" in refusal(config, sasl="aws_msk_iam")
    assert "its own cloud" in refusal(config, awsRegion="eu-west-1")
    for name in ("keytab", "realm", "kerberosConfig", "kerberosServiceName", "kerberosDisableFAST"):
        assert "Kerberos library" in refusal(KafkaConfig, **{name: "x"})
    assert "its own cloud" in refusal(KafkaConfig, **OAUTH, saslTokenProvider="aws_msk_iam")


@BOTH
@pytest.mark.parametrize(
    ("sasl", "mechanism"),
    [("plaintext", "PLAIN"), ("scram_sha256 ", "SCRAM-SHA-256"), ("scram_sha512\n", "SCRAM-SHA-512")],
)
def test_a_user_with_a_password(config: type[KafkaLagConfig], sasl: str, mechanism: str) -> None:
    parsed = config.model_validate({**NEEDED, "sasl": sasl, "username": "worker", "password": "open-sesame\n"})
    found = parsed.server().sasl
    assert isinstance(found, Password)
    assert (found.mechanism, found.username, found.password.get_secret_value()) == (mechanism, "worker", "open-sesame")
    assert "username and password" in refusal(config, sasl=sasl, password="open-sesame")  # noqa: S106
    assert "username and password" in refusal(config, sasl=sasl, username="worker")


def test_a_client_that_gets_tokens() -> None:
    parsed = KafkaConfig.model_validate({**NEEDED, **OAUTH, "scopes": "read, write", "oauthExtensions": "a=1, b=2=3"})
    found = parsed.server().sasl
    assert isinstance(found, OAuth)
    assert (found.endpoint, found.client_id) == ("https://login/token", "worker")
    assert found.scopes == ("read", "write")
    assert found.extensions == (("a", "1"), ("b", "2=3"))
    assert "oauthTokenEndpointUri" in refusal(KafkaConfig, **USER, sasl="oauthbearer")
    assert "name=value" in refusal(KafkaConfig, **OAUTH, oauthExtensions="a")
    for url in ("login", "ftp://login", "https://open-user:open-word@login"):
        assert "expected" in refusal(KafkaConfig, **{**OAUTH, "oauthTokenEndpointUri": url})
    assert "sasl" in refusal(ApacheKafkaConfig, **USER, sasl="oauthbearer")


@BOTH
def test_triggers_that_are_equal_share_and_others_do_not(config: type[KafkaLagConfig]) -> None:
    def key(**parameters: str) -> object:
        return config.model_validate({**NEEDED, **parameters}).server()

    assert hash(key()) == hash(key(consumerGroup="others", topic="jobs"))
    assert key() == key(consumerGroup="others", topic="jobs")
    login = {**USER, "sasl": "plaintext"}
    assert len({key(), key(tls="enable"), key(**login), key(**{**login, "password": "open-barley"})}) == 4


@BOTH
@pytest.mark.parametrize(
    ("given", "numbers"), [("7", {7}), ("1,2", {1, 2}), ("1-3, 5", {1, 2, 3, 5}), ("0-0", {0})], ids=str
)
def test_partitions(config: type[KafkaLagConfig], given: str, numbers: set[int]) -> None:
    assert config.model_validate({**NEEDED, "topic": "jobs", "partitionLimitation": given}).partitions() == numbers
    assert not config.model_validate({**NEEDED, "partitionLimitation": given}).partitions()


@BOTH
@pytest.mark.parametrize("given", ["a", "1,,2", "-1", "3-1", "1-", "1.5", "0-99999999999"])
def test_partitions_that_are_none(config: type[KafkaLagConfig], given: str) -> None:
    assert "partitionLimitation" in refusal(config, topic="jobs", partitionLimitation=given)


@BOTH
def test_what_does_not_go_together(config: type[KafkaLagConfig]) -> None:
    limit = {"limitToPartitionsWithLag": "true"}
    assert "allowIdleConsumers" in refusal(config, topic="jobs", allowIdleConsumers="true", **limit)
    assert "even" in refusal(config, topic="jobs", ensureEvenDistributionOfPartitions="true", **limit).lower()
    assert "topic" in refusal(config, **limit)
    assert "tls: enable" in refusal(config, ca="pem")
    assert "topic" in refusal(KafkaConfig, fullMetadata="false")
    assert "topic" in refusal(KafkaConfig, ensureEvenDistributionOfPartitions="true")


@pytest.mark.parametrize(("given", "good"), [("1.0.0", True), ("0.10.2.1", True), ("4.1.0", True), ("4.1", False)])
def test_version(given: str, *, good: bool) -> None:
    if good:
        assert KafkaConfig.model_validate({**NEEDED, "version": given}).version == given
    else:
        assert "three numbers" in refusal(KafkaConfig, version=given)


def test_topics() -> None:
    assert KafkaConfig.model_validate({**NEEDED, "topic": "jobs"}).topics() == {"jobs"}
    assert ApacheKafkaConfig.model_validate({**NEEDED, "topic": "jobs, mails"}).topics() == {"jobs", "mails"}
    assert not ApacheKafkaConfig.model_validate(NEEDED).topics()
