"""The manifests that the demo runs: the same queue worker as local processes, and as containers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

QUEUE = "demo:queue"
DONE = "demo:done"
# The environment variable of the demo's service that its manifest takes the password from.
PASSWORD_VARIABLE = "SCALER_DEMO_PASSWORD"  # noqa: S105 - a name
_WORK_S = 0.1

_MANIFEST = """\
type: Microsoft.App/containerApps
name: worker
properties:
  configuration:
    secrets:
      - name: redis-password
        value: ${{env:{password_variable}}}
  template:
    terminationGracePeriodSeconds: 5
    containers:
      - name: worker
        image: {image}
        command: {command}
        args: {args}
        env:
          - {{name: REDIS_HOST, value: "{host}"}}
          - {{name: REDIS_PORT, value: "{port}"}}
          - {{name: REDIS_PASSWORD, secretRef: redis-password}}
          - {{name: QUEUE, value: "{queue}"}}
          - {{name: DONE, value: "{done}"}}
          - {{name: WORK_SECONDS, value: "{work_s}"}}
    scale:
      minReplicas: 0
      maxReplicas: 10
      pollingInterval: 0.5
      cooldownPeriod: 3
      rules:
        - name: queue
          custom:
            type: redis
            metadata:
              address: {host}:{port}
              listName: {queue}
              listLength: "20"
            auth:
              - secretRef: redis-password
                triggerParameter: password
"""

# Speaks Redis' inline commands over one connection of nc; PID 1 has to trap SIGTERM, or it would ignore it.
_SHELL_WORKER = """\
trap 'stopping=1' TERM
mkfifo /tmp/commands /tmp/replies
nc "$REDIS_HOST" "$REDIS_PORT" </tmp/commands >/tmp/replies &
exec 3>/tmp/commands 4</tmp/replies
ask() {
  printf '%s\\r\\n' "$1" >&3
  read -r reply <&4 || exit 1
  case "$reply" in '$-1'*) ;; '$'*) read -r message <&4 ;; esac
}
ask "AUTH $REDIS_PASSWORD"
while [ -z "$stopping" ]; do
  ask "LPOP $QUEUE"
  case "$reply" in
    '$-1'*) sleep 0.1 ;;
    *) sleep "$WORK_SECONDS"; ask "INCR $DONE" ;;
  esac
done
"""


def process_manifest(host: str, port: int) -> str:
    """Return the manifest of a worker that runs as local processes."""
    script = str(Path(__file__).with_name("worker.py"))
    return _manifest(host, port, image="none", command=[sys.executable], args=["-I", "-S", script])


def docker_manifest(host: str, port: int, image: str) -> str:
    """Return the manifest of a worker that runs in containers of an image with a busybox shell."""
    return _manifest(host, port, image=image, command=["/bin/sh"], args=["-c", _SHELL_WORKER])


def _manifest(host: str, port: int, *, image: str, command: list[str], args: list[str]) -> str:
    return _MANIFEST.format(
        password_variable=PASSWORD_VARIABLE,
        host=host,
        port=port,
        image=image,
        command=json.dumps(command),
        args=json.dumps(args),
        queue=QUEUE,
        done=DONE,
        work_s=_WORK_S,
    )
