"""The way of a count through the rules, each change noted with the rule that made it."""

from __future__ import annotations

from scaler.model import Limit, Rule


class Course:
    """A count on its way from what the triggers want to what is decided.

    Attributes:
        count: Where it is now.
        limits: The changes so far, in order.
    """

    __slots__ = ("count", "limits")

    def __init__(self, count: int) -> None:
        self.count = count
        self.limits: list[Limit] = []

    def move(self, rule: Rule, to: int) -> None:
        """Set the count, and note the rule if that changes it."""
        if to != self.count:
            self.limits.append(Limit(rule, self.count, to))
            self.count = to
