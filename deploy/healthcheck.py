"""The health check of the image: ends with 0 when the service with this state dir answers /healthz."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

_TIMEOUT_S = 3


def main() -> int:
    """Ask the API where the service noted that it listens."""
    note = Path(os.environ["SCALER_STATE_DIR"]) / "service.json"
    try:
        address = json.loads(note.read_text())["address"]
        # Straight to it, whatever proxy the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{address}/healthz", timeout=_TIMEOUT_S):
            return 0
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
