"""Kafka as an event source: how far a consumer group is behind (`kafka`, `apache-kafka`).

Connection:
    `bootstrapServers` names one or more brokers; the others are found through any of them that answers, at the
    addresses that they advertise. Any Kafka from 0.11 on will do; from 3.0 on one request asks for many groups.

    | parameter | meaning |
    |---|---|
    | `sasl` | `none`, `plaintext`, `scram_sha256`, `scram_sha512`; `kafka` also `oauthbearer` |
    | `username`, `password` | of the user; with `oauthbearer` the client id and the client secret |
    | `oauthTokenEndpointUri`, `scopes`, `oauthExtensions` | where `oauthbearer` gets its token (client credentials \
grant), kept until shortly before its end |
    | `tls` | `enable`: the servers' certificates must be signed by an authority of the system or of `ca` |
    | `cert`, `key`, `keyPassword` | the client certificate, where brokers ask for one |

    `gssapi` needs a Kerberos library that is not carried, `aws_msk_iam` exists in its own cloud only: both are refused
    when the manifest is read.

    All triggers with the same brokers, credentials and TLS share one client: one connection to each broker, and one
    more to each broker that leads a topic that is watched for records. Reads that are due within 2 ms travel together:
    one request for the committed offsets to each broker that knows some of the groups (before Kafka 3.0 one for each
    group, pipelined), one for the ends to each broker that leads some of the partitions. Who knows which group and
    who leads which partition is remembered, renewed every 30 s, and at once when a broker says that it was wrong.

    Nothing is changed: no group is joined, nothing is committed, no topic is created. (Kafka itself makes its internal
    topic for offsets when the first group of a new cluster is asked for.)

Outages:
    While no broker answers, one loop tries again with jittered back-off from 0.05 to 0.8 s (up to 10 s where it refuses
    our credentials); all triggers are unknown meanwhile, and one line is logged at the loss and one at the return. A
    broker that says nothing for 3 s is lost. While one of several brokers is lost, only the triggers whose group or
    partitions it has are unknown, until another takes over.
"""
