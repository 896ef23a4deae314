"""The commands: thin, each turning errors into exit codes."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from scaler import cli_ingress, manifests, simulation, wiring
from scaler.cli_options import (
    ActuatorChoice,
    Address,
    Compose,
    Format,
    KedaMetrics,
    LogLevel,
    Manifests,
    StateDir,
    Strict,
    errors_as_exit_codes,
    show_table,
    shown_default,
)
from scaler.completion import ScalerType, WorkloadName
from scaler.engine import plugin_page, plugins
from scaler.manifest import Outside
from scaler.model import Workload
from scaler.observability import logs
from scaler.observability.api_client import ApiClient
from scaler.observability.explanation import describe_until, troubles_of_service
from scaler.observability.explanation import explain as explain_workload
from scaler.ports.errors import (
    ConfigError,
    InvalidManifest,
    PluginBroken,
    PluginNotFound,
    Problem,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Scale containers on events: queues, schedules and load in, replica counts including zero out.",
)
app.add_typer(cli_ingress.app)


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def root(
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Take the options that belong to no command."""
    if show_version:
        typer.echo(version("event-scaler"))
        raise typer.Exit


@app.command()
def run(
    state_dir: StateDir,
    paths: Manifests = None,
    *,
    listen: Annotated[str, typer.Option(help="HOST:PORT of the API; port 0 takes a free one.")] = "127.0.0.1:8470",
    actuator: Annotated[ActuatorChoice, typer.Option(help="auto: Docker where an engine answers.")] = (
        ActuatorChoice.AUTO
    ),
    network: Annotated[str | None, typer.Option(help="Docker network that the containers join.")] = None,
    compose: Compose = False,
    strict: Strict = False,
    record: Annotated[Path | None, typer.Option(help="Append a trace of all readings, for `simulate`.")] = None,
    keda_metrics: KedaMetrics = False,
    ingress: cli_ingress.External = cli_ingress.DEFAULT_INGRESS,
    ingress_tls: cli_ingress.Tls = None,
    ingress_internal: cli_ingress.Internal = None,
    certificates: cli_ingress.Certificates = None,
    envoy_concurrency: cli_ingress.EnvoyConcurrency = None,
    external_envoy: cli_ingress.ExternalEnvoy = False,
    log_level: Annotated[LogLevel, typer.Option(help="The least level that is logged.")] = LogLevel.INFO,
) -> None:
    """Run the service: scale what the manifests say, until SIGTERM. Replicas go on running then."""
    logs.configure(level=log_level)
    with errors_as_exit_codes():
        _need_manifests(paths, compose=compose)
        incoming = cli_ingress.parse_settings(
            external=ingress,
            tls=ingress_tls,
            internal=ingress_internal,
            certificates=certificates,
            concurrency=envoy_concurrency,
            external_envoy=external_envoy,
        )
        settings = wiring.Settings(
            *(tuple(paths or ()), state_dir, listen, actuator, network, strict, record),
            compose=compose,
            keda_metrics=keda_metrics,
            ingress=incoming,
        )
        wiring.run_until_stopped(settings)


@app.command()
def validate(paths: Manifests = None, *, compose: Compose = False, strict: Strict = False) -> None:
    """Check manifests: every problem at once, exit code 2. Needs no server and changes nothing.

    With --compose the labels of services that run now are checked too; that asks the Docker engine.
    """
    workloads: list[Workload] = []
    with errors_as_exit_codes():
        _need_manifests(paths, compose=compose)
        problems: list[Problem] = []
        if paths:
            try:
                loaded = manifests.load_manifests(paths, strict=strict, outside=Outside.OPTIONAL)
            except InvalidManifest as invalid:
                problems.extend(invalid.problems)
            else:
                workloads.extend(loaded.workloads)
                problems.extend(loaded.warnings)
        for scaling in asyncio.run(manifests.load_labels()) if compose else ():
            problems.extend(scaling.problems)
            workloads.extend([scaling.workload] if scaling.workload else [])
        if any(strict or not problem.warning for problem in problems):
            raise InvalidManifest(problems)
    for warning in problems:
        typer.echo(warning, err=True)
    for workload in workloads:
        policy = workload.policy
        triggers = ", ".join(f"{trigger.name} ({trigger.type})" for trigger in workload.triggers) or "none"
        typer.echo(f"{workload.name}: {policy.min_replicas} to {policy.max_replicas} replicas, triggers: {triggers}")


def _need_manifests(paths: Sequence[Path] | None, *, compose: bool) -> None:
    if not paths and not compose:
        raise ConfigError("no manifests given; name files or folders, or use --compose for labelled services")


@app.command()
def status(state_dir: StateDir, address: Address = None) -> None:
    """Show all workloads of a running service."""
    with errors_as_exit_codes():
        listed = ApiClient(address or wiring.service_address(state_dir)).listed()
    workloads = listed.workloads
    columns = ["workload", "wanted", "current", "ready", "min", "max", "reason", "triggers"]
    with_ingress = any(workload.ingress for workload in workloads)
    table = Table(*columns, *(["reached at"] if with_ingress else []), box=None)
    for workload in workloads:
        decision = workload.decision
        table.add_row(
            workload.name,
            str(decision.desired) if decision else "?",
            str(workload.current_replicas),
            str(workload.ready_replicas),
            str(workload.min_replicas),
            str(workload.max_replicas),
            str(decision.reason) if decision else "not decided yet",
            ", ".join(
                f"{trigger.name}={'unknown' if trigger.value is None else trigger.metric_type.shown(trigger.value)}"
                f"/{trigger.metric_type.shown(trigger.target)}{describe_until(trigger)}"
                for trigger in workload.triggers
            ),
            *([", ".join(workload.ingress.urls) if workload.ingress else ""] if with_ingress else []),
        )
    show_table(table)
    for trouble in troubles_of_service(listed.rejected, lacks_proxy=listed.lacks_proxy):
        typer.echo(trouble, err=True)


@app.command()
def explain(name: WorkloadName, state_dir: StateDir, address: Address = None) -> None:
    """Say why a workload has as many replicas as it has, and when that can next change."""
    with errors_as_exit_codes():
        workload = ApiClient(address or wiring.service_address(state_dir)).workload(name)
    for line in explain_workload(workload, now=time.time()):
        typer.echo(line)


@app.command()
def down(state_dir: StateDir) -> None:
    """Stop and remove every replica that a state dir owns, and its Envoy. Its service must have ended."""
    logs.configure(level="warning")
    with errors_as_exit_codes():
        count = asyncio.run(wiring.down(state_dir))
    typer.echo(f"{count} replicas stopped")


@app.command()
def schema() -> None:
    """Print the JSON Schema of manifests, for editors."""
    typer.echo(json.dumps(manifests.json_schema(), indent=2))


@app.command()
def demo(
    *,
    docker: Annotated[bool, typer.Option("--docker", help="Containers instead of local processes.")] = False,
    http: Annotated[
        bool, typer.Option("--http", help="Requests to an app instead of messages, by local processes.")
    ] = False,
) -> None:
    """Show a burst worked off from zero and back: a real Redis or Envoy, no set-up, less than a minute."""
    # Here, because nothing else needs what the demo needs.
    from scaler.demo import show  # noqa: PLC0415

    with errors_as_exit_codes():
        if docker and http:
            raise ConfigError("--docker and --http exclude each other")
        if http:
            show.show_requests()
        else:
            show.show_burst(docker=docker)


@app.command(name="plugins")
def list_plugins(
    type_: ScalerType = None,
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the whole page of that one.")] = False,
) -> None:
    """List the installed scalers and where they come from, or the parameters of one."""
    installed: dict[str, plugins.Plugin] = {}
    for plugin in plugins.installed():
        installed.setdefault(plugin.type, plugin)
    if type_ is None:
        table = Table("type", "from", "summary", box=None)
        for plugin in plugins.installed():
            table.add_row(plugin.type, f"{plugin.distribution} {plugin.version}", plugin.summary)
        show_table(table)
        return
    with errors_as_exit_codes():
        if type_ not in installed:
            raise PluginNotFound(type_, tuple(installed))
        found = installed[type_].found
        if isinstance(found, PluginBroken):
            raise found
        if markdown:
            typer.echo(plugin_page.page(found), nl=False)
            return
        table = Table("parameter", "default", "allowed", "from", "meaning", box=None)
        for parameter in plugins.parameters(found):
            default = "required" if parameter.required else shown_default(parameter.default)
            meaning = parameter.description + (" (secret)" if parameter.secret else "")
            table.add_row(parameter.name, default, ", ".join(parameter.allowed), ", ".join(parameter.sources), meaning)
        show_table(table)


@app.command()
def simulate(
    manifest: Annotated[Path, typer.Argument(help="A manifest file or folder; any target is taken.")],
    trace: Annotated[Path, typer.Option(help="JSON lines: moments with readings.")],
    workload: Annotated[str | None, typer.Option(help="Which one, when the manifest has several.")] = None,
    replicas: Annotated[int | None, typer.Option(min=0, help="The count before the first line.")] = None,
    every: Annotated[float | None, typer.Option(help="Decide every S seconds too, between the lines.")] = None,
    ready_after: Annotated[float, typer.Option(min=0, help="Seconds until a new replica is ready.")] = 0.0,
    start: Annotated[
        datetime | None, typer.Option(help="What t = 0 stands for; the epoch when not given, as in recorded traces.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.JSONL,
) -> None:
    """Replay a trace through the real decision: what would this policy have done? No I/O, nothing is scaled."""
    with errors_as_exit_codes():
        loaded = manifests.load_manifests([manifest], outside=Outside.OPTIONAL)
        for warning in loaded.warnings:
            typer.echo(warning, err=True)
        chosen = manifests.choose_workload(loaded.workloads, workload)
        names = [trigger.name for trigger in chosen.triggers]
        try:
            lines = trace.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the trace {trace} cannot be read: {error}") from error
        steps = simulation.parse_trace(lines, file=str(trace), triggers=names, workload=chosen.name)
        if every is not None and not 0 < every < math.inf:
            raise ConfigError(f"--every is {every:g}, expected more than 0 seconds")
        rows = simulation.simulate(
            chosen,
            steps,
            replicas=replicas,
            every_s=every,
            ready_after_s=ready_after,
            start=0.0 if start is None else start.replace(tzinfo=start.tzinfo or UTC).timestamp(),
        )
        shown = simulation.json_lines(rows) if format_ is Format.JSONL else simulation.table(list(rows))
        sys.stdout.writelines(f"{line}\n" for line in shown)
        sys.stdout.flush()
