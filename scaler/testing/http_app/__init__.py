"""Apps to send requests to, as local processes and in containers, and the manifests that run them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PLAIN = Path(__file__).with_name("plain.py")
RPC = Path(__file__).with_name("rpc.py")
# Where they listen in a container, unless `PORT` says otherwise.
PORT = 8080


def command(script: Path = PLAIN) -> list[str]:
    """Return what runs one of them as a local process."""
    # Without site: a third of the time that the interpreter takes to start. gRPC is in site-packages.
    options = ["-I", "-S"] if script == PLAIN else ["-I"]
    return [sys.executable, *options, str(script)]


def manifest(
    name: str,
    *,
    image: str | None = None,
    script: Path = PLAIN,
    start: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    ingress: Mapping[str, object] | None = None,
    scale: Mapping[str, object] | None = None,
    grace_s: int = 30,
) -> str:
    """Return an Azure Container Apps manifest that serves one of them by HTTP.

    Args:
        name: The app's.
        image: Run containers of it; local processes when not given.
        script: Which one.
        start: A command to run in its place.
        environment: Variables that it gets.
        ingress: Fields of `ingress` beside `external` and `targetPort`, or other values for these.
        scale: The fields of `scale`.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """
    begin = start if start is not None else (None if image else command(script))
    container: dict[str, object] = {
        "name": "main",
        "image": image or "none",
        "env": [{"name": key, "value": value} for key, value in (environment or {}).items()],
    }
    if begin is not None:
        container["command"] = list(begin)
    return json.dumps(
        {
            "type": "Microsoft.App/containerApps",
            "name": name,
            "properties": {
                "configuration": {"ingress": {"external": True, "targetPort": PORT, **(ingress or {})}},
                "template": {
                    "terminationGracePeriodSeconds": grace_s,
                    "containers": [container],
                    "scale": dict(scale or {}),
                },
            },
        }
    )
