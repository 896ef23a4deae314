"""Arguments for which the shell is offered what there is: workloads of a running service, installed scalers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from scaler import wiring
from scaler.cli_options import default_state_dir
from scaler.engine import plugins
from scaler.observability.api_client import ApiClient
from scaler.ports.errors import ScalerError


def workload_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the workloads that begin so; none where no service runs."""
    state_dir = context.params.get("state_dir") or os.environ.get("SCALER_STATE_DIR") or default_state_dir()
    address = context.params.get("address")
    try:
        workloads = ApiClient(address or wiring.service_address(Path(state_dir))).workloads()
    except ScalerError:  # a shell has no place for it
        return []
    return [workload.name for workload in workloads if workload.name.startswith(incomplete)]


def scaler_types(incomplete: str) -> list[str]:
    """Return the types of scalers that begin so."""
    return sorted({plugin.type for plugin in plugins.installed() if plugin.type.startswith(incomplete)})


WorkloadName = Annotated[str, typer.Argument(help="The workload's name.", autocompletion=workload_names)]
ScalerType = Annotated[
    str | None,
    typer.Argument(metavar="[TYPE]", help="Show the parameters of this one.", autocompletion=scaler_types),
]
