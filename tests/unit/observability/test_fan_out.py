"""The fan-out passes on every fact there is: one that it forgot would be missing from every metric and page."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from scaler.observability.fan_out import FanOut
from scaler.ports.recorder import Recorder

VERBS = [name for name, _ in inspect.getmembers(Recorder, inspect.isfunction) if not name.startswith("_")]


class Listening(Recorder):
    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattribute__(self, name: str) -> Any:
        if name not in VERBS:
            return super().__getattribute__(name)
        heard = self.heard

        def hear(*args: Any, **kwargs: Any) -> None:
            heard.append((name, args, kwargs))

        return hear


@pytest.mark.parametrize("verb", VERBS)
def test_every_fact_reaches_all_recorders_unchanged(verb: str) -> None:
    first, second = Listening(), Listening()
    tell: Callable[..., None] = getattr(FanOut(first, second), verb)
    parameters = list(inspect.signature(tell).parameters.values())
    args = tuple(each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
    kwargs = {each.name: object() for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
    tell(*args, **kwargs)
    assert first.heard == second.heard == [(verb, args, kwargs)]
