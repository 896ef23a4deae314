"""A real Redis Cluster: each node a server of its own on loopback ports."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from scaler.testing.servers.process import START_TIMEOUT_S, ServerNotStarted, free_port, server_folder
from scaler.testing.servers.redis import RedisServer, TlsFiles

_POLL_S = 0.02
# Nodes that a busy machine holds up for less are not taken for lost.
_NODE_TIMEOUT_MS = 5000


class RedisCluster:
    """Masters, each with the same number of replicas; a master of them may be killed, and come back as a replica."""

    def __init__(self, nodes: Sequence[RedisServer], **credentials: Any) -> None:
        self.nodes = tuple(nodes)
        self._credentials = credentials

    @classmethod
    @contextmanager
    def running(
        cls,
        *,
        masters: int = 3,
        replicas: int = 0,
        tls: TlsFiles | None = None,
        password: str = "",
        notifications: str = "",
        full_coverage: bool = False,
    ) -> Iterator[Self]:
        """Start the nodes, make them a cluster, and stop them on exit.

        Args:
            masters: At least 3.
            replicas: Of each master.
            tls: Speak TLS only, between nodes, too; a client certificate is not asked for.
            password: Of the default user.
            notifications: `notify-keyspace-events` of every node.
            full_coverage: Answer nothing once a master is lost for good (Redis' default).
        """
        with ExitStack() as stack:
            nodes, buses = [], []
            for _ in range(masters * (1 + replicas)):
                # By default it is the port plus 10,000, which may not exist.
                buses.append(free_port())
                directives = [
                    "cluster-enabled yes",
                    f"cluster-port {buses[-1]}",
                    f"cluster-node-timeout {_NODE_TIMEOUT_MS}",
                    "cluster-replica-validity-factor 0",
                    "repl-diskless-sync-delay 0",
                    f"cluster-require-full-coverage {'yes' if full_coverage else 'no'}",
                ]
                if password:
                    directives += [f"requirepass {password}", f"masterauth {password}"]
                if tls:
                    directives += ["tls-cluster yes", "tls-replication yes"]
                folder = stack.enter_context(server_folder("redis-cluster"))
                node = RedisServer(folder, tls=tls, notifications=notifications, keep_data=True, directives=directives)
                stack.callback(node.stop)
                node.start()
                nodes.append(node)
            credentials: dict[str, Any] = {"password": password or None}
            if tls:
                credentials |= {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False}
            cluster = cls(nodes, **credentials)
            cluster._create([f"{node.address}@{bus}" for node, bus in zip(nodes, buses, strict=True)], replicas, tls)
            yield cluster

    @property
    def addresses(self) -> str:
        """host:port of all nodes, as triggers take them."""
        return ",".join(node.address for node in self.nodes)

    def client(self, node: RedisServer) -> Redis:
        """Return a plain client of one node, to be used as a context manager."""
        return node.client(decode_responses=True, **self._credentials)

    def owner(self, key: str) -> RedisServer:
        """Return the node that has a key, by what the first running node says."""
        asked = next(node for node in self.nodes if node.runs)
        with self.client(asked) as client:
            slots = client.execute_command("CLUSTER SLOTS")
        slot = key_slot(key.encode())
        port = next(master[1] for first, last, master, *_ in slots if first <= slot <= last)
        return next(node for node in self.nodes if node.port == port)

    def producer(self, key: str) -> Redis:
        """Return a plain client of the node that has a key."""
        return self.client(self.owner(key))

    def stop(self) -> None:
        """Stop all nodes; they keep their data and places."""
        for node in self.nodes:
            node.stop()

    def freeze(self) -> None:
        """Let all nodes accept connections and never answer."""
        for node in self.nodes:
            node.freeze()

    def thaw(self) -> None:
        """Let them go on."""
        for node in self.nodes:
            node.thaw()

    def start(self) -> None:
        """Start all that do not run, and wait until every slot is served."""
        for node in self.nodes:
            if not node.runs:
                node.start()
        self._await(self._serves_all)

    def _create(self, nodes: Sequence[str], replicas: int, tls: TlsFiles | None) -> None:
        command = ["redis-cli", "--cluster", "create", *nodes, "--cluster-replicas", str(replicas), "--cluster-yes"]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        if password := self._credentials["password"]:
            environment["REDISCLI_AUTH"] = password
        if tls:
            command += ["--tls", "--insecure"]
        outcome = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
        )
        if outcome.returncode:
            raise ServerNotStarted(f"the cluster was not made: {(outcome.stdout + outcome.stderr)[-2000:]}")
        self._await(self._serves_all)
        for node in self.nodes:
            with self.client(node) as client:
                self._await(lambda client=client: "fail" not in str(client.execute_command("CLUSTER NODES")))
                if client.info("replication")["role"] == "slave":
                    self._await(lambda client=client: client.info("replication")["master_link_status"] == "up")

    def _serves_all(self) -> bool:
        for node in self.nodes:
            with self.client(node) as client:
                if client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                    return False
        return True

    def _await(self, condition: Any) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                if condition():
                    return
            except RedisError:
                pass
            if time.monotonic() > deadline:
                raise ServerNotStarted("the nodes did not become a cluster")
            time.sleep(_POLL_S)
