"""One Envoy's discovery stream: brings it from what it has to what is wanted, in an order that cuts no request.

New clusters and their endpoints come first, then listeners and routes, and what nothing leads to any more goes last
(make before break). One push is under way at a time; what changes meanwhile goes out with the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

import structlog
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from scaler.ingress.xds import state
from scaler.ingress.xds.catalogue import Snapshot
from scaler.ingress.xds.resources import AppResources
from scaler.ingress.xds.state import Kind

log = structlog.get_logger(__name__)

# An Envoy that does not answer a push by then hangs: its stream is ended, and it is no longer waited for.
ANSWER_TIMEOUT_S = 30.0
# Envoy asks for a cluster's endpoints and a listener's routes once it has these; it is not waited for longer.
ASK_TIMEOUT_S = 10.0
# What was refused without being an app's fault, such as a listener whose port is taken, is tried again.
RETRY_S = 5.0
# Kinds of which each push names all there are: what it does not name goes.
_WHOLE = frozenset({Kind.CLUSTERS, Kind.LISTENERS})


class Wants(Protocol):
    """What a stream is to bring about, and whom it tells how far it is."""

    def snapshot(self) -> Snapshot:
        """Return what is wanted now."""
        ...

    def progressed(self) -> None:
        """Take note that an Envoy has accepted something."""

    def brought(self, snapshot: Snapshot) -> None:
        """Take note that an Envoy has all of a snapshot but what it refused."""

    def refused(self, apps: dict[str, AppResources], message: str) -> None:
        """Take note that an Envoy refuses these apps; no app is a refused listener."""


class Stream:
    """The discovery of one Envoy.

    Args:
        wants: What is wanted.
        send: Sends a response.
        instance: Tells the versions of this run of the service from those of others.
        answer_timeout_s: An Envoy that does not answer a push by then is given up.
    """

    def __init__(
        self,
        wants: Wants,
        send: Callable[[Any], Awaitable[None]],
        *,
        instance: str,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._wants = wants
        self._send = send
        self._instance = instance
        self._answer_timeout_s = answer_timeout_s
        self._number = 0
        self._units: dict[Kind, dict[str, Any]] = {kind: {} for kind in Kind}
        self._asked: dict[Kind, frozenset[str]] = {}
        self._sides: set[str] = set()
        self._awaited: dict[Kind, tuple[str, asyncio.Future[str | None]]] = {}
        self._stirred = asyncio.Event()
        self._heard = asyncio.Event()
        self._told: set[Kind] = set()
        self._endpoints_at: tuple[Snapshot, frozenset[str]] | None = None
        self._unfinished = False
        self._held: set[str] = set()
        self._put_off = ""
        self._reported = ""
        self.version = -1

    def stir(self) -> None:
        """Look again: what is wanted changed."""
        self._stirred.set()

    def has(self, name: str, app: AppResources | None) -> bool:
        """Return whether the Envoy has accepted all of an app; None is that it is gone."""
        if app is None and not self._told >= {Kind.CLUSTERS, Kind.ROUTES}:
            return False  # it goes on with what another run told it
        units = self._units
        clusters = app.clusters if app else {}
        return (
            units[Kind.CLUSTERS].get(name, {}) == clusters
            and (not app or all(units[Kind.ENDPOINTS].get(key) == load for key, load in app.assignments.items()))
            and units[Kind.ROUTES].get(name, {}) == (app.virtual_hosts if app else {})
            and units[Kind.LISTENERS].get(name, {}) == (app.certificates if app else {})
        )

    def receive(self, request: Any) -> None:
        """Take a request: a subscription, or the answer to a push."""
        try:
            kind = Kind(request.type_url)
        except ValueError:
            return
        names = frozenset(request.resource_names)
        if names != self._asked.get(kind):
            self._asked[kind] = names
            self._stirred.set()
        if kind is Kind.ENDPOINTS:
            for gone in self._units[kind].keys() - names:
                del self._units[kind][gone]
        elif kind is Kind.ROUTES:
            self._sides &= names
        nonce, answer = self._awaited.get(kind, (None, None))
        if answer is not None and request.response_nonce == nonce and not answer.done():
            refused = request.HasField("error_detail")
            answer.set_result(request.error_detail.message or "no reason given" if refused else None)
        self._heard.set()
        self._heard = asyncio.Event()

    async def run(self) -> None:
        """Bring the Envoy to what is wanted, again and again.

        Raises:
            TimeoutError: It does not answer.
        """
        while True:
            self._stirred.clear()
            snapshot = self._wants.snapshot()
            self._put_off, self._unfinished, self._held = "", False, set()
            await self._bring(snapshot)
            if not self._unfinished:
                self.version = snapshot.version
                self._wants.brought(snapshot)
            if not self._put_off:
                self._reported = ""
            try:
                async with asyncio.timeout(RETRY_S if self._put_off else None):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def _bring(self, snapshot: Snapshot) -> None:
        clusters = state.wanted(Kind.CLUSTERS, snapshot)
        grown = state.with_former(clusters, self._units[Kind.CLUSTERS])
        if await self._stage(Kind.CLUSTERS, grown, snapshot):
            taken = {name for app in self._units[Kind.CLUSTERS].values() for name in app}
            needed = {name for app in snapshot.apps.values() for name in app.clusters}
            await self._until_asked(Kind.ENDPOINTS, needed & taken)
        await self._endpoints(snapshot)
        await self._stage(Kind.LISTENERS, state.wanted(Kind.LISTENERS, snapshot), snapshot)
        await self._endpoints(self._wants.snapshot())
        await self._until_asked(Kind.ROUTES, state.sides_listened(self._units[Kind.LISTENERS]))
        await self._stage(Kind.ROUTES, state.wanted(Kind.ROUTES, snapshot), snapshot)
        await self._endpoints(self._wants.snapshot())
        await self._stage(Kind.CLUSTERS, clusters, snapshot)

    async def _endpoints(self, snapshot: Snapshot) -> None:
        """Push what changed of the endpoints that Envoy asked for: that is right at any time."""
        asked = self._asked.get(Kind.ENDPOINTS, frozenset())
        if self._endpoints_at and self._endpoints_at[0] is snapshot and self._endpoints_at[1] is asked:
            return
        wanted = {name: load for name, load in state.wanted(Kind.ENDPOINTS, snapshot).items() if name in asked}
        had = self._units[Kind.ENDPOINTS]
        self._units[Kind.ENDPOINTS] = {name: load for name, load in had.items() if name in wanted}
        await self._stage(Kind.ENDPOINTS, wanted, snapshot)
        self._endpoints_at = (snapshot, asked)

    async def _stage(self, kind: Kind, wanted: dict[str, Any], snapshot: Snapshot) -> bool:
        """Bring one kind of resource to what is wanted but for what is refused; return whether anything was pushed."""
        # What was refused in this pass goes no further in it.
        wanted = state.changed_units(wanted, self._units[kind], self._held)
        changed = state.differences(self._units[kind], wanted)
        first = kind in _WHOLE and kind not in self._told and not self._held
        unsent = kind is Kind.ROUTES and self._asked.get(kind, frozenset()) - self._sides
        if not changed and not first and not unsent:
            return False
        if refusals := await self._offer(kind, wanted, changed, snapshot):
            self._refused(kind, refusals, snapshot, blameless=first and len(refusals) == len(changed) > 1)
        return True

    def _refused(self, kind: Kind, refusals: dict[str, str], snapshot: Snapshot, *, blameless: bool) -> None:
        """Have refused apps left out; what is the fault of none is tried again later.

        That is: listeners, endpoints (which are no app's manifest), and whatever is refused each and all by an Envoy
        that has taken nothing of the kind yet.
        """
        self._held |= refusals.keys()
        message = "; ".join(dict.fromkeys(refusals.values()))
        blamed = set() if blameless or kind is Kind.ENDPOINTS else refusals.keys() & snapshot.apps.keys()
        apps = {name: snapshot.apps[name] for name in blamed}
        if len(apps) < len(refusals):
            self._put_off = message
        self._unfinished |= kind is not Kind.LISTENERS or bool(apps)
        if apps or message != self._reported:
            self._reported = self._put_off
            log.error("configuration_rejected", kind=kind.name.lower(), apps=sorted(apps), error=message)
            self._wants.refused(apps, message)

    async def _offer(
        self, kind: Kind, wanted: dict[str, Any], changed: Sequence[str], snapshot: Snapshot
    ) -> dict[str, str]:
        """Push changed units, in parts where the whole is refused; return those that are refused alone, and why."""
        message = await self._push(kind, wanted, changed)
        if message is None:
            return {}
        if len(changed) <= 1:
            return dict.fromkeys(changed or [""], message)
        suspects = state.named_in(message, changed, snapshot)
        if not 0 < len(suspects) < len(changed):
            suspects = list(changed[len(changed) // 2 :])
        suspected = set(suspects)
        others = [name for name in changed if name not in suspected]
        refusals = await self._offer(kind, wanted, others, snapshot)
        return refusals | await self._offer(kind, wanted, suspects, snapshot)

    async def _push(self, kind: Kind, wanted: dict[str, Any], changed: Sequence[str]) -> str | None:
        """Push changed units; return None if Envoy took them, else why not."""
        before = self._units[kind]
        units = state.changed_units(before, wanted, changed)
        sides: frozenset[str] = frozenset()
        if kind is Kind.ROUTES:
            asked = self._asked.get(kind, frozenset())
            sides = asked & (state.sides_of(before, units, changed) | (asked - self._sides))
        resources = state.resources(kind, units, changed=changed, sides=sides)
        if kind is Kind.CLUSTERS:
            self._forget_endpoints(before, units, changed)
            message = await self._exchange_clusters(resources)
        else:
            message = await self._exchange(kind, resources) if resources or kind in _WHOLE else None
        if message is not None:
            return message
        self._units[kind] = units
        self._sides |= sides
        self._told.add(kind)
        self._wants.progressed()
        return None

    def _forget_endpoints(self, before: state.Units, after: state.Units, changed: Sequence[str]) -> None:
        """Have the endpoints of changed clusters sent again: Envoy makes such a cluster anew, and waits for them."""
        for app in changed:
            for name, cluster in before.get(app, {}).items():
                if after.get(app, {}).get(name) != cluster:
                    self._units[Kind.ENDPOINTS].pop(name, None)
                    self._endpoints_at = None

    async def _exchange_clusters(self, resources: Sequence[bytes]) -> str | None:
        """Send clusters, and meanwhile their endpoints: Envoy says that it took clusters once they have theirs."""
        async with asyncio.timeout(self._answer_timeout_s):
            answer = await self._dispatch(Kind.CLUSTERS, resources)
            while not answer.done():
                heard = self._heard
                await self._endpoints(self._wants.snapshot())
                if not answer.done():
                    await heard.wait()
            return answer.result()

    async def _exchange(self, kind: Kind, resources: Sequence[bytes]) -> str | None:
        """Send resources; return None once Envoy has taken them, or why it did not."""
        async with asyncio.timeout(self._answer_timeout_s):
            return await (await self._dispatch(kind, resources))

    async def _dispatch(self, kind: Kind, resources: Sequence[bytes]) -> asyncio.Future[str | None]:
        """Send resources; return where Envoy's answer will be. Only the task of `run` sends: one write at a time."""
        await self._until_asked(kind, frozenset())
        self._number += 1
        nonce = f"{self._instance}.{self._number}"
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._awaited[kind] = (nonce, answer)
        response = discovery_pb2.DiscoveryResponse(
            version_info=nonce,
            nonce=nonce,
            type_url=kind.value,
            resources=[any_pb2.Any(type_url=kind.value, value=each) for each in resources],
        )
        await self._send(response)
        return answer

    def _has_asked(self, kind: Kind, names: AbstractSet[str]) -> bool:
        if kind in _WHOLE:  # names nothing: it wants all there is
            return kind in self._asked
        return names <= self._asked.get(kind, frozenset())

    async def _until_asked(self, kind: Kind, names: AbstractSet[str]) -> None:
        """Wait until Envoy has asked for resources of a kind, if it does so in time."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                while not self._has_asked(kind, names):
                    await self._heard.wait()
        except TimeoutError:
            missing = sorted(names - self._asked.get(kind, frozenset()))
            log.warning("resources_not_asked_for", kind=kind.name.lower(), names=missing[:10])
