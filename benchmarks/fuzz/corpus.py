"""The good texts that broken ones are made of: the examples, and files with everything that manifests may have."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random

from benchmarks.fuzz import checks, mutations, tree
from scaler.manifest import Outside, load
from scaler.model import Workload

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
_EXAMPLES = ROOT / "deploy" / "examples"
_KINDS = ("Microsoft.App/", "keda.sh/", "properties:")
LABELS: tuple[dict[str, str], ...] = (
    {
        "scaler.trigger.redis": "address=localhost:6379 listName=jobs listLength=5 passwordFromEnv=PASSWORD",
        "scaler.min": "0",
        "scaler.max": "10",
        "scaler.cooldown": "60",
        "scaler.polling-interval": "0.5",
        "scaler.idle-polling-interval": "5",
    },
    {
        "scaler.trigger.cpu": "value=50 metricType=Utilization",
        "scaler.trigger.cron.office": "timezone=Europe/Berlin start='0 8 * * 1-5' end='0 18 * * 1-5' desiredReplicas=3",
        "scaler.trigger.rabbitmq": "{protocol: http, hostFromEnv: HOST, queueName: jobs, mode: QueueLength, value: 5}",
        "scaler.fallback": "failureThreshold=3 replicas=6",
        "scaler.idle": "1",
        "scaler.min": "2",
        "scaler.initial-cooldown": "10",
    },
)


@cache
def manifests() -> tuple[bytes, ...]:
    """Return the texts of all good manifests."""
    found = [*sorted(CORPUS.glob("*.yaml")), *sorted(_EXAMPLES.rglob("*.yaml"))]
    found = [path for path in found if not path.parent.name.startswith("plugin-")]
    texts = [path.read_bytes() for path in found]
    return tuple(text for text in texts if any(kind.encode() in text for kind in _KINDS))


@cache
def trees() -> tuple[list[tree.Node], ...]:
    """Return the same as trees."""
    return tuple(tree.read(text.decode()) for text in manifests())


def a_manifest(random: Random) -> bytes:
    """Return a broken manifest: changed in its bytes, its structure or both."""
    if random.random() < 0.4:
        return mutations.mutated(random, random.choice(manifests()), manifests())
    documents = [tree.copied(document) for document in random.choice(trees())]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        tree.mutate(random, documents)
    text = tree.write(documents)
    return mutations.mutated(random, text, manifests()) if random.random() < 0.1 else text


@cache
def workload() -> Workload:
    """Return what traces are replayed with: triggers of every kind."""
    found = load([CORPUS], scalers=checks.SCALERS, environ=checks.ENVIRONMENT, outside=Outside.OPTIONAL)
    return next(each for each in found.workloads if each.name == "web")


def a_trace(random: Random) -> str:
    """Return a broken trace, with at least one line of each kind before it was broken."""
    sample = {"replica": "web--a", "state": "ready", "usage": 0.3, "limit": 0.5, "running_s": 100.0, "settled_s": 90.0}
    lines: list[dict[str, object]] = [
        {"t": 0, "readings": {"requests": 0}},
        {
            "t": 10,
            "workload": "web",
            "readings": {"requests": {"value": 50, "active": True, "mean": 40}},
            "replicas": 3,
        },
        {"t": 20, "readings": {"requests": {"error": "connection refused"}}, "replicas": 5, "ready": 2},
        {"t": 30, "readings": {"load": {"samples": [sample]}}},
        {"t": 40, "readings": {"requests": {"value": 7, "changes_at": 60}}},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    if random.random() < 0.5:
        return mutations.mutated(random, text.encode(), [text.encode()]).decode("utf-8", "replace")
    document = [tree.read(json.dumps(line))[0] for line in lines]
    for _ in range(random.choice((1, 1, 2))):
        tree.mutate(random, document)
    return "\n".join(_as_json(node) for node in document)


def some_labels(random: Random) -> dict[str, str]:
    """Return broken labels."""
    labels = dict(random.choice(LABELS))
    for _ in range(random.choice((1, 1, 2, 4))):
        key = random.choice(list(labels))
        text = mutations.mutated(random, labels[key].encode(), [value.encode() for value in labels.values()])
        if random.random() < 0.3:
            other = mutations.mutated(random, key.encode(), [b"scaler."]).decode("utf-8", "replace")
            labels[random.choice((other, "scaler." + other, "scaler.trigger." + other))] = labels[key]
        else:
            labels[key] = text.decode("utf-8", "replace")
    return labels


def _as_json(node: tree.Node) -> str:
    if isinstance(node, tree.Pairs):
        return "{" + ", ".join(f"{key}: {_as_json(value)}" for key, value in node) + "}"
    return "[" + ", ".join(map(_as_json, node)) + "]" if isinstance(node, list) else node
