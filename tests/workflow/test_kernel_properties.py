"""The kernel against an independent model, over random graphs, outcomes and orders of events."""

import pytest

from penstock.testing._workflow_simulation import WorkflowSimulation
from penstock.workflow import RunRecord, command, decide, event
from penstock.workflow._domain import DomainEvent, DomainKind
from penstock.workflow._errors import RefusedError
from penstock.workflow._graph import Graph
from penstock.workflow._states import RunState, StepState, advance
from tests.workflow.model import expected, random_case

SEEDS_PER_TEST = 2_600
PASSED = {"SUCCEEDED", "WARNED", "SKIPPED"}


def check_story(simulation: WorkflowSimulation) -> None:
    """What must hold of every run, whatever happened to it."""
    graph = simulation.state.graph
    states = dict.fromkeys(graph.order, StepState.PENDING)
    run, seq, at = RunState.QUEUED, 0, None
    before = RunRecord.new("r", graph)
    for _, decision in simulation.history:
        check_version(before, decision.state)
        before = decision.state
        for told in decision.events:
            seq += 1
            assert told.seq == seq
            assert at is None or told.at >= at
            at = told.at
            if told.step:
                follow_step(graph, states, told, decision.state)
            else:
                run = follow_run(run, told)
        assert decision.state.open_steps == sum(not state.ended for state in states.values())
        assert run is decision.state.state
        check_commands(graph, states, run, decision.commands)
        check_pages(graph, decision.state)
    assert {name: record.state for name, record in simulation.state.steps.items()} == states
    assert run.final


def check_version(before: RunRecord, after: RunRecord) -> None:
    """A store tells by the version whether somebody was faster: a change without one would be lost."""
    assert after is before or after.version == before.version + 1 or after == before


def follow_run(run: RunState, told: DomainEvent) -> RunState:
    if told.kind in (DomainKind.COMPENSATION_RESUMED, DomainKind.COMPENSATION_ENDED):
        assert run.final
        return run
    state = RunState(told.state)
    return state if state is run else advance("run", run, state)


def follow_step(
    graph: Graph, states: dict[str, StepState], told: DomainEvent, after: object
) -> None:
    name = told.step
    if told.kind is DomainKind.STEP_COMPENSATING:
        behind = graph.downstream([name]) - {name}
        unfinished = {"waiting", "running", "failed"}
        assert not any(after.steps[other].undo in unfinished for other in behind)  # type: ignore[attr-defined]
    if told.state == states[name]:
        return
    states[name] = advance(name, states[name], StepState(told.state))


def check_commands(graph: Graph, states: dict, run: RunState, commands: tuple) -> None:
    for asked in commands:
        if not isinstance(asked, command.StartAttempt):
            continue
        if asked.ref.undo:
            assert run is RunState.COMPENSATING or run.final
            continue
        assert run is RunState.RUNNING
        assert all(states[need] in PASSED for need in graph.nodes[asked.ref.step].needs)


def check_pages(graph: Graph, state: object) -> None:
    for name, record in state.steps.items():  # type: ignore[attr-defined]
        if record.units:
            rule = graph.nodes[name].mapped
            assert len(record.units) <= (rule.parallel if rule else 1)


def check_end(simulation: WorkflowSimulation, graph: Graph) -> None:
    seen = (happened for happened, _ in simulation.history)
    lost = {happened.ref.key("") for happened in seen if isinstance(happened, event.AttemptLost)}
    wanted = expected(graph, simulation.script, frozenset(lost))
    assert simulation.state.state == wanted.run
    assert not wanted.compensation or simulation.state.compensation == wanted.compensation
    for name, record in simulation.state.steps.items():
        assert record.state in wanted.steps[name], name


def undisturbed(seed: int) -> None:
    graph, script = random_case(seed)
    simulation = WorkflowSimulation(graph, script, seed=seed)
    simulation.finish()
    check_end(simulation, graph)
    check_story(simulation)


def disturbed(seed: int) -> None:
    """Two crashes, pauses, repeated and outdated events: nothing of it may show in the end."""
    graph, script = random_case(seed)
    simulation = WorkflowSimulation(graph, script, seed=seed)
    chance, crashes = simulation.chance, 0
    while not simulation.done:
        draw = chance.random()
        if draw < 0.04 and crashes < 2:
            simulation.crash()
            crashes += 1
        elif draw < 0.12:
            repeat(simulation, chance.choice(simulation.history)[0])
        elif draw < 0.16 and simulation.state.state is RunState.RUNNING:
            simulation.deliver(event.PauseRequested())
        elif draw < 0.4 and simulation.state.state is RunState.PAUSED:
            simulation.deliver(event.ResumeRequested())
        elif simulation.waiting or simulation.timers:
            try_step(simulation)
    check_end(simulation, graph)
    check_story(simulation)


def repeat(simulation: WorkflowSimulation, happened: event.Event) -> None:
    if not isinstance(happened, (event.PauseRequested, event.ResumeRequested)):
        simulation.deliver(happened)


def try_step(simulation: WorkflowSimulation) -> None:
    try:
        simulation.step()
    except AssertionError:
        assert simulation.state.state is RunState.PAUSED


def cancelled(seed: int) -> None:
    """A cancel at a random moment: what had ended stays, nothing starts, the run is CANCELLED."""
    graph, script = random_case(seed)
    simulation = WorkflowSimulation(graph, script, seed=seed)
    for _ in range(simulation.chance.randrange(12)):
        if not simulation.done:
            simulation.step()
    if simulation.state.state.final or simulation.state.state is RunState.COMPENSATING:
        with pytest.raises(RefusedError):
            simulation.deliver(event.CancelRequested())
        return
    before = {name: record.state for name, record in simulation.state.steps.items()}
    simulation.deliver(event.CancelRequested(compensate=seed % 3 == 0))
    simulation.finish()
    assert simulation.state.state is RunState.CANCELLED
    for name, record in simulation.state.steps.items():
        if before[name].ended:
            assert record.state in (before[name], StepState.COMPENSATED)
        elif before[name] is StepState.PENDING:
            assert record.state is StepState.CANCELLED
    check_story(simulation)


def wild(seed: int) -> None:
    """Every timer at any moment, crashes, cancel, force, resume: all promises but the outcome hold."""
    graph, script = random_case(seed)
    simulation = WorkflowSimulation(graph, script, seed=seed, wild=True)
    requests = (
        event.CancelRequested(compensate=True),
        event.ForceRequested(),
        event.ResumeRequested(),
    )
    left = 3
    while not simulation.done:
        draw = simulation.chance.random()
        if draw < 0.05 and left:
            left -= 1
            simulation.crash()
        elif draw < 0.1:
            request(simulation, simulation.chance.choice(requests))
        else:
            simulation.step()
    check_story(simulation)


def request(simulation: WorkflowSimulation, asked: event.Event) -> None:
    before = simulation.state
    try:
        simulation.deliver(asked)
    except RefusedError:
        assert simulation.state is before


@pytest.mark.slow
@pytest.mark.parametrize("story", [undisturbed, disturbed, cancelled, wild])
@pytest.mark.parametrize("part", [0, 1])
def test_the_kernel_does_what_the_model_says(story: object, part: int) -> None:
    """Over 20,000 random graphs and orders of events in all; the seed of a failure is shown."""
    for seed in range(part * SEEDS_PER_TEST, (part + 1) * SEEDS_PER_TEST):
        try:
            story(seed)  # type: ignore[operator]
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.slow
def test_the_same_events_give_the_same_decisions() -> None:
    """No clock, no chance, no order of a set: what Temporal replays and what a test repeats is the same."""
    for seed in range(400):
        graph, script = random_case(seed)
        simulation = WorkflowSimulation(graph, script, seed=seed)
        simulation.finish()
        state = RunRecord.new("r", random_case(seed)[0])
        for happened, decision in simulation.history:
            replayed = decide(state, happened, decision.state.now)
            assert replayed == decision
            state = replayed.state
