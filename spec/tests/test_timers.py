"""Many deadlines at once, against a dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from spec.timers import Timers

keys = st.sampled_from("abcdef")
moments = st.integers(0, 20).map(float)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), keys, moments), st.tuples(st.just("disarm"), keys), st.tuples(st.just("due"), moments)
    ),
    max_size=60,
)


@given(steps)
def test_each_key_rings_once_at_its_earliest_deadline(steps: list[tuple[str, str, float]]) -> None:
    """Early or on time, never late, the earliest first."""
    timers: Timers[str] = Timers()
    model: dict[str, float] = {}
    for step, *arguments in steps:
        match step, arguments:
            case "arm", [str(key), float(deadline)]:
                timers.arm(key, deadline)
                model[key] = min(deadline, model.get(key, deadline))
            case "disarm", [str(key)]:
                timers.disarm(key)
                model.pop(key, None)
            case "due", [float(now)]:
                rung = list(timers.due(now))
                assert sorted(rung) == sorted(key for key, deadline in model.items() if deadline <= now)
                assert [model[key] for key in rung] == sorted(model.pop(key) for key in rung.copy())
        assert timers.deadline == min(model.values(), default=None)


def test_a_key_may_be_armed_again_while_it_rings() -> None:
    timers: Timers[str] = Timers()
    timers.arm("a", 1.0)
    timers.arm("b", 2.0)
    rung = []
    for key in timers.due(2.0):
        rung.append(key)
        if key == "a":
            timers.arm("a", 3.0)
    assert rung == ["a", "b"]
    assert timers.deadline == 3.0


def test_a_key_may_be_disarmed_while_another_rings() -> None:
    timers: Timers[str] = Timers()
    timers.arm("a", 1.0)
    timers.arm("b", 1.0)
    for key in timers.due(1.0):
        timers.disarm("ab".replace(key, ""))
        assert key == "a"
    assert timers.deadline is None


def test_keys_that_come_and_go_do_not_pile_up() -> None:
    """LOAD-3: whoever connects and leaves ten thousand times costs as much as a few."""
    timers: Timers[int] = Timers()
    timers.arm(-1, 5.0)
    for key in range(10_000):
        timers.arm(key, 1e6 - key)
        timers.disarm(key)
    assert len(timers._heap) < 100  # what it keeps cannot be seen from outside
    assert timers.deadline == 5.0
