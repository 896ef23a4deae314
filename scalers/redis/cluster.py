"""The triggers `redis-cluster` and `redis-cluster-streams`: keys of a Redis Cluster."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from scaler.ports.parameters import NotNegativeInteger
from scalers.redis.config import OfSentinels, SeveralServersConfig, parameter, refused
from scalers.redis.lists import ListConfig, ListScaler
from scalers.redis.servers import Cluster, Server
from scalers.redis.streams import StreamConfig, StreamScaler


def _check_database(index: int) -> int:
    if index:
        raise ValueError("a Redis Cluster has database 0 only")
    return index


class ClusterConfig(SeveralServersConfig):
    """A Redis Cluster, by some of its nodes."""

    database_index: Annotated[NotNegativeInteger, AfterValidator(_check_database)] = parameter(
        "databaseIndex", "a cluster has database 0 only", 0
    )
    sentinel_master: OfSentinels = refused("sentinelMaster")
    sentinel_username: OfSentinels = refused("sentinelUsername")
    sentinel_password: OfSentinels = refused("sentinelPassword")

    def source(self) -> Cluster:
        """Return the cluster."""
        tls = self.tls()
        return Cluster(
            tuple(Server(host, port, 0, self.username, self.password, tls) for host, port in self.endpoints())
        )


class RedisClusterListConfig(ListConfig, ClusterConfig):
    """Parameters of the `redis-cluster` trigger."""


class RedisClusterStreamsConfig(StreamConfig, ClusterConfig):
    """Parameters of the `redis-cluster-streams` trigger."""


class RedisClusterListScaler(ListScaler[RedisClusterListConfig]):
    """Items in a list, set, sorted set or hash of a Redis Cluster.

    Reads:
        What `redis` counts, by the same rules: `listName`, `listLength` (5).

        The node that has the key is asked: that of its slot, or of the slot of its hash tag (`{...}`).
        Besides, the user needs `+cluster|slots`.

    Active:
        Above `activationListLength` (0) items.

    Push:
        As `redis`, from the node that has the key: notifications stay in a node, so each needs the setting. A key
        that moves to another node is followed.

    Errors:
        Those of `redis` that are not about one server, and:

        | error | meaning | what to do |
        |---|---|---|
        | `CLUSTERDOWN`, no node serves the slot, the nodes do not agree | unavailable | it passes with the cluster |
        | cluster support disabled | rejected | it is no cluster: use `redis` |

    Differences from KEDA:
        Those of `redis` that are not about one server, and:

        | KEDA | here |
        |---|---|
        | a `databaseIndex` above 0 and parameters of sentinels are accepted and left out | refused |
        | a client with connections per trigger | one connection and one pipeline per node that has keys, for all |
    """

    type = "redis-cluster"
    Config = RedisClusterListConfig


class RedisClusterStreamsScaler(StreamScaler[RedisClusterStreamsConfig]):
    """Entries of a stream of a Redis Cluster: all, or those pending or lagging in a consumer group.

    Reads:
        What `redis-streams` counts, by the same rules.

        The node that has the key is asked: that of its slot, or of the slot of its hash tag (`{...}`).
        Besides, the user needs `+cluster|slots`.

    Active:
        Above `activationLagCount` (0), whichever is counted.

    Push:
        As `redis-streams`, from the node that has the key: notifications stay in a node, so each needs the setting.
        A key that moves to another node is followed.

    Errors:
        Those of `redis-streams` that are not about one server, and:

        | error | meaning | what to do |
        |---|---|---|
        | `CLUSTERDOWN`, no node serves the slot, the nodes do not agree | unavailable | it passes with the cluster |
        | cluster support disabled | rejected | it is no cluster: use `redis-streams` |

    Differences from KEDA:
        Those of `redis-streams` that are not about one server, and:

        | KEDA | here |
        |---|---|
        | a `databaseIndex` above 0 and parameters of sentinels are accepted and left out | refused |
        | a client with connections per trigger | one connection and one pipeline per node that has keys, for all |
    """

    type = "redis-cluster-streams"
    Config = RedisClusterStreamsConfig
