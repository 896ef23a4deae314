"""Whose a host name is: an app's own names are always its own, any other is that of the first app that wants it."""

from __future__ import annotations

from collections.abc import Iterable


class Hosts:
    """Which app has which host name."""

    def __init__(self) -> None:
        self._own: dict[str, str] = {}
        self._claims: dict[str, list[str]] = {}
        self._of: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def owner(self, host: str) -> str | None:
        """Return the app that has a host name."""
        if own := self._own.get(host):
            return own
        claims = self._claims.get(host)
        return claims[0] if claims else None

    def claim(self, app: str, own: Iterable[str], others: Iterable[str]) -> set[str]:
        """Take note of all that an app wants, in place of what it wanted.

        Returns:
            The other apps that gained or lost a host name by it.
        """
        before = self._of.get(app, (frozenset(), frozenset()))
        after = (frozenset(own), frozenset(others))
        if before == after:
            return set()
        touched = before[0] | before[1] | after[0] | after[1]
        owners = {host: self.owner(host) for host in touched}
        for host in before[0] - after[0]:
            if self._own.get(host) == app:
                del self._own[host]
        for host in before[1] - after[1]:
            self._claims[host].remove(app)
            if not self._claims[host]:
                del self._claims[host]
        for host in after[0]:
            self._own.setdefault(host, app)
        for host in sorted(after[1] - before[1]):
            self._claims.setdefault(host, []).append(app)
        self._of[app] = after
        changed = {host for host in touched if self.owner(host) != owners[host]}
        return {each for host in changed for each in (owners[host], self.owner(host)) if each} - {app}

    def release(self, app: str) -> set[str]:
        """Forget an app; return the others that gained a host name by it."""
        gained = self.claim(app, (), ())
        self._of.pop(app, None)
        return gained
