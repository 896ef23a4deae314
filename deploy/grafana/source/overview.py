"""All workloads at a glance."""

from __future__ import annotations

from panel import OF_SERVICE, Panel, figure, rate

TEXT = "All workloads at a glance: what is missing, late, blind or at its maximum."


def total(metric: str) -> str:
    """Return a gauge by workload."""
    return f"sum by (workload) ({metric}{{{OF_SERVICE}}})"


STARVING = (
    f"scaler_workload_ready_replicas{{{OF_SERVICE}}} == 0 and scaler_workload_wanted_replicas{{{OF_SERVICE}}} > 0"
)

PANELS = (
    figure("Workloads", "How many are scaled.", f"count(scaler_workload_wanted_replicas{{{OF_SERVICE}}})"),
    figure("Replicas", "How many exist, of all workloads.", f"sum(scaler_workload_current_replicas{{{OF_SERVICE}}})"),
    figure(
        "Sources down",
        "Triggers that cannot be read now.",
        f"sum(1 - scaler_trigger_up{{{OF_SERVICE}}})",
        red_from=1,
    ),
    figure(
        "Cannot start",
        "Workloads whose replicas cannot be changed as wanted, or of whose wanted replicas none serves.",
        f"count(scaler_workload_failing{{{OF_SERVICE}}} == 1 or ({STARVING})) or vector(0)",
        red_from=1,
    ),
    figure(
        "At maximum",
        "Workloads that want more replicas than they may have.",
        f"sum(scaler_workload_at_maximum{{{OF_SERVICE}}})",
        red_from=1,
    ),
    figure(
        "Manifests rejected",
        "Services whose last edit of manifests was rejected; they go on with what they had.",
        f"count(scaler_configuration_accepted{{{OF_SERVICE}}} == 0) or vector(0)",
        red_from=1,
    ),
    Panel(
        "Replicas by workload",
        "How many exist and are not stopping.",
        {"{{workload}}": total("scaler_workload_current_replicas")},
    ),
    Panel(
        "Missing replicas",
        "Wanted, but not serving: they start, or fail to.",
        {
            "{{workload}}": f"{total('scaler_workload_wanted_replicas')} - {total('scaler_workload_ready_replicas')}",
        },
    ),
    Panel(
        "Nearest to the maximum",
        "Wanted replicas as a share of the most that are allowed; the first ten.",
        {
            "{{workload}}": (
                f"topk(10, {total('scaler_workload_wanted_replicas')} / {total('scaler_workload_max_replicas')})"
            )
        },
        unit="percentunit",
        kind="bargauge",
        red_from=1,
    ),
    Panel(
        "Failed reads",
        "Errors a second by trigger.",
        {"{{workload}} {{trigger}}": rate("scaler_trigger_errors_total", OF_SERVICE, "workload", "trigger")},
        unit="ops",
    ),
    Panel(
        "Requests held",
        "Requests that wait for a replica to start; only apps with ingress.",
        {"{{workload}}": total("scaler_requests_held")},
    ),
    Panel(
        "Requests in flight",
        "Requests that replicas have; only apps with ingress.",
        {"{{workload}}": total("scaler_requests_in_flight")},
    ),
)
