"""One workload: what its triggers say, what limits it, and how fast it is."""

from __future__ import annotations

from panel import OF_WORKLOAD, Panel, average, quantile, rate

TEXT = "One workload: its replicas, what its triggers say, what limits it, and how fast it is."

PANELS = (
    Panel(
        "Replicas",
        "What is wanted, what exists and what serves, between the bounds of the manifest.",
        {
            name: f"sum(scaler_workload_{name}_replicas{{{OF_WORKLOAD}}})"
            for name in ("wanted", "current", "ready", "min", "max")
        },
        width=16,
    ),
    Panel(
        "Limits that bit",
        "How often a second a rule changed the count that the triggers wanted; `scaler explain` names the rules, too.",
        {"{{rule}}": rate("scaler_limits_total", OF_WORKLOAD, "rule")},
        unit="ops",
        width=8,
    ),
    Panel(
        "Value of each trigger against its target",
        "A backlog or requests (AverageValue) are compared with the target of all replicas; cpu, memory and rules of"
        " type Value with the target itself. Above it, more are wanted.",
        {
            "{{trigger}} value": f"scaler_trigger_value{{{OF_WORKLOAD}}}",
            "{{trigger}} target": f"scaler_trigger_target{{{OF_WORKLOAD}}}",
            "{{trigger}} target of all replicas": (
                f"scaler_trigger_target{{{OF_WORKLOAD}}} * on (job, instance, workload) group_left"
                f" scaler_workload_wanted_replicas{{{OF_WORKLOAD}}}"
            ),
        },
    ),
    Panel(
        "Replicas that each trigger wants",
        "Before limits; the largest counts.",
        {"{{trigger}}": f"scaler_trigger_wanted_replicas{{{OF_WORKLOAD}}}"},
    ),
    Panel(
        "Sources",
        "1 while the source of a trigger can be read.",
        {"{{trigger}}": f"scaler_trigger_up{{{OF_WORKLOAD}}}"},
        width=8,
    ),
    Panel(
        "Active triggers",
        "1 while a trigger says that there is work.",
        {"{{trigger}}": f"scaler_trigger_active{{{OF_WORKLOAD}}}"},
        width=8,
    ),
    Panel(
        "Decisions by reason",
        "Decisions a second, by what decided the count.",
        {"{{reason}}": rate("scaler_decisions_total", OF_WORKLOAD, "reason")},
        unit="ops",
        width=8,
    ),
    Panel(
        "Reaction",
        "From the reading to the start command that it caused, on average.",
        {"average": average("scaler_workload_reaction_seconds", OF_WORKLOAD)},
        unit="s",
        width=8,
    ),
    Panel(
        "Wake",
        "From the decision to leave zero to the first replica that serves.",
        {
            "half": quantile(0.5, "scaler_wake_seconds", OF_WORKLOAD),
            "19 of 20": quantile(0.95, "scaler_wake_seconds", OF_WORKLOAD),
        },
        unit="s",
        width=8,
        red_from=30,
    ),
    Panel(
        "Starts and stops",
        "Replicas started, told to stop, and changes that failed, a second.",
        {
            "started": rate("scaler_replica_starts_total", OF_WORKLOAD),
            "stopped": rate("scaler_replica_stops_total", OF_WORKLOAD),
            "failed": rate("scaler_actuation_failures_total", OF_WORKLOAD),
        },
        unit="ops",
        width=8,
    ),
    Panel(
        "Requests",
        "Those that wait for a replica, and those that replicas have; only apps with ingress.",
        {
            "held": f"sum(scaler_requests_held{{{OF_WORKLOAD}}})",
            "in flight": f"sum(scaler_requests_in_flight{{{OF_WORKLOAD}}})",
        },
        width=8,
    ),
    Panel(
        "How holds end",
        "Requests a second that came while no replica was ready, by what became of them; only apps with ingress.",
        {"{{outcome}}": rate("scaler_holds_total", OF_WORKLOAD, "outcome")},
        unit="reqps",
        width=8,
    ),
    Panel(
        "Time held",
        "How long requests waited that were held; only apps with ingress.",
        {"19 of 20": quantile(0.95, "scaler_hold_duration_seconds", OF_WORKLOAD)},
        unit="s",
        width=8,
    ),
    Panel(
        "Requests in flight on average",
        "By which the http trigger decides: over its stable window, and over the short one for bursts.",
        {
            "stable": f"scaler_trigger_stable_concurrency{{{OF_WORKLOAD}}}",
            "panic": f"scaler_trigger_panic_concurrency{{{OF_WORKLOAD}}}",
        },
        width=24,
    ),
)
