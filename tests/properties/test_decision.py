"""What holds for every policy, every memory and every demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.decision import decide, initial_state
from scaler.model import (
    ConcurrencyPolicy,
    Decision,
    DecisionState,
    Direction,
    Fallback,
    FallbackBehavior,
    MetricType,
    Pause,
    PolicyType,
    RateLimit,
    Reading,
    Reason,
    ReplicaCounts,
    ReplicaSample,
    ReplicaState,
    ScalingPolicy,
    SelectPolicy,
    TriggerKind,
    TriggerPolicy,
)

SECONDS = st.integers(0, 120).map(lambda quarter: quarter / 4)
COUNTS = st.integers(0, 30)

limits = st.builds(
    RateLimit, st.sampled_from(PolicyType), value=st.integers(0, 120), period_s=st.sampled_from([1, 5, 15, 40])
)
directions = st.builds(
    Direction,
    stabilization_window_s=st.sampled_from([0.0, 0.0, 3.0, 10.0, 30.0]),
    limits=st.lists(limits, max_size=2).map(tuple),
    select_policy=st.sampled_from([SelectPolicy.MAX, SelectPolicy.MAX, SelectPolicy.MIN, SelectPolicy.DISABLED]),
    tolerance=st.sampled_from([0.0, 0.1, 0.5]),
    explicit=st.booleans(),
)
fallbacks = st.none() | st.builds(
    Fallback, failure_threshold=st.integers(0, 2), replicas=COUNTS, behavior=st.sampled_from(FallbackBehavior)
)
samples = st.builds(
    ReplicaSample,
    replica=st.just("r"),
    state=st.sampled_from(ReplicaState),
    usage=st.none() | st.floats(0, 10),
    limit=st.sampled_from([None, 0.5, 2.0]),
    running_s=st.none() | st.sampled_from([1.0, 100.0, 1000.0]),
    settled_s=st.sampled_from([1.0, 100.0, 990.0]),
    window_s=st.sampled_from([0.0, 15.0]),
)
readings = st.one_of(
    st.lists(samples, max_size=6).map(lambda found: Reading(samples=tuple(found))),
    st.integers(0, 200).map(lambda value: Reading(float(value))),
    st.just(Reading(0.0)),
    st.builds(Reading, value=st.floats(-10, 200), active=st.booleans()),
    st.just(Reading.failed("down")),
    st.builds(Reading, value=st.integers(0, 100).map(float), mean=st.integers(0, 400).map(lambda part: part / 4)),
    st.builds(Reading, value=st.sampled_from([0.0, 40.0]), active=st.booleans(), changes_at=st.floats(990, 1100)),
)


flights = st.builds(
    ConcurrencyPolicy,
    stable_window_s=st.sampled_from([6.0, 20.0, 60.0, 150.0]),
    panic_window_s=st.sampled_from([1.0, 2.0, 6.0]),
    panic_threshold=st.sampled_from([1.1, 2.0, 10.0]),
    max_up_rate=st.sampled_from([1.1, 2.0, 1000.0]),
    max_down_rate=st.sampled_from([1.1, 2.0, 1000.0]),
    scale_down_delay_s=st.sampled_from([0.0, 0.0, 5.0, 30.0]),
    activation_scale=st.sampled_from([1, 1, 3]),
    weighted=st.sampled_from([False, False, False, True]),
)


@st.composite
def triggers(draw: st.DrawFn, name: str) -> TriggerPolicy:
    kind = draw(st.sampled_from([TriggerKind.EXTERNAL, TriggerKind.EXTERNAL, TriggerKind.RESOURCE]))
    other = MetricType.VALUE if kind is TriggerKind.EXTERNAL else MetricType.UTILIZATION
    metric_type = draw(st.sampled_from([MetricType.AVERAGE_VALUE, MetricType.AVERAGE_VALUE, other]))
    return TriggerPolicy(
        name,
        "external",
        draw(st.sampled_from([1.0, 5.0, 0.333, 20.0])),
        metric_type,
        activation=draw(st.sampled_from([0.0, 0.0, 10.0])),
        kind=kind,
        exact=draw(st.booleans()),
        busy_start=draw(st.booleans()),
        concurrency=draw(st.none() | flights) if kind is TriggerKind.EXTERNAL else None,
    )


@st.composite
def policies(draw: st.DrawFn, *, pauses: bool = True) -> ScalingPolicy:
    least = draw(st.integers(0, 5))
    pause = st.builds(Pause, scale_in=st.booleans(), scale_out=st.booleans(), force_activation=st.booleans())
    return ScalingPolicy(
        triggers=tuple(draw(triggers(name)) for name in ("a", "b")[: draw(st.integers(1, 2))]),
        min_replicas=least,
        max_replicas=draw(st.integers(max(least, 1), 25)),
        idle_replicas=draw(st.integers(0, least - 1)) if least and draw(st.booleans()) else None,
        cooldown_s=draw(st.sampled_from([0.0, 5.0, 20.0])),
        initial_cooldown_s=draw(st.sampled_from([0.0, 5.0, 20.0])),
        scale_up=draw(directions),
        scale_down=draw(directions),
        fallback=draw(fallbacks),
        pause=draw(pause) if pauses and draw(st.booleans()) else Pause(),
    )


@dataclass
class Run:
    """A workload that has lived through some ticks, its replicas following at once."""

    policy: ScalingPolicy
    count: int
    now: float = 1000.0
    state: DecisionState = field(default_factory=lambda: initial_state(1000.0))
    history: list[Decision] = field(default_factory=list)

    def tick(self, given: Mapping[str, Reading]) -> Decision:
        decision, self.state = decide(self.policy, self.state, given, ReplicaCounts.settled(self.count), self.now)
        self.count = decision.desired
        self.history.append(decision)
        return decision


@st.composite
def runs(draw: st.DrawFn, *, pauses: bool = True) -> Run:
    run = Run(draw(policies(pauses=pauses)), draw(COUNTS))
    for _ in range(draw(st.integers(0, 8))):
        run.tick(draw(demands(run.policy)))
        run.now += draw(SECONDS)
    return run


def demands(policy: ScalingPolicy) -> st.SearchStrategy[dict[str, Reading]]:
    return st.fixed_dictionaries({}, optional={trigger.name: readings for trigger in policy.triggers})


def known(policy: ScalingPolicy) -> st.SearchStrategy[dict[str, Reading]]:
    value = st.integers(0, 200).map(lambda number: Reading(float(number)))
    return st.fixed_dictionaries({trigger.name: value for trigger in policy.triggers})


def lowest_rest(policy: ScalingPolicy) -> int:
    return policy.min_replicas if policy.idle_replicas is None else policy.idle_replicas


@given(st.data())
def test_the_count_stays_within_its_bounds(data: st.DataObject) -> None:
    run = data.draw(runs(pauses=False))
    decision = run.tick(data.draw(demands(run.policy)))
    assert decision.desired <= run.policy.max_replicas
    started_below = decision.current < lowest_rest(run.policy)
    # A manifest's own scale-down policies may take several steps from the minimum to the idle count.
    assert decision.desired >= lowest_rest(run.policy) or started_below
    if decision.active:
        assert decision.desired >= max(run.policy.min_replicas, 1)


@given(st.data())
def test_never_to_zero_while_active_unless_scale_out_is_paused(data: st.DataObject) -> None:
    run = data.draw(runs())
    decision = run.tick(data.draw(demands(run.policy)))
    if decision.active and not run.policy.pause.scale_out:
        assert decision.desired >= 1


@given(st.data())
def test_more_demand_never_lowers_the_count(data: st.DataObject) -> None:
    run = data.draw(runs())
    less = data.draw(known(run.policy))
    name = data.draw(st.sampled_from(sorted(less)))
    more = {**less, name: Reading((less[name].value or 0.0) + data.draw(st.integers(0, 100)))}
    counts = ReplicaCounts(run.count, data.draw(COUNTS), data.draw(COUNTS))
    # What replicas use multiplies those that are ready; at the target itself the count stays as it was asked for.
    tolerant = any(not trigger.exact or trigger.kind is TriggerKind.RESOURCE for trigger in run.policy.triggers)
    low, _ = decide(run.policy, run.state, less, counts, run.now)
    high, _ = decide(run.policy, run.state, more, counts, run.now)
    settled = counts.spec == counts.status == counts.ready
    assert high.desired >= low.desired or (tolerant and not settled)


@given(st.data())
def test_an_unknown_trigger_never_scales_down(data: st.DataObject) -> None:
    run = data.draw(runs())
    policy = replace(run.policy, fallback=None)
    failing = data.draw(st.sampled_from([trigger.name for trigger in policy.triggers]))
    given_ = {**data.draw(demands(policy)), failing: Reading.failed("down")}
    decision, _ = decide(policy, run.state, given_, ReplicaCounts.settled(run.count), run.now)
    assert decision.desired >= min(run.count, policy.max_replicas)


@given(st.data())
def test_what_replicas_use_neither_wakes_nor_holds_what_sources_bring_to_zero(data: st.DataObject) -> None:
    run = data.draw(runs(pauses=False))
    sources = tuple(replace(trigger, kind=TriggerKind.EXTERNAL) for trigger in run.policy.triggers)
    cpu = TriggerPolicy("cpu", "cpu", 50.0, MetricType.UTILIZATION, kind=TriggerKind.RESOURCE, busy_start=True)
    used = Reading(samples=tuple(data.draw(st.lists(samples, max_size=5))))
    alone = replace(run.policy, triggers=sources)
    beside = replace(run.policy, triggers=(*sources, cpu))
    given_ = data.draw(demands(alone))
    counts = ReplicaCounts.settled(run.count)
    without, _ = decide(alone, run.state, given_, counts, run.now)
    decision, _ = decide(beside, run.state, {**given_, "cpu": used}, counts, run.now)
    assert decision.active == without.active
    assert decision.desired >= without.desired
    if run.count == 0 or without.reason is Reason.DEACTIVATED:
        assert decision.desired == without.desired


@given(st.data())
def test_nothing_falls_inside_the_first_window_of_a_spelled_out_scale_down(data: st.DataObject) -> None:
    policy = data.draw(policies())
    down = replace(policy.scale_down, stabilization_window_s=30.0, explicit=True)
    run = Run(replace(policy, scale_down=down), data.draw(st.integers(0, policy.max_replicas)))
    highest = run.count
    for _ in range(data.draw(st.integers(1, 8))):
        run.tick(data.draw(demands(run.policy)))
        assert run.count >= highest or highest < policy.min_replicas
        highest = max(highest, run.count) if run.count == highest else run.count
        run.now = min(run.now + data.draw(SECONDS), 1029.9)


@given(st.data())
def test_deciding_twice_at_the_same_moment_changes_nothing(data: st.DataObject) -> None:
    run = data.draw(runs())
    given_ = data.draw(demands(run.policy))
    counts = ReplicaCounts.settled(run.count)
    first, state = decide(run.policy, run.state, given_, counts, run.now)
    assert decide(run.policy, run.state, given_, counts, run.now)[0] == first
    again, state_again = decide(run.policy, state, given_, counts, run.now)
    if first.desired == first.current:
        assert again.desired == first.desired
        assert state_again == state


@given(st.data())
def test_one_tick_moves_no_further_than_the_policies_allow(data: st.DataObject) -> None:
    run = data.draw(runs())
    pods, period_s = data.draw(st.integers(1, 5)), 40
    step = Direction(limits=(RateLimit(PolicyType.PODS, pods, period_s),), explicit=True)
    policy = replace(run.policy, scale_up=step, scale_down=step)
    run = Run(policy, data.draw(st.integers(max(policy.min_replicas, 1), max(policy.max_replicas, 1))))
    begun, start = run.count, run.now
    while run.now < start + period_s:
        decision = run.tick(data.draw(known(policy)))
        floor = max(policy.min_replicas, 1)
        assert decision.desired <= max(begun + pods, floor)
        assert decision.desired >= begun - pods
        run.now += 1 + data.draw(SECONDS)


@given(st.data())
def test_constant_demand_converges(data: st.DataObject) -> None:
    run = data.draw(runs(pauses=False))
    policy = replace(
        run.policy,
        triggers=tuple(replace(trigger, metric_type=MetricType.AVERAGE_VALUE) for trigger in run.policy.triggers),
    )
    run.policy = policy
    steady = data.draw(known(policy))
    counts = []
    for _ in range(150):
        counts.append(run.tick(steady).desired)
        run.now += 41
    # Past every window and period, one more replica or percent at a time: it stands still.
    moves = [after - before for before, after in pairwise(counts[3:]) if after != before]
    assert all(move > 0 for move in moves) or all(move < 0 for move in moves)
    assert counts[-1] == counts[-2]


def announced_moment_holds(data: st.DataObject, run: Run, steady: Mapping[str, Reading]) -> None:
    decision = run.tick(steady)
    due = decision.next_change_at
    assert due is None or due >= run.now
    if decision.reason is not Reason.PAUSED:
        moments = [reading.changes_at for reading in steady.values() if reading.changes_at is not None]
        assert all(due is not None and due <= max(moment, run.now) for moment in moments)
    for _ in range(5):
        run.now += data.draw(SECONDS)
        if due is not None and run.now >= due:
            break
        later = run.tick(steady)
        assert later.desired == decision.desired, (decision, later)


@given(st.data())
def test_nothing_changes_before_the_announced_moment(data: st.DataObject) -> None:
    run = data.draw(runs())
    announced_moment_holds(data, run, data.draw(demands(run.policy)))


@pytest.mark.parametrize("value", [pytest.param(500.0, id="rising"), pytest.param(0.0, id="falling")])
@given(st.data())
def test_nothing_moves_before_a_window_or_period_ends(value: float, data: st.DataObject) -> None:
    step = st.builds(
        Direction,
        stabilization_window_s=st.sampled_from([0.0, 10.0]),
        limits=st.just((RateLimit(PolicyType.PODS, 3, 15),)),
        explicit=st.booleans(),
    )
    policy = ScalingPolicy(
        triggers=(TriggerPolicy("a", "external", 5.0),),
        min_replicas=data.draw(st.integers(0, 2)),
        max_replicas=50,
        cooldown_s=5.0,
        scale_up=data.draw(step),
        scale_down=data.draw(step),
    )
    run = Run(policy, data.draw(st.integers(1, 40)))
    for _ in range(data.draw(st.integers(0, 4))):
        run.tick(data.draw(known(policy)))
        run.now += data.draw(SECONDS)
    announced_moment_holds(data, run, {"a": Reading(value)})


@given(st.data())
def test_the_explanation_is_complete(data: st.DataObject) -> None:
    run = data.draw(runs())
    decision = run.tick(data.draw(demands(run.policy)))
    proposals = [outcome.wants for outcome in decision.triggers if outcome.wants is not None]
    count = decision.limits[0].before if decision.limits else decision.desired
    assert count in {max(proposals, default=decision.current), decision.current}
    for limit in decision.limits:
        assert limit.before == count != limit.after
        count = limit.after
    assert count == decision.desired
    if decision.reason is Reason.ACTIVATED:
        assert decision.active
        assert decision.desired > decision.current
    if decision.reason is Reason.DEACTIVATED:
        assert not decision.active
