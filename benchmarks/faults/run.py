"""One run: chooses faults, strikes, looks, and prints the account."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.faults import disk, kinds
from benchmarks.faults.fault import Fault
from benchmarks.faults.invariants import Invariants
from benchmarks.faults.settings import Settings
from benchmarks.faults.world import World, running


@dataclass
class Account:
    """What was done and what was seen.

    Attributes:
        done: Faults by kind.
        broken: Broken invariants, each with its fault.
        slowest_s: The longest that anything took to settle.
        requests: Sent to the app with ingress.
        jobs: Worked off.
    """

    done: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    requests: int = 0
    jobs: int = 0


def main() -> None:
    """Run as the environment says.

    Raises:
        SystemExit: An invariant was broken, or faults are missing.
    """
    settings, account, began = Settings.of_environment(), Account(), time.monotonic()
    print(f"{settings.count} faults, seed {settings.seed}, worlds {', '.join(settings.worlds)}", flush=True)
    for number, name in enumerate(settings.worlds):
        share = settings.count // len(settings.worlds) + (number < settings.count % len(settings.worlds))
        seed = settings.seed + number
        with running(name, seed=seed, source_names=settings.sources, mounted=disk.possible()) as world:
            _strike(world, share, settings, account, deadline=began + settings.limit_s)
            account.requests += world.client.tally.requests.total()
            account.jobs += world.jobs.total if world.jobs else 0
    _print_summary(settings, account, time.monotonic() - began)
    if account.broken or account.done.total() < settings.count:
        raise SystemExit(f"{len(account.broken)} invariants broken, {account.done.total()} of {settings.count} faults")


def _strike(world: World, count: int, settings: Settings, account: Account, *, deadline: float) -> None:
    invariants = Invariants(world, settings.settle_s)
    world.change_levels(most=len(world.levels))
    account.broken += _told("at the start", invariants.begin())
    for fault in _chosen(world, count, settings):
        if time.monotonic() > deadline:
            break
        print(f"{datetime.now(UTC):%H:%M:%S.%f} {world.name}: {fault.name}", end=" ", flush=True)
        began, broken, details = time.monotonic(), [], ""
        try:
            details = fault.strike(world)
        except Exception as error:  # noqa: BLE001 - whatever it was, the run goes on and says so
            broken.append(f"it could not be done and undone: {error!r}")
        struck = time.monotonic()
        if not broken or world.service.runs:
            broken += invariants.check(fault)
        looks = ", ".join(f"{name} {seconds:.1f}" for name, seconds in invariants.took_s.items())
        details += _lost(invariants.lost)
        looked_s = time.monotonic() - struck
        print(f"({details}) {struck - began:.1f} s, all looked at after {looked_s:.1f} s ({looks})", flush=True)
        account.broken += _told(f"{world.name}: {fault.name}", broken)
        account.done[f"{world.name}: {fault.name}"] += 1
        if broken:
            if settings.keep is not None:
                _keep(world, settings.keep)
            _mend(world)
    account.slowest_s = max(account.slowest_s, invariants.slowest_s)


def _chosen(world: World, count: int, settings: Settings) -> list[Fault]:
    """Return every kind that works here once, in any order, and then any; kinds that were asked for only."""
    works = [it for it in kinds.ALL.values() if (not settings.kinds or it.name in settings.kinds) and it.works(world)]
    chance: random.Random = world.chance
    first = chance.sample(works, min(count, len(works)))
    more = chance.choices(works, [it.weight for it in works], k=count - len(first))
    return first + more


def _lost(requests: list[str]) -> str:
    return f"; {len(requests)} requests lost, one of them: {requests[0]}" if requests else ""


def _told(where: str, broken: list[str]) -> list[str]:
    for text in broken:
        print(f"\n  broken: {text}", flush=True)
    return [f"{where}: {text}" for text in broken]


def _mend(world: World) -> None:
    """Let the run go on."""
    for source in world.sources.values():
        if not source.server.runs:
            source.server.start()
    if world.engine is not None and not world.engine.runs:
        world.start_engine()
    if not world.service.runs:
        world.service.kill()
        world.start_service()


def _keep(world: World, folder: Path) -> None:
    """Copy the log, and what Envoy counted, where they can be read after the run."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(world.folder / "service.log", folder / "service.log")
    admin = world.service.state_dir / "ingress" / "envoy" / "admin.sock"
    command = ["curl", "--silent", "--unix-socket", str(admin), "http://envoy/stats"]
    told = subprocess.run(command, capture_output=True, check=False)
    (folder / "envoy.stats").write_bytes(told.stdout)


def _print_summary(settings: Settings, account: Account, seconds: float) -> None:
    print(f"\n{account.done.total()} faults in {seconds:.0f} s, seed {settings.seed}")
    for name, times in sorted(account.done.items()):
        print(f"  {times:4d} {name}")
    print(f"settled after {account.slowest_s:.1f} s at most; {account.requests} requests, {account.jobs} jobs")
    print(f"machine: {machine.describe()}, {', '.join(_versions())}")
    for text in account.broken:
        print(f"broken: {text}")
    print(f"broken invariants: {len(account.broken)}", flush=True)


def _versions() -> list[str]:
    commands = {"redis-server": "--version", "dockerd": "--version", "prometheus": "--version"}
    found = []
    for program, option in commands.items():
        if (path := shutil.which(program)) is not None:
            told = subprocess.run([path, option], capture_output=True, text=True, check=False)
            found.append((told.stdout or told.stderr).splitlines()[0][:60].strip())
    return found
