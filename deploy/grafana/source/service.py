"""The service itself: whether it is up, in time, and within its means."""

from __future__ import annotations

from panel import OF_SERVICE, Panel, figure, quantile, rate

TEXT = "The service itself: is it up, in time, and within its means?"

PANELS = (
    figure("Up", "Services that answer Prometheus.", f"sum(up{{{OF_SERVICE}}})", red_below=1),
    figure(
        "Proxies",
        "Services with a proxy that serves; 0 without ingress.",
        f"sum(scaler_proxy_up{{{OF_SERVICE}}}) or vector(0)",
    ),
    figure(
        "Running for", "Since the last start.", f"time() - max(process_start_time_seconds{{{OF_SERVICE}}})", unit="s"
    ),
    figure(
        "Manifests accepted",
        "1 while the manifests, as last read, are what runs.",
        f"min(scaler_configuration_accepted{{{OF_SERVICE}}})",
        red_below=1,
    ),
    Panel(
        "Versions",
        "What runs, by number of services.",
        {"{{version}}": f"sum by (version) (scaler_build_info{{{OF_SERVICE}}})"},
        kind="stat",
        width=4,
        height=4,
    ),
    figure(
        "Plugin bugs",
        "Exceptions that a scaler's contract does not allow, since the start.",
        f"sum(scaler_plugin_bugs_total{{{OF_SERVICE}}})",
        red_from=1,
    ),
    Panel(
        "Lateness",
        "How much later than due decisions begin.",
        {
            "half": quantile(0.5, "scaler_wakeup_lateness_seconds", OF_SERVICE),
            "99 of 100": quantile(0.99, "scaler_wakeup_lateness_seconds", OF_SERVICE),
        },
        unit="s",
        red_from=1,
    ),
    Panel(
        "Reaction",
        "From a reading to the start command that it caused.",
        {
            "half": quantile(0.5, "scaler_reaction_seconds", OF_SERVICE),
            "19 of 20": quantile(0.95, "scaler_reaction_seconds", OF_SERVICE),
        },
        unit="s",
    ),
    Panel(
        "Reads",
        "Duration of one read by type of trigger, 19 of 20.",
        {"{{type}}": quantile(0.95, "scaler_read_duration_seconds", OF_SERVICE, "type")},
        unit="s",
        width=8,
    ),
    Panel(
        "Decisions",
        "Duration of one decision.",
        {"99 of 100": quantile(0.99, "scaler_decide_duration_seconds", OF_SERVICE)},
        unit="s",
        width=8,
    ),
    Panel(
        "Changes of replicas",
        "Duration of one change.",
        {"19 of 20": quantile(0.95, "scaler_actuate_duration_seconds", OF_SERVICE)},
        unit="s",
        width=8,
    ),
    Panel(
        "Decisions a second",
        "Of all workloads, and ticks that a source's push caused.",
        {
            "all": rate("scaler_decisions_total", OF_SERVICE),
            "pushed": rate("scaler_pushes_total", OF_SERVICE),
        },
        unit="ops",
        width=8,
    ),
    Panel(
        "Connections",
        "Shared clients by kind of server.",
        {"{{kind}}": f"sum by (kind) (scaler_connections_open{{{OF_SERVICE}}})"},
        width=8,
    ),
    Panel(
        "Edits of manifests",
        "By outcome, a second.",
        {"{{outcome}}": rate("scaler_configuration_reloads_total", OF_SERVICE, "outcome")},
        unit="ops",
        width=8,
    ),
    Panel(
        "Processor time",
        "Cores in use; decisions share one.",
        {"{{instance}}": rate("process_cpu_seconds_total", OF_SERVICE, "instance")},
        width=6,
        red_from=0.9,
    ),
    Panel(
        "Memory",
        "Resident.",
        {"{{instance}}": f"process_resident_memory_bytes{{{OF_SERVICE}}}"},
        unit="bytes",
        width=6,
    ),
    Panel(
        "File descriptors",
        "Open, as a share of what the process may have.",
        {"{{instance}}": f"process_open_fds{{{OF_SERVICE}}} / process_max_fds{{{OF_SERVICE}}}"},
        unit="percentunit",
        width=6,
        red_from=0.9,
    ),
    Panel(
        "Proxy",
        "Proxies that ended unasked, requests lost with them, and configurations that one refused, since the start.",
        {
            "deaths": f"sum(scaler_proxy_deaths_total{{{OF_SERVICE}}})",
            "lost requests": f"sum(scaler_proxy_lost_requests_total{{{OF_SERVICE}}})",
            "refused": f"sum(scaler_proxy_rejections_total{{{OF_SERVICE}}})",
        },
        width=6,
    ),
)
