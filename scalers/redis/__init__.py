"""Redis: one server, a cluster, or the master that sentinels watch over; lists, sets, sorted sets, hashes and streams.

Connection:
    - `redis` and `redis-streams`: one server, `address` (`host:port`), or `host` and `port`.
    - `redis-cluster` and `redis-cluster-streams`: some nodes of a cluster, `addresses` (`host:port,host:port`), or
      `hosts` (`a,b`) and `ports` (`1,2`). The others are found.
    - `redis-sentinel` and `redis-sentinel-streams`: sentinels, in the same way, and the name by which they know the
      master, `sentinelMaster`.

    Clusters and sentinels take `address`, `host` and `port` for `addresses`, `hosts` and `ports`, as KEDA does. An
    address without a host, `:6379`, is this machine. `databaseIndex` is 0 by default; a cluster has no other.

    `username` and `password` are those of an ACL user; a password alone is the default user's. Sentinels have
    `sentinelUsername` and `sentinelPassword` of their own. Addresses, users and passwords may come from the environment
    (`passwordFromEnv: NAME`) or from an authentication.

    | TLS | meaning |
    |---|---|
    | `enableTLS: "true"`, or `tls: enable` from an authentication | verifying certificate and name of every server |
    | `ca` | PEM certificates to trust besides the system's |
    | `cert`, `key`, `keyPassword` | PEM client certificate and its key |
    | `unsafeSsl: "true"` | do not verify the server |

    Triggers with the same addresses, database, credentials and TLS share one connection, and all that are due at the
    same time one pipeline. In a cluster that holds for each node that has keys of theirs, and on sentinels for the
    master. With push there is one more connection for each of those. Commands change nothing at the server.

    A cluster's nodes are where the cluster announces them (`CLUSTER SLOTS`), a master where the sentinels say
    (`SENTINEL GET-MASTER-ADDR-BY-NAME`): those addresses must be reachable from here, and stand in the certificates.
    Behind NAT or in containers set `cluster-announce-ip` or `replica-announce-ip`, and their ports. A key is found
    while its slot moves (`ASK`) and afterwards (`MOVED`); a sentinel tells of a new master (`+switch-master`). Besides,
    both are asked for every 10 s, and whenever a server is lost.

    Permissions besides those of the trigger:

    - of a cluster's user `+cluster|slots`
    - of the sentinels' user `+sentinel|get-master-addr-by-name`, and `+subscribe` with the channel `&+switch-master`
    - for push `+subscribe +unsubscribe` with the channels `&__keyspace@N__:KEY`

Outages:
    Reads fail at once while a server is away, its triggers are unknown, and the count is held. One attempt at a time
    looks for it, with jittered delays of at most 0.8 s; wrong credentials are tried again every 10 s at most. A server
    that accepts and does not answer is lost after 3 s. On its return everything goes on by itself; each loss and each
    return is one log line.

    | lost | meanwhile |
    |---|---|
    | a node of a cluster | its keys are unknown until it is back or replaced; those of other nodes go on (below) |
    | all addresses that were given, not the cluster | nothing: the other nodes are known |
    | a master | unknown until the sentinels have made another |
    | some sentinels | nothing: the next that answers is asked |
    | all sentinels | the master that is known is read on; a new one is not found |

    With `cluster-require-full-coverage yes`, Redis' default, the other nodes of a cluster refuse, too (`CLUSTERDOWN`),
    until the lost one is back or a replica has taken over.
"""
