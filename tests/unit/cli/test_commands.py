"""The commands that need no service: what they print, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import structlog
from typer.testing import CliRunner, Result

from scaler.cli import app
from scaler.manifests import load_manifests
from scaler.observability.api import WorkloadList
from scaler.observability.status import StatusBoard

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"

APP = """\
type: Microsoft.App/containerApps
name: worker
properties:
  template:
    containers: [{name: main, image: worker}]
    scale:
      maxReplicas: 10
      rules:
        - name: jobs
          custom: {type: redis, metadata: {address: "localhost:6379", listName: jobs, listLength: "5"}}
"""

INGRESS = "  configuration: {ingress: {external: true, targetPort: 8080}}"

TEN_MISTAKES = """\
type: Microsoft.App/containerApps
name: Worker!
properties:
  template:
    containers:
      - name: main
        command: echo
        env:
          - {name: PASSWORD, secretRef: nowhere}
    scale:
      minReplicas: 20
      maxReplicas: 10
      pollingIntervall: 1
      cooldownPeriod: soon
      rules:
        - name: jobs
          custom: {type: redis, metadata: {address: "localhost:6379", listLenght: "5"}}
        - name: more
          custom: {type: rediss, metadata: {}}
        - name: jobs
          http: {metadata: {concurrentRequests: "10"}}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "app.yaml"
    path.write_text(APP)
    return path


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Commands configure logging for their process, which here is the tests'."""
    yield
    structlog.reset_defaults()


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", **(env or {})})


def test_validate_says_what_would_run(manifest: Path) -> None:
    result = run("validate", manifest)
    assert (result.exit_code, result.output) == (0, "worker: 0 to 10 replicas, triggers: jobs (redis)\n")


def test_ten_mistakes_are_ten_problems_in_one_run(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(TEN_MISTAKES)
    result = run("validate", path)
    lines = result.stderr.splitlines()
    assert result.exit_code == 2
    assert len(lines) >= 10, result.stderr
    assert all(line.startswith(f"{path}:") and ": found " in line and ", expected " in line for line in lines)
    for words in (
        "Worker!",
        "image",
        "secretRef",
        "pollingInterval",
        "soon",
        "listLength",
        "redis",
        "an app with ingress",
    ):
        assert words in result.stderr


def test_strict_turns_warnings_into_errors(manifest: Path) -> None:
    manifest.write_text("location: westeurope\n" + APP)
    relaxed, strict = run("validate", manifest), run("validate", "--strict", manifest)
    assert relaxed.exit_code == 0
    assert "location" in relaxed.stderr
    assert strict.exit_code == 2
    assert "location" in strict.stderr


def test_running_a_broken_manifest_ends_with_2_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(TEN_MISTAKES)
    result = run("run", path, "--state-dir", tmp_path / "state", "--listen", "127.0.0.1:0")
    assert result.exit_code == 2
    assert "Worker!" in result.stderr


def test_running_a_foreign_target_is_refused_though_validate_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "keda.yaml"
    path.write_text(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: shop}\nspec:\n"
        "  scaleTargetRef: {name: shop}\n  triggers:\n    - type: redis\n"
        '      metadata: {address: "localhost:6379", listName: jobs}\n'
    )
    assert run("validate", path).exit_code == 0
    result = run("run", path, "--state-dir", tmp_path / "state", "--listen", "127.0.0.1:0")
    assert result.exit_code == 2
    assert "Deployment" in result.stderr


def test_keda_yaml_of_a_cluster_is_validated_and_simulated_unchanged(tmp_path: Path) -> None:
    path, trace = tmp_path / "keda.yaml", tmp_path / "trace.jsonl"
    path.write_text(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: shop}\nspec:\n"
        "  scaleTargetRef: {name: shop}\n  triggers:\n    - type: redis\n"
        "      metadata: {addressFromEnv: REDIS_OF_THE_CLUSTER, listName: jobs}\n"
        "      authenticationRef: {name: of-the-cluster}\n"
    )
    trace.write_text('{"t": 0, "readings": {"redis-0": 50}}\n')
    relaxed, simulated = run("validate", path), run("simulate", path, "--trace", trace)
    assert (relaxed.exit_code, simulated.exit_code) == (0, 0)
    assert relaxed.stderr.count("not checked: ") == simulated.stderr.count("not checked: ") == 2
    assert json.loads(simulated.stdout)["desired"] == 10
    assert run("validate", "--strict", path).exit_code == 2
    ran = run("run", path, "--state-dir", tmp_path / "state", "--listen", "127.0.0.1:0")
    assert ran.exit_code == 2
    assert "not checked" not in ran.stderr


def test_simulate_prints_a_json_line_per_decision(manifest: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"t": 0, "readings": {"jobs": 0}}\n{"t": 10, "readings": {"jobs": 50}}\n')
    result = run("simulate", manifest, "--trace", trace)
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert [(row["t"], row["replicas"], row["desired"]) for row in rows] == [(0, 0, 0), (10, 0, 10)]
    assert list(rows[0]) == [
        *("t", "replicas", "desired", "active", "reason", "triggers", "limits", "next_change_at"),
    ]
    assert list(rows[1]["triggers"][0]) == ["name", "type", "value", "active", "target", "wants", "error"]


def test_simulate_sums_up_in_the_last_line_of_a_table(manifest: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"t": 0, "readings": {"jobs": 0}}\n{"t": 10, "readings": {"jobs": 50}}\n{"t": 20}\n')
    result = run("simulate", manifest, "--trace", trace, "--format", "table")
    assert result.output.splitlines()[-1] == "replica-seconds 100, changes 1, seconds at zero 10"


def test_simulate_takes_replicas_every_ready_after_and_start(manifest: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"t": 0, "readings": {"jobs": 10}}\n{"t": 4, "readings": {"jobs": 10}}\n')
    options = ("--replicas", 3, "--every", 1, "--ready-after", 2, "--start", "2026-01-01T00:00:00")
    result = run("simulate", manifest, "--trace", trace, *options)
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["t"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[0]["replicas"] == 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param('{"t": 0, "readings": {"job": 1}}', "did you mean 'jobs'?", id="unknown trigger"),
        pytest.param('{"t": 0, "readings": ', "expected a JSON object", id="no JSON"),
    ],
)
def test_a_bad_trace_is_reported_by_line(manifest: Path, tmp_path: Path, line: str, expected: str) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"t": 0}\n' + line + "\n")
    result = run("simulate", manifest, "--trace", trace)
    assert result.exit_code == 2
    assert f"{trace}:2:" in result.stderr
    assert expected in result.stderr


def test_simulate_asks_which_workload_where_there_are_several(manifest: Path, tmp_path: Path) -> None:
    manifest.write_text(APP + "---\n" + APP.replace("name: worker", "name: other"))
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"t": 0}\n')
    result = run("simulate", manifest, "--trace", trace)
    assert result.exit_code == 2
    assert "--workload: worker, other" in result.stderr
    assert run("simulate", manifest, "--trace", trace, "--workload", "other").exit_code == 0


def test_schema_is_json_and_knows_the_installed_scalers() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.output)["$schema"].startswith("https://json-schema.org/")
    assert "listLength" in result.output


def test_plugins_lists_types_with_origin_and_parameters() -> None:
    listing = run("plugins").output
    assert "redis-streams" in listing
    assert "event-scaler" in listing
    parameters = run("plugins", "redis").output
    assert "listLength" in parameters
    assert "required" in parameters
    assert run("plugins", "redis", "--markdown").output.startswith("# `redis`\n")
    # Into a pipe, which has no width: a row on a line, and no word cut.
    piped = CliRunner().invoke(app, ["plugins", "kafka"], env={"COLUMNS": None}).output
    (row,) = (line for line in piped.splitlines() if "ensureEvenDistributionOfPartitions" in line)
    assert "false" in row
    assert "each gets equally many partitions" in row
    # To a narrow terminal it is folded.
    assert "…" not in run("plugins", "kafka", env={"COLUMNS": "60"}).output
    unknown = run("plugins", "kafkaa")
    assert unknown.exit_code == 2
    assert "redis" in unknown.stderr


@pytest.mark.parametrize("command", [("status",), ("explain", "worker")])
def test_asking_without_a_service_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "--state-dir", tmp_path)
    assert result.exit_code == 2
    assert "no service has run" in result.stderr
    result = run(*command, "--state-dir", tmp_path, "--address", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "no service answers at 127.0.0.1:1" in result.stderr


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The address of an API with two workloads, one of which is reached by requests."""
    board = StatusBoard(urls=lambda workload: [f"http://{workload.name}.localhost:8480"])
    shop, worker = tmp_path / "shop.yaml", tmp_path / "worker.yaml"
    worker.write_text(APP)
    shop.write_text(APP.replace("name: worker", "name: shop").replace("properties:", f"properties:\n{INGRESS}"))
    for workload in load_manifests([shop, worker]).workloads:
        board.workload_added(workload)
    board.configuration_reloaded(accepted=False)
    board.configuration_reloaded(accepted=False, part="shop/web")
    board.proxy_up(up=False)
    shown = WorkloadList.of(board)

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(shown.model_dump_json().encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_status_shows_where_apps_are_reached(tmp_path: Path, service: str) -> None:
    lines = run("status", "--state-dir", tmp_path, "--address", service).output.splitlines()
    assert lines[0].rstrip().endswith("reached at")
    assert lines[1].rstrip().endswith("http://shop.localhost:8480")
    assert lines[2].rstrip().endswith("jobs=unknown/5")


def test_status_says_what_is_wrong_with_the_service(tmp_path: Path, service: str) -> None:
    """Beside the table, so that what reads that needs not know."""
    result = run("status", "--state-dir", tmp_path, "--address", service)
    assert len(result.stdout.splitlines()) == 3
    manifests, labels, proxy = result.stderr.splitlines()
    assert manifests.startswith("The last edit of the manifests was rejected: ")
    assert manifests.endswith("The log and scaler validate say why.")
    assert labels.startswith("The last edit of the labels of shop/web was rejected: ")
    assert labels.endswith("The log and scaler validate --compose say why.")
    assert proxy == "No proxy serves: apps with ingress are not reached."


def test_the_examples_are_valid() -> None:
    for example in sorted([*EXAMPLES.glob("*.yaml"), *EXAMPLES.glob("scalers/*.yaml")]):
        # Azure prints fields that mean nothing here: there are warnings.
        strict = () if example.name == "aca-exported.yaml" else ("--strict",)
        result = run("validate", *strict, example, env={"REDIS_PASSWORD": "x", "RABBITMQ_URL": "amqp://x"})
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("command", ["run", "validate"])
def test_without_manifests_there_must_be_labels(command: str, tmp_path: Path) -> None:
    result = run(command, env={"SCALER_STATE_DIR": str(tmp_path)})
    assert result.exit_code == 2
    assert "no manifests given" in result.output


def test_a_compose_service_is_named_by_project_and_service(tmp_path: Path) -> None:
    good = (EXAMPLES / "compose" / "scaled-object.yaml").read_text()
    path = tmp_path / "scaled-object.yaml"
    path.write_text(good)
    assert run("validate", path).output == "shop-worker: 0 to 10 replicas, triggers: redis-0 (redis)\n"
    path.write_text(good.replace("shop/worker", "worker"))
    result = run("validate", path)
    assert result.exit_code == 2
    assert "spec.scaleTargetRef.name: found 'worker', expected a compose service as PROJECT/SERVICE" in result.output


def test_two_scaled_objects_for_one_compose_service_are_an_error(tmp_path: Path) -> None:
    """Compose services know no namespaces."""
    good = (EXAMPLES / "compose" / "scaled-object.yaml").read_text()
    path = tmp_path / "two.yaml"
    again = good.replace("  name: shop-worker\n", "  name: again\n  namespace: other\n")
    path.write_text(f"{good}---\n{again}")
    result = run("validate", path)
    assert result.exit_code == 2
    assert "expected one ScaledObject for each target" in result.output
