"""What the workload's own replicas use: `cpu` and `memory`.

Connection:
    None. The engine gives what the actuator itself counts: the Docker engine's statistics of each container, or, for
    local processes, the whole tree of each. One count serves all triggers of a workload, at most once a second. Only
    the trigger's own workload is counted; a compose service counts as on Docker, against the limits of its containers.

    | | Docker | local processes |
    |---|---|---|
    | cpu | `cpu_usage.total_usage` of the cgroup | user and system time of the tree, ended children included |
    | memory | the working set, as in `docker stats`: no inactive file pages | resident memory, shared pages for each |

    Authentication parameters: none.

Outages:
    While the engine does not answer, both are unknown: the count does not go down, and other triggers go on. After a
    restart of the service cpu is unknown until it was counted twice.
"""
