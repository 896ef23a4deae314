"""What holds for every flow of requests and all of Knative's parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from scaler.decision import decide, initial_state, resumed
from scaler.model import (
    ConcurrencyPolicy,
    ConcurrencyState,
    Decision,
    DecisionState,
    Direction,
    Reading,
    ReplicaCounts,
    ScalingPolicy,
    TriggerPolicy,
)

START = 1_700_000_000.0
PAUSES = st.integers(1, 40).map(lambda quarter: quarter / 4)
LEVELS = st.sampled_from([0.0, 0.0, 1.0, 5.0, 12.0, 40.0, 300.0])

rules = st.builds(
    ConcurrencyPolicy,
    stable_window_s=st.sampled_from([6.0, 20.0, 60.0]),
    panic_window_s=st.sampled_from([1.0, 2.0, 6.0]),
    panic_threshold=st.sampled_from([1.1, 2.0, 10.0]),
    max_up_rate=st.sampled_from([1.5, 1000.0]),
    max_down_rate=st.sampled_from([2.0, 1000.0]),
    scale_down_delay_s=st.sampled_from([0.0, 0.0, 30.0]),
    activation_scale=st.sampled_from([1, 3]),
)
policies = st.builds(
    ScalingPolicy,
    triggers=st.builds(
        TriggerPolicy, st.just("http"), st.just("http"), st.sampled_from([0.7, 1.0, 10.0]), concurrency=rules
    ).map(lambda trigger: (trigger,)),
    min_replicas=st.integers(0, 2),
    max_replicas=st.integers(2, 60),
    cooldown_s=st.sampled_from([0.0, 10.0, 300.0]),
    scale_down=st.just(Direction()),
)


@dataclass
class App:
    """An app whose replicas follow at once."""

    policy: ScalingPolicy
    count: int = 0
    now: float = START
    state: DecisionState = field(default_factory=lambda: initial_state(START))

    def tick(self, reading: Reading) -> Decision:
        counts = ReplicaCounts.settled(self.count)
        decision, self.state = decide(self.policy, self.state, {"http": reading}, counts, self.now)
        self.count = decision.desired
        return decision

    @property
    def rules(self) -> ConcurrencyPolicy:
        (trigger,) = self.policy.triggers
        assert trigger.concurrency is not None
        return trigger.concurrency


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    value = draw(LEVELS)
    return Reading(value, mean=draw(st.none() | LEVELS))


@st.composite
def apps(draw: st.DrawFn) -> App:
    app = App(draw(policies), draw(st.integers(0, 20)))
    for _ in range(draw(st.integers(0, 10))):
        app.tick(draw(readings()))
        app.now += draw(PAUSES)
    return app


@given(st.data())
def test_an_average_lies_within_what_was_in_flight(data: st.DataObject) -> None:
    app = data.draw(apps())
    reading = data.draw(readings())
    before = app.state.concurrency.get("http", ConcurrencyState())
    (outcome,) = app.tick(reading).triggers
    after = app.state.concurrency["http"]
    assert outcome.windows is not None
    if after.seconds:
        # What was read last may count for the time since.
        levels = [before.in_flight, *(each.request_seconds / each.known_s for each in before.seconds)]
        levels += [level for level in (reading.value, reading.mean) if level is not None]
        for average in (outcome.windows.stable, outcome.windows.panic):
            assert min(levels) - 1e-6 <= average <= max(levels) + 1e-6


@given(st.data())
def test_while_it_panics_the_count_wanted_only_rises(data: st.DataObject) -> None:
    app = data.draw(apps())
    # A delay may hold more than panic does, and let go of it meanwhile.
    assume(not app.rules.scale_down_delay_s)
    wants = []
    for _ in range(12):
        decision = app.tick(data.draw(readings()))
        (outcome,) = decision.triggers
        assert outcome.windows is not None
        if not outcome.windows.panicking:
            wants.clear()
        wants.append(outcome.wants or 0)
        app.now += data.draw(PAUSES)
        assert all(before <= after for before, after in pairwise(wants[1:]))


@given(st.data())
def test_silence_leaves_nothing(data: st.DataObject) -> None:
    app = data.draw(apps())
    # Panic ends, the windows empty, and then half of the replicas go at a time, each as late as the delay has it.
    halvings = 8
    steps_s = halvings * (app.rules.scale_down_delay_s + 5)
    end = app.now + 3 * app.rules.stable_window_s + steps_s + app.policy.cooldown_s
    while app.now <= end:
        app.tick(Reading(0.0, active=False, mean=0.0))
        app.now += 5
    decision = app.tick(Reading(0.0))
    assert decision.desired == app.policy.min_replicas


@given(st.data(), st.sampled_from(["outage", "restart", "lost"]))
def test_after_time_without_readings_nothing_scales_down_for_a_stable_window(data: st.DataObject, gap: str) -> None:
    app = data.draw(apps())
    assume(1 < app.count <= app.policy.max_replicas)
    app.now += app.rules.panic_window_s + 1 + data.draw(PAUSES)
    match gap:
        case "outage":
            app.tick(Reading.failed("down"))
        case "restart":
            app.state = resumed(app.policy, app.state, app.now)
        case _:
            app.state = initial_state(app.now)
    assume(app.count > 1)
    begun, count = app.now, app.count
    while app.now <= begun + app.rules.stable_window_s:
        # One request is in flight throughout, so that the cooldown does not run.
        assert app.tick(Reading(1.0, mean=data.draw(LEVELS))).desired >= count
        app.now += 1 + data.draw(PAUSES)


@given(st.data())
def test_more_in_flight_never_wants_less(data: st.DataObject) -> None:
    app = data.draw(apps())
    less = data.draw(readings())
    more = Reading(
        (less.value or 0.0) + data.draw(LEVELS), mean=None if less.mean is None else less.mean + data.draw(LEVELS)
    )
    counts = ReplicaCounts(app.count, app.count, data.draw(st.integers(0, app.count)))
    low, _ = decide(app.policy, app.state, {"http": less}, counts, app.now)
    high, _ = decide(app.policy, app.state, {"http": more}, counts, app.now)
    assert (high.triggers[0].wants or 0) >= (low.triggers[0].wants or 0)


@given(st.data())
def test_the_count_stays_until_the_announced_moment(data: st.DataObject) -> None:
    app = data.draw(apps())
    reading = data.draw(readings())
    decision = app.tick(reading)
    due = decision.next_change_at
    assert due is None or due >= app.now
    # Either what was read stays as it is, or the number in flight does, which is then its own average.
    steady = data.draw(st.sampled_from([reading, Reading(reading.value)]))
    for _ in range(40):
        app.now += data.draw(PAUSES)
        if due is not None and app.now >= due:
            break
        assert app.tick(steady).desired == decision.desired
