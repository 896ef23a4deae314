"""Servers that answer nonsense make a trigger unknown: no bug, no hang, no memory without a bound."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from collections.abc import Mapping
from pprint import pformat
from typing import Any

import pytest
from pamqp import commands, frame
from pamqp.header import ProtocolHeader
from structlog.testing import capture_logs

from scaler.engine.connections import SharedConnections
from scaler.engine.trigger_reader import TriggerReader
from scaler.model import App, Container, Reading, ScalingPolicy, Trigger, TriggerPolicy, Workload
from scaler.ports.recorder import Recorder
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers import hostile
from scaler.testing.servers.hostile import Behaviour, HostileServer
from scalers.kafka.kafka import KafkaScaler
from scalers.metrics_api.api import MetricsApiScaler
from scalers.prometheus.query import PrometheusScaler
from scalers.rabbitmq.queues import RabbitMQScaler
from scalers.redis.cluster import RedisClusterListScaler
from scalers.redis.lists import RedisListScaler
from scalers.redis.sentinel import RedisSentinelListScaler
from scalers.redis.streams import RedisStreamsScaler

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

# What any client may take of one connection before it gives the server up.
AT_ONCE = 12
MOST_BYTES = 64 * 1024 * 1024
# A chunk's size may begin with any number of zeros: the parser keeps none, and goes on until the deadline.
FORGOTTEN = frozenset({"endless chunk size"})
# What a source's text may do to a log or a terminal.
ESCAPE = b"\x1b[2J\x1b]0;owned\x07"
ANY: Mapping[str, Behaviour] = {
    "silent": hostile.silent,
    "closing": hostile.closing,
    "closing when asked": hostile.closing_when_asked,
    "empty lines": hostile.says(b"\r\n"),
    "zeros": hostile.says(b"\0" * 1000),
    "ones": hostile.says(b"\xff" * 1000),
    "TLS": hostile.says(b"\x15\x03\x03\x00\x02\x02\x28"),
    "HTTP": hostile.says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!"),
    "SSH": hostile.says(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "drip": hostile.drips(b"HTTP/1.1 200 OK\r\nX: "),
    "flood": hostile.floods(),
    "flood of zeros": hostile.floods(with_=b"\0"),
    "flood of lines": hostile.floods(with_=b"x\r\n"),
}


class Bugs(Recorder):
    def __init__(self) -> None:
        self.count = 0

    def plugin_bug(self, workload: Workload, trigger: str) -> None:  # noqa: ARG002
        self.count += 1


async def read(
    name: str, scaler: Any, parameters: dict[str, Any], behaviour: Behaviour
) -> tuple[list[Reading], list[str]]:
    """Read twice as the engine does; return the readings and what is wrong besides."""
    bugs, wrong = Bugs(), []
    async with HostileServer.running(behaviour) as server:
        filled = {key: str(value).replace("PORT", str(server.port)) for key, value in parameters.items()}
        policy = TriggerPolicy("t-0", scaler.type, 1.0)
        trigger = Trigger(policy, scaler.Config.model_validate(filled))
        workload = Workload(name, App((Container("main", "image"),)), (trigger,), ScalingPolicy((policy,)))
        async with SharedConnections() as connections:
            reader = TriggerReader(workload, trigger, scaler, connections, bugs)
            running = asyncio.create_task(reader.run(lambda: None))
            readings = [await reader.read()]
            # Another tick comes later: what ignores its cancellation would still be there.
            await until(lambda: f"read:{name}" not in {task.get_name() for task in asyncio.all_tasks()})
            readings.append(await reader.read())
            running.cancel()
            await asyncio.wait((running,))
        if bugs.count:
            wrong.append(f"{bugs.count} bugs")
        if server.most_sent > MOST_BYTES and name not in FORGOTTEN:
            wrong.append(f"it took {server.most_sent >> 20} MiB")
    for reading in readings:
        error = reading.error or ""
        if error == "the previous read has not ended" or not error.isprintable() or len(error) > 1000:
            wrong.append(f"the error {error[:300]!r}")
    return readings, wrong


async def defy(scaler: Any, parameters: dict[str, Any], behaviours: Mapping[str, Behaviour]) -> None:
    """See that each behaviour makes the trigger unknown, and nothing more."""
    turns = asyncio.Semaphore(AT_ONCE)
    wrong: dict[str, Any] = {}

    async def one(name: str, behaviour: Behaviour) -> None:
        async with turns:
            readings, problems = await read(name, scaler, parameters, behaviour)
        problems += [f"it read {reading.value}" for reading in readings if reading.error is None]
        if problems:
            wrong[name] = problems

    with capture_logs() as logs:
        async with no_leaks(), asyncio.TaskGroup() as tasks:
            for name, behaviour in behaviours.items():
                tasks.create_task(one(name, behaviour))
    events = ("plugin_bug", "source_not_tried", "shared_client_crashed", "plugin_hangs")
    bugs = [entry for entry in logs if entry["event"] in events]
    assert not wrong, pformat(wrong | {"logs": bugs})
    assert bugs == []


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> Behaviour:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return hostile.says(head.encode() + body)


JSONS = (
    *(b"", b"null", b"[]", b"{}", b'"x"', b"true", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"{'a': 1}", b"{,}"),
    *(b"9" * 5000, b"-", b'{"a": 1', b"[NaN]", b"[1e999]", b'{"waiting": {"messages": []}}', b'"\\ud800"', b"\x00"),
)  # fmt: skip
HTTP: Mapping[str, Behaviour] = {
    **ANY,
    **{f"JSON {number}": http(body) for number, body in enumerate(JSONS)},
    **{f"status {status}": http(b"{}", status=f"{status} x") for status in (100, 204, 301, 304, 401, 404, 418, 500, 999)},
    "status line": hostile.says(b"HTTP/1.1 abc\r\n\r\n"),
    "another version": hostile.says(b"HTTP/9.9 200 OK\r\n\r\n"),
    "endless continue": hostile.floods(with_=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless header": hostile.floods(b"HTTP/1.1 200 OK\r\nX: "),
    "endless headers": hostile.floods(b"HTTP/1.1 200 OK\r\n", with_=b"X: y\r\n"),
    "endless body": hostile.floods(b"HTTP/1.1 200 OK\r\n\r\n"),
    "endless chunks": hostile.floods(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", with_=b"8\r\n[[[[[[[[\r\n"),
    "endless chunk size": hostile.floods(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", with_=b"0"),
    "endless chunk": hostile.floods(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n"),
    "too long": hostile.floods(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"),
    "length of another kind": hostile.says(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "two lengths": hostile.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "cut off": hostile.breaks_off(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "cut off in a header": hostile.breaks_off(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "bad gzip": http(b"{}", headers="Content-Encoding: gzip\r\n"),
    "gzip bomb": http(gzip.compress(b" " * (200 << 20)), headers="Content-Encoding: gzip\r\n"),
    "unknown charset": http(b'{"a": "\xe9"}', headers="Content-Type: application/json; charset=\x1b[1m\r\n"),
    "redirect to a file": http(b"", status="302 Found", headers="Location: file:///etc/passwd\r\n"),
    "slow body": hostile.drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"),
}  # fmt: skip


@pytest.mark.parametrize("format_", ["json", "yaml", "xml", "prometheus"])
async def test_a_metrics_api(format_: str) -> None:
    parameters = {
        "url": "http://127.0.0.1:PORT/stats", "valueLocation": "waiting", "targetValue": "5", "format": format_,
    }  # fmt: skip
    texts = {
        "bomb": http(b"&a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"- &a%d [%s]\n" % (n, b"*a," * 9) for n in range(9))),
        "entities": http(b'<!DOCTYPE a [<!ENTITY b "c">]><waiting>&b;</waiting>'),
        "external": http(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><waiting>&b;</waiting>'),
        "deep": http(b"<a>" * 200_000),
        "tag": http(b"waiting: !!python/object/apply:os.system [ls]"),
        "metric": http(b"waiting{" + b'a="b",' * 10_000 + b"} x"),
        "no number": http(b"waiting abc" + ESCAPE),
        "endless number": http(b'{"waiting": "' + b"9" * 100_000 + b'"}'),
        "not a number": http(b"waiting NaN\n"),
    }
    # What HTTP itself allows is the same for all formats.
    await defy(MetricsApiScaler, parameters, {**(HTTP if format_ == "json" else {}), **texts})


async def test_prometheus() -> None:
    parameters = {
        "serverAddress": "http://127.0.0.1:PORT",
        "query": "up",
        "threshold": "5",
        "ignoreNullValues": "false",
    }
    values = ["x", "1" * 500, "", None, [], {}, True, "1\x1b[1m", 1e400]
    answers = {
        f"value {n}": http(json.dumps({"data": {"result": [{"value": [0, value]}]}}).encode())
        for n, value in enumerate(values)
        if value is not None
    }
    shapes = [
        {"data": 1},
        {"data": {"result": "x"}},
        {"data": {"result": [[]]}},
        {"data": {"result": [{"value": [0]}]}},
    ]
    answers |= {f"shape {n}": http(json.dumps(shape).encode()) for n, shape in enumerate(shapes)}
    refused = json.dumps({"error": "bad\n" + ESCAPE.decode() + "x" * 100_000}).encode()
    await defy(PrometheusScaler, parameters, {**HTTP, **answers, "refused": http(refused, status="400 Bad")})


@pytest.mark.parametrize("pattern", ["true", "false"])
async def test_the_management_api_of_rabbitmq(pattern: str) -> None:
    parameters = {"host": "http://user:pass@127.0.0.1:PORT/", "queueName": "jobs", "value": "5", "mode": "QueueLength"}
    parameters["useRegex"] = pattern
    queues: list[Any] = [
        *({"messages": value} for value in ("x", [], {}, "1", -1, 1e400, True, "9" * 400)),
        *({"messages": 1, "messages_ready": value} for value in ("x", [], -1)),
        *({"messages": 1, "message_stats": value} for value in ("x", [1], 5)),
        *({"messages": 1, "message_stats": {"publish_details": value}} for value in ("x", [1], 5, {"rate": "x"})),
        *({"messages": 1, "message_stats": {"deliver_get_details": {"rate": value}}} for value in ([], 1e400)),
    ]
    answers = {f"queue {n}": http(json.dumps(queue).encode()) for n, queue in enumerate(queues)}
    pages: list[Any] = [
        *({"items": value} for value in ("x", 5, {}, [1], [[]], [None], None)),
        *({"page_count": value, "items": []} for value in ("x", [])),
        {"page_count": 2, "filtered_count": ESCAPE.decode() * 1000},
        *({"items": [queue]} for queue in queues),
    ]
    if pattern == "true":
        answers = {f"page {n}": http(json.dumps(page).encode()) for n, page in enumerate(pages)}
    both = {name: behaviour for name, behaviour in HTTP.items() if pattern == "false" or name != "JSON 3"}
    await defy(RabbitMQScaler, parameters, {**both, **answers})


def amqp(*methods: Any) -> tuple[bytes, ...]:
    return tuple(frame.marshal(method, channel) for channel, method in methods)


START = commands.Connection.Start(server_properties={"product": "x"})
OPENED = amqp((0, START), (0, commands.Connection.Tune(10, 131072, 0)), (0, commands.Connection.OpenOk()))
CHANNEL = amqp((1, commands.Channel.OpenOk()))


async def test_rabbitmq() -> None:
    parameters = {"host": "amqp://user:pass@127.0.0.1:PORT/", "queueName": "jobs", "value": "5", "mode": "QueueLength"}
    start = amqp((0, START))[0]
    behaviours: dict[str, Behaviour] = {
        "another version": hostile.says(ProtocolHeader(0, 8, 0).marshal()),
        "large frame": hostile.floods(b"\x01\x00\x00\x7f\xff\xff\xff"),
        "largest frame": hostile.floods(b"\x01\x00\x00\xff\xff\xff\xff"),
        "cut frame": hostile.breaks_off(start[:20]),
        "no end mark": hostile.says(start[:-1] + b"\x00"),
        "another frame": hostile.says(b"\x09" + start[1:]),
        "empty method": hostile.says(b"\x01\x00\x00\x00\x00\x00\x00\xce"),
        "unknown method": hostile.says(b"\x01\x00\x00\x00\x00\x00\x04\x00\x63\x00\x63\xce"),
        "half a method": hostile.says(b"\x01\x00\x00\x00\x00\x00\x06\x00\x0a\x00\x0a\x00\x09\xce"),
        "table of rubbish": hostile.says(b"\x01\x00\x00\x00\x00\x00\x10\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x06" + b"\x01aZ" * 2 + b"\xce"),
        "no mechanism": hostile.says(*amqp((0, commands.Connection.Start(mechanisms="NONE")))),
        "no tune": hostile.says(start, start),
        "tune to nothing": hostile.says(start, *amqp((0, commands.Connection.Tune(0, 1, 65535)))),
        "closed": hostile.says(*amqp((0, commands.Connection.Close(320, ESCAPE.decode() * 5, 0, 0)))),
        "closed after start": hostile.says(start, *amqp((0, commands.Connection.Close(403, "x" * 250, 0, 0)))),
        "closed after opening": hostile.says(*OPENED, *amqp((0, commands.Connection.Close(541, "x", 0, 0)))),
        "another channel": hostile.says(*OPENED, *amqp((9, commands.Channel.OpenOk()))),
        "rubbish after opening": hostile.says(*OPENED, b"\xff" * 100),
        "half a frame after opening": hostile.says(*OPENED, CHANNEL[0][:-2]),
        "large frame after opening": hostile.floods(*OPENED, b"\x01\x00\x01\x7f\xff\xff\xff"),
        "another answer": hostile.says(*OPENED, *CHANNEL, *amqp((1, commands.Queue.PurgeOk(5)))),
        "channel closed": hostile.says(*OPENED, *CHANNEL, *amqp((1, commands.Channel.Close(404, ESCAPE.decode(), 50, 10)))),
        "content without a message": hostile.says(*OPENED, *CHANNEL, b"\x03\x00\x01\x00\x00\x00\x01x\xce"),
        "delivery": hostile.says(*OPENED, *CHANNEL, *amqp((1, commands.Basic.Deliver("x", 1, redelivered=False, exchange="", routing_key="")))),
        "drip after opening": hostile.drips(start),
    }  # fmt: skip
    await defy(RabbitMQScaler, parameters, {**ANY, **behaviours})


REPLIES = (
    *(b"+OK\r\n", b"+\r\n", b"$-1\r\n", b"$3\r\nabc\r\n", b"$-5\r\n", b"*-1\r\n", b"*0\r\n", b"*2\r\n:1\r\n$1\r\nx\r\n"),
    *(b":abc\r\n", b":\r\n", b":" + b"9" * 400 + b"\r\n", b"*" + b"9" * 30 + b"\r\n", b"*3\r\n" * 5000, b"_\r\n", b"#t\r\n"),
    *(b"%1\r\n+a\r\n:1\r\n", b">2\r\n+message\r\n+x\r\n", b",inf\r\n", b"(" + b"9" * 5000 + b"\r\n", b"-MOVED x y\r\n"),
    *(b"-MOVED 5 127.0.0.1:99999999\r\n", b"-ASK\r\n", b"-\r\n", b"-LOADING " + ESCAPE * 1000 + b"\r\n", b"?\r\n"),
    *(b"*1\r\n*1\r\n:-1\r\n", b"*1\r\n*3\r\n:0\r\n:99999999999\r\n*2\r\n$1\r\nx\r\n:1\r\n", b"*1\r\n*3\r\n:-5\r\n:-9\r\n*0\r\n"),
    *(b"*2\r\n$3\r\n\xff\xff\xff\r\n$1\r\nx\r\n", b"*2\r\n$1\r\nx\r\n$6\r\n999999\r\n", b"*2\r\n*1\r\n:1\r\n*-1\r\n"),
)  # fmt: skip


def resp(reply: bytes) -> Behaviour:
    """Answer each command, of which several come together."""

    async def behave(peer: hostile.Peer) -> None:
        while command := await peer.reader.read(64 * 1024):
            await peer.send(reply * max(1, (b"\r\n" + command).count(b"\r\n*")))

    return behave


RESP: Mapping[str, Behaviour] = {
    **ANY,
    **{f"reply {number}": resp(reply) for number, reply in enumerate(REPLIES)},
    "large text": hostile.floods(b"$2000000000\r\n"),
    "largest text": hostile.floods(b"$9223372036854775807\r\n"),
    "large list": hostile.floods(b"*2000000000\r\n", with_=b":1\r\n"),
    "endless integers": hostile.floods(b":"),
    "slow reply": hostile.drips(b"+O"),
    "cut reply": hostile.breaks_off(b"$100\r\nabc"),
}
SLOW = ("flood", "large", "endless", "drip", "slow", "silent")
ONE = {"address": "127.0.0.1:PORT"}
SEVERAL = {"addresses": "127.0.0.1:PORT"}
GROUP = {"stream": "s", "consumerGroup": "g"}


@pytest.mark.parametrize(
    ("scaler", "parameters"),
    [
        pytest.param(RedisListScaler, {**ONE, "listName": "jobs"}, id="list"),
        pytest.param(RedisListScaler, {**ONE, "listName": "jobs", "username": "u", "password": "p"}, id="password"),
        pytest.param(RedisStreamsScaler, {**ONE, "stream": "s", "streamLength": "5"}, id="stream"),
        pytest.param(RedisStreamsScaler, {**ONE, **GROUP, "pendingEntriesCount": "5"}, id="pending"),
        pytest.param(RedisStreamsScaler, {**ONE, **GROUP, "lagCount": "5"}, id="lag"),
        pytest.param(RedisClusterListScaler, {**SEVERAL, "listName": "jobs"}, id="cluster"),
    ],
)
async def test_redis(scaler: Any, parameters: dict[str, str]) -> None:
    # What a list of pending entries begins with is a number; floods are the same for all.
    without = {"reply 7"} if "pendingEntriesCount" in parameters else set()
    floods = parameters == {**ONE, "listName": "jobs"}
    behaviours = {
        name: behaviour
        for name, behaviour in RESP.items()
        if name not in without and (floods or not name.startswith(SLOW))
    }
    await defy(scaler, parameters, behaviours)


async def names_itself(peer: hostile.Peer) -> None:
    """Be the master that the sentinel, this server too, tells of."""
    port = str(peer.writer.get_extra_info("sockname")[1]).encode()
    await resp(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n" % (len(port), port))(peer)


async def test_redis_sentinel() -> None:
    parameters = {**SEVERAL, "listName": "jobs", "sentinelMaster": "m"}
    announcing: dict[str, Behaviour] = {
        "names itself": names_itself,
        "no address": resp(b"*2\r\n$1\r\n\xff\r\n$4\r\n6379\r\n"),
        "an address with escapes": resp(b"*2\r\n$12\r\n%s\r\n$4\r\n6379\r\n" % ESCAPE[:12]),
        "announces without end": hostile.floods(b"*-1\r\n", with_=b"*3\r\n+message\r\n+x\r\n+y\r\n"),
    }
    await defy(RedisSentinelListScaler, parameters, {**RESP, **announcing})


def kafka(*bodies: bytes) -> Behaviour:
    """Answer each request by the body whose turn it is, with the number of the request before it."""

    async def behave(peer: hostile.Peer) -> None:
        number = 0
        while True:
            (size,) = struct.unpack(">i", await peer.reader.readexactly(4))
            request = await peer.reader.readexactly(size)
            body = bodies[min(number, len(bodies) - 1)]
            await peer.send(struct.pack(">i", len(body) + 4) + request[4:8] + body)
            number += 1

    return behave


VERSIONS = struct.pack(">hi", 0, 60) + b"".join(struct.pack(">hhh", key, 0, 12) for key in range(60))


async def test_kafka() -> None:
    parameters = {"bootstrapServers": "127.0.0.1:PORT", "consumerGroup": "g", "topic": "t", "lagThreshold": "5"}
    bodies = (
        *(b"", b"\0", b"\0" * 5, b"\0" * 400, b"\xff" * 400, b"\x7f" * 400, b"\0\0\0\x01" * 100, b"\x01" * 400),
        *(b"\x7f\xff\xff\xff" + b"\0" * 100, b"\0\0\0\0\0\0\0\x01\0\x03" + b"\xff" * 50, b"\0\0\0\x02" + b"\0\x01x" * 99),
    )  # fmt: skip
    behaviours: dict[str, Behaviour] = {
        **{f"first {n}": kafka(body) for n, body in enumerate(bodies)},
        **{f"later {n}": kafka(VERSIONS, body) for n, body in enumerate(bodies)},
        "no version": kafka(struct.pack(">hi", 0, 0)),
        "upside down versions": kafka(struct.pack(">hihhh", 0, 1, 3, 9, 1)),
        "large frame": hostile.floods(b"\x7f\xff\xff\xff"),
        "large frame later": hostile.floods(b"\0\0\x01\x72\0\0\0\x01" + VERSIONS, b"\x7f\xff\xff\xff"),
        "negative frame": hostile.says(b"\xff\xff\xff\xff"),
        "empty frame": hostile.says(b"\0\0\0\0"),
        "another number": hostile.says(b"\0\0\0\x08\0\0\0\x63\0\0\0\0"),
        "unasked": hostile.says((b"\0\0\0\x08\0\0\0\x01\0\0\0\0") * 50),
    }
    await defy(KafkaScaler, parameters, {**ANY, **behaviours})
