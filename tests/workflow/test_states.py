"""States are tables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.workflow._errors import IllegalTransitionError
from penstock.workflow._states import (
    RunState,
    StepState,
    VersionState,
    advance,
    allowed_moves,
    diagram,
)

KINDS = (VersionState, RunState, StepState)


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_any_walk_over_a_table_ends_in_a_final_state_or_goes_on(
    kind: type, data: st.DataObject
) -> None:
    """The first state declared reaches every other; what the table lacks is refused by name."""
    state = next(iter(kind))
    for _ in range(30):
        wanted = data.draw(st.sampled_from(list(kind)))
        if wanted in allowed_moves(state):
            state = advance("it", state, wanted)
        else:
            with pytest.raises(IllegalTransitionError, match=f"cannot become {wanted}"):
                advance("it", state, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_can_be_reached(kind: type) -> None:
    reached, waiting = set(), [next(iter(kind))]
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting += allowed_moves(state)

    assert reached == set(kind)


def test_a_run_has_four_final_states() -> None:
    final = {state for state in RunState if state.final}

    assert final == {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED}


def test_an_ended_step_can_only_be_compensated() -> None:
    for state in StepState:
        if state.ended:
            assert set(allowed_moves(state)) <= {StepState.COMPENSATED}


def test_an_illegal_move_names_what_is_allowed() -> None:
    with pytest.raises(IllegalTransitionError) as caught:
        advance("run 'r1'", RunState.CANCELLING, RunState.RUNNING)

    assert str(caught.value) == (
        "run 'r1' is CANCELLING; cannot become RUNNING (allowed: CANCELLED, COMPENSATING)"
    )


def test_a_move_from_a_final_state_says_so() -> None:
    with pytest.raises(IllegalTransitionError, match="nothing: it is final"):
        advance("run 'r1'", RunState.SUCCEEDED, RunState.RUNNING)


def test_the_diagram_is_the_table() -> None:
    lines = diagram(RunState).splitlines()

    assert lines[:3] == ["stateDiagram-v2", "    [*] --> QUEUED", "    QUEUED --> WAITING_UPSTREAM"]
    arrows = sum(len(allowed_moves(state)) for state in RunState)
    assert len(lines) == 2 + arrows + sum(state.final for state in RunState)
