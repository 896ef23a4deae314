"""RabbitMQ as an event source: queues, over AMQP or the management API.

Connection:
    `host` is a URL; its scheme says how the broker is asked, and `protocol` may only repeat it.

    | scheme | asks | default port | path |
    |---|---|---|---|
    | `amqp`, `amqps` | the broker, by passive declares | 5672, 5671 | the virtual host |
    | `http`, `https` | the management API | 80, 443 | what comes before `/api`, and last the virtual host |

    Without a path, or with one that ends in `/`, the virtual host is `/`. A slash within a virtual host is `%2F`;
    `vhostName` replaces that of the path and is written as it is. Special characters in user and password are
    %-encoded, too. The URL is a secret and shown nowhere; user and password may come as parameters instead, which win
    over those in it. Without any, AMQP uses `guest`, as all its clients do, and HTTP sends none.

    TLS is what `amqps` and `https` say; `ca`, `cert`, `key`, `keyPassword` and `unsafeSsl` then apply, with or without
    `tls: enable`.

    All triggers of a broker with the same credentials share a client: over AMQP one connection for each virtual host
    (a connection of that protocol has one), over HTTP at most four for the server. Queues that are known to exist are
    asked for together on one channel. One that is not known costs a channel if it does not exist, so it is asked for
    alone, on one of up to four further channels: it disturbs nobody. A missing queue is remembered for half a second,
    and longer the more are missing.

    Over HTTP, a few queues that are due together are asked for one by one, more of them by one list of the virtual
    host's queues, which answers further questions for four times what it took to get (from a quarter of a second to
    two). So does a broker with many queues not spend all its time on lists. Its statistics are refreshed every five
    seconds only, whatever the polling interval.

Outages:
    A lost broker fails all its reads at once while one loop tries again after 0.05 to 0.8 s (0.5 to 10 s while it
    refuses us); that is one line of log when it goes and one when it comes back. A broker that says nothing for 2.5 s
    (3 s over HTTP) is lost; where nobody reads, heartbeats every 10 s find out within half a minute. A connection that
    the broker closed while it was idle is made anew without a word. An alarm that blocks publishers (memory, disk)
    does not block reading. After the management API has refused user or password, it is asked again after 0.5 to 10 s
    only, as it logs each try.
"""
