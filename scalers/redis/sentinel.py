"""The triggers `redis-sentinel` and `redis-sentinel-streams`: keys of the master that sentinels watch over."""

from __future__ import annotations

from pydantic import Field, SecretStr

from scaler.ports.parameters import NotNegativeInteger
from scalers.redis.config import NO_SECRET, SeveralServersConfig, parameter
from scalers.redis.lists import ListConfig, ListScaler
from scalers.redis.servers import Sentinels, Server
from scalers.redis.streams import StreamConfig, StreamScaler


class SentinelConfig(SeveralServersConfig):
    """A master that sentinels know. The addresses are theirs."""

    sentinel_master: str = Field(
        validation_alias="sentinelMaster",
        description="name by which the sentinels know the master",
        json_schema_extra={"sources": "MEA"},
    )
    sentinel_username: str = parameter("sentinelUsername", "ACL user of the sentinels", "", sources="MEA")
    sentinel_password: SecretStr = parameter("sentinelPassword", "password of the sentinels", NO_SECRET, sources="MEA")
    database_index: NotNegativeInteger = parameter("databaseIndex", "number of the database", 0)

    def source(self) -> Sentinels:
        """Return the sentinels and who asks their master."""
        tls = self.tls()
        sentinels = tuple(
            Server(host, port, 0, self.sentinel_username, self.sentinel_password, tls)
            for host, port in self.endpoints()
        )
        anywhere = Server("", 0, self.database_index, self.username, self.password, tls)
        return Sentinels(sentinels, self.sentinel_master, anywhere)


class RedisSentinelListConfig(ListConfig, SentinelConfig):
    """Parameters of the `redis-sentinel` trigger."""


class RedisSentinelStreamsConfig(StreamConfig, SentinelConfig):
    """Parameters of the `redis-sentinel-streams` trigger."""


class RedisSentinelListScaler(ListScaler[RedisSentinelListConfig]):
    """Items in a list, set, sorted set or hash of a Redis master that sentinels watch over.

    Reads:
        What `redis` counts, by the same rules: `listName`, `listLength` (5).

        The master is asked, wherever the sentinels say it is. Their user needs
        `+sentinel|get-master-addr-by-name`, and to hear at once of a new master `+subscribe &+switch-master`.

    Active:
        Above `activationListLength` (0) items.

    Push:
        As `redis`, from the master: each server that may become one needs the setting. A new master is followed.

    Errors:
        Those of `redis` that are not about one server, and:

        | error | meaning | what to do |
        |---|---|---|
        | the sentinel knows no master named ... | rejected | mend `sentinelMaster` |
        | `WRONGPASS`, `NOAUTH`, `NOPERM` of a sentinel | rejected | mend `sentinelUsername`, `sentinelPassword` |

    Differences from KEDA:
        Those of `redis` that are not about one server, and:

        | KEDA | here |
        |---|---|
        | `sentinelMaster` may be missing, and connecting fails | it is required |
        | a client with connections per trigger | one connection to the master per database and user, for all |
    """

    type = "redis-sentinel"
    Config = RedisSentinelListConfig


class RedisSentinelStreamsScaler(StreamScaler[RedisSentinelStreamsConfig]):
    """Entries of a stream of a Redis master that sentinels watch over: all, or those of a consumer group.

    Reads:
        What `redis-streams` counts, by the same rules.

        The master is asked, wherever the sentinels say it is. Their user needs
        `+sentinel|get-master-addr-by-name`, and to hear at once of a new master `+subscribe &+switch-master`.

    Active:
        Above `activationLagCount` (0), whichever is counted.

    Push:
        As `redis-streams`, from the master: each server that may become one needs the setting. A new master is
        followed.

    Errors:
        Those of `redis-streams` that are not about one server, and:

        | error | meaning | what to do |
        |---|---|---|
        | the sentinel knows no master named ... | rejected | mend `sentinelMaster` |
        | `WRONGPASS`, `NOAUTH`, `NOPERM` of a sentinel | rejected | mend `sentinelUsername`, `sentinelPassword` |

    Differences from KEDA:
        Those of `redis-streams` that are not about one server, and:

        | KEDA | here |
        |---|---|
        | `sentinelMaster` may be missing, and connecting fails | it is required |
        | a client with connections per trigger | one connection to the master per database and user, for all |
    """

    type = "redis-sentinel-streams"
    Config = RedisSentinelStreamsConfig
