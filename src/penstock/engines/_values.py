"""What expressions see: parameters, the run, results of earlier steps, secrets, the item of a map."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from penstock.base import Value
from penstock.engines._payload import Payloads
from penstock.workflow import Store, definition, executor, expression, record, states, store

_KEPT: Final = 1_000
_SEEN: Final = frozenset(
    {states.StepState.SUCCEEDED, states.StepState.WARNED, states.StepState.COMPENSATED}
)


class Rendered(Value):
    """An action with its expressions evaluated."""

    kind: str
    """Its step type, which names the executor."""

    action: Mapping[str, Any]


class _Written(Value):
    """An action as its definition says it: the same for every attempt of a version."""

    kind: str
    part: Mapping[str, Any]
    fixed: bool
    """Whether there is nothing to evaluate."""


class Values:
    """Evaluates what a definition says, for one attempt at a time."""

    def __init__(self, runs: Store, payloads: Payloads, secrets: Mapping[str, str]) -> None:
        self._runs = runs
        self._payloads = payloads
        self._secrets = secrets
        self._results: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
        self._items: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
        self._written: OrderedDict[tuple[str, str, str], _Written] = OrderedDict()

    async def of_step(self, run: store.StoredRun, name: str) -> dict[str, Any]:
        """What `when` and `map.over` of a step see."""
        step = run.pipeline.definition.spec.steps[name]
        rule = step.map.over if step.map else None
        return await self._seen(run, [step.when, rule])

    def keep_items(self, run: store.StoredRun, name: str, items: Any) -> None:
        """Remember what a map goes over, so that its items need not be evaluated each time."""
        _remember(self._items, (run.tenant, run.record.run, name), items)

    def keep_result(self, place: tuple[str, str], name: str, value: Any) -> None:
        """Remember what a step returned; seen only with a run in which the step has ended."""
        _remember(self._results, (*place, name), value)

    def forget_result(self, place: tuple[str, str], name: str) -> None:
        """What was remembered is not what was kept."""
        self._results.pop((*place, name), None)

    async def render(self, run: store.StoredRun, ref: record.AttemptRef) -> Rendered:
        """Evaluate the action of an attempt.

        Raises:
            ExpressionError: An expression failed on the values at hand.
        """
        written = self._as_written(run, ref)
        if written.fixed:
            return Rendered(written.kind, written.part)
        values = await self._seen(run, written.part)
        rule = run.pipeline.definition.spec.steps[ref.step].map
        if rule is not None and ref.item != record.WHOLE:
            values[rule.as_] = (await self._all_items(run, ref.step))[ref.item]
        return Rendered(written.kind, expression.render(written.part, values))

    def _as_written(self, run: store.StoredRun, ref: record.AttemptRef) -> _Written:
        place = (run.pipeline.digest, ref.step, "undo" if ref.undo else "")
        if place not in self._written:
            step = run.pipeline.definition.spec.steps[ref.step]
            action: definition.ActionConfig = step
            if ref.undo and step.compensate is not None:
                action = step.compensate
            part = getattr(action, action.kind).model_dump(mode="json", by_alias=True)
            fixed = next(_strings(part), None) is None
            _remember(self._written, place, _Written(action.kind, part, fixed))
        return self._written[place]

    async def _all_items(self, run: store.StoredRun, name: str) -> Any:
        place = (run.tenant, run.record.run, name)
        if place not in self._items:
            over = run.pipeline.definition.spec.steps[name].map
            values = await self.of_step(run, name)
            _remember(self._items, place, expression.render(over.over if over else "", values))
        return self._items[place]

    async def _seen(self, run: store.StoredRun, texts: Any) -> dict[str, Any]:
        kept = run.record
        return {
            "params": run.params,
            "run": {"id": kept.run, "key": run.run_key, "trigger": run.trigger},
            "secrets": self._secrets,
            "interval": {},
            "steps": await self._of_steps(run, _steps_in(texts, kept.graph.order)),
        }

    async def _of_steps(self, run: store.StoredRun, names: list[str]) -> dict[str, Any]:
        kept = run.record
        ended = [name for name in names if kept.steps[name].state in _SEEN]
        places = {name: (run.tenant, kept.run, name) for name in ended}
        values = {
            name: self._results[place] for name, place in places.items() if place in self._results
        }
        missing = [name for name in ended if name not in values]
        if missing:
            found = await self._runs.results(run.tenant, kept.run, missing)
            for name in missing:
                values[name] = await self._payloads.get(found.get(name))
                _remember(self._results, places[name], values[name])
        return {
            name: {
                "state": str(kept.steps[name].state),
                "outputs": values.get(name),
                "failed_items": list(kept.steps[name].failed),
            }
            for name in names
        }


def work_of(
    run: store.StoredRun, lease: store.Lease, rendered: Rendered, now: datetime
) -> executor.Work:
    """What an executor is given."""
    ref = lease.attempt.ref
    node = run.record.graph.nodes[ref.step]
    limits = node.undo.timeouts if ref.undo and node.undo else node.timeouts
    deadline = now + limits.attempt if limits.attempt else None
    return executor.Work(
        run.tenant,
        run.record.run,
        ref,
        lease.attempt.key,
        rendered.action,
        deadline,
        run.pipeline.files,
    )


def _remember(
    cache: OrderedDict[tuple[str, str, str], Any], place: tuple[str, str, str], value: Any
) -> None:
    cache[place] = value
    if len(cache) > _KEPT:
        cache.popitem(last=False)


def _steps_in(value: Any, known: tuple[str, ...]) -> list[str]:
    """The steps that expressions in `value` refer to; all of them where one asks for `steps` whole."""
    found: set[str] = set()
    for text in _strings(value):
        for each in expression.parse_template(text).expressions:
            for root, *rest in each.references:
                if root == "steps":
                    found.update(rest[:1] or known)
    return [name for name in known if name in found]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "${{" in value:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)
