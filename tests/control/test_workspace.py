"""A state directory with all that belongs to it: steps of every type together, child runs."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from penstock.control import (
    RunNotFoundError,
    Workspace,
    WorkspaceSettings,
    difference,
    open_workspace,
)
from penstock.workflow import Pipeline

CHILD = """\
apiVersion: pipelines/v1
kind: Pipeline
metadata: {name: child}
spec:
  parameters: {word: {type: string}}
  steps:
    say: {shell: {command: "echo $W >> said; while test -e wait; do sleep 0.02; done; test $W != bad", env: {W: "${{ params.word }}"}}}
"""


def parent(word: str) -> Pipeline:
    return Pipeline.build(
        "parent", steps={"call": {"pipeline": {"name": "child", "params": {"word": word}}}}
    )


def on(
    path: Path, scenario: Callable[[Workspace], Awaitable[None]], *, working: bool = True
) -> None:
    async def main() -> None:
        settings = WorkspaceSettings(path / "state", path, {"PATH": os.environ["PATH"]})
        async with open_workspace(settings) as workspace:
            if not working:
                await scenario(workspace)
                return
            async with workspace.working():
                await asyncio.wait_for(scenario(workspace), 60)

    (path / "child.yaml").write_text(CHILD)
    asyncio.run(main())


async def states(workspace: Workspace) -> dict[str, str]:
    return {run.pipeline: str(run.state) for run in await workspace.stores.archive.runs("t")}


def test_a_child_run_ends_with_its_parents_step(tmp_path: Path) -> None:
    """Its failure is that of the step; its id is the step's result."""

    async def scenario(workspace: Workspace) -> None:
        run, _ = await workspace.runs.start("t", parent("good"), {})
        assert (await workspace.engine.wait("t", run)).state == "SUCCEEDED"
        results = await workspace.stores.runs.results("t", run, ["call"])
        child = await workspace.runs.view("t", results["call"]["run"])
        assert (child.pipeline, child.state, child.trigger) == ("child", "SUCCEEDED", f"run:{run}")
        failed, _ = await workspace.runs.start("t", parent("bad"), {})
        ended = await workspace.engine.wait("t", failed)
        assert ended.failure is not None
        assert "is FAILED" in ended.failure.message

    on(tmp_path, scenario)


def test_a_cancel_reaches_the_child(tmp_path: Path) -> None:
    """The parent is CANCELLED when the child has been seen to stop."""

    async def scenario(workspace: Workspace) -> None:
        (tmp_path / "wait").touch()
        run, _ = await workspace.runs.start("t", parent("x"), {})
        await present(tmp_path / "said")
        await workspace.engine.cancel("t", run, reason="enough")
        await workspace.engine.wait("t", run)
        assert await states(workspace) == {"parent": "CANCELLED", "child": "CANCELLED"}

    on(tmp_path, scenario)


@pytest.mark.slow
def test_a_child_run_goes_on_when_its_engine_is_replaced(tmp_path: Path) -> None:
    """Whoever takes the step over meets the run that is open; there is no second one."""

    async def first(workspace: Workspace) -> None:
        (tmp_path / "wait").touch()
        await workspace.runs.start("t", parent("x"), {}, run_key="k")
        await present(tmp_path / "said")

    async def second(workspace: Workspace) -> None:
        (tmp_path / "wait").unlink()
        run, created = await workspace.runs.start("t", parent("x"), {}, run_key="k")
        assert not created
        ended = await workspace.engine.wait("t", run)
        assert ended.state == "SUCCEEDED"
        assert len(await workspace.stores.archive.runs("t")) == 2

    on(tmp_path, first)
    on(tmp_path, second)


def test_what_a_python_step_left_is_catalogued(tmp_path: Path) -> None:
    """With the hash of what is there; a link is not followed, and a step that failed left nothing."""
    (tmp_path / "work.py").write_text(
        "import os, pathlib\n"
        "def leave(broken=False):\n"
        "    place = pathlib.Path(os.environ['PENSTOCK_ARTIFACTS'])\n"
        "    (place / 'plots').mkdir()\n"
        "    (place / 'plots' / 'a.txt').write_text('hello')\n"
        "    (place / 'link').symlink_to('/etc/passwd')\n"
        "    assert not broken\n"
    )
    call = {"entrypoint": "work:leave"}
    pipeline = Pipeline.build(
        "leaving",
        steps={"good": {"python": call}, "bad": {"python": {**call, "args": {"broken": True}}}},
    )

    async def scenario(workspace: Workspace) -> None:
        run, _ = await workspace.runs.start("t", pipeline, {})
        await workspace.engine.wait("t", run)
        (left,) = (await workspace.runs.view("t", run)).artifacts
        assert (left.step, left.item, left.name, left.size) == ("good", None, "plots/a.txt", 5)
        content = (tmp_path / "state" / left.place).read_bytes()
        assert (content, left.sha256) == (b"hello", hashlib.sha256(b"hello").hexdigest())

    on(tmp_path, scenario)


def test_a_pipeline_stands_where_its_version_or_its_latest_run_does(tmp_path: Path) -> None:
    """A version that cannot be run yet is a draft; nobody runs it as a child by accident."""
    later = Pipeline.build(
        "later", steps={"a": {"shell": {"command": "true"}}}, schedule={"cron": "0 2 * * *"}
    )

    async def scenario(workspace: Workspace) -> None:
        catalogue = workspace.catalogue
        assert await catalogue.keep("t", later) == "DRAFT"
        assert await catalogue.phase("t", "later") == "DRAFT"
        with pytest.raises(LookupError, match="that can be run"):
            await catalogue.latest("t", "later")
        assert await catalogue.keep("t", parent("good")) == "VALIDATED"
        assert await catalogue.phase("t", "parent") == "VALIDATED"
        assert (await catalogue.latest("t", "parent")).digest == parent("good").digest
        (tmp_path / "wait").touch()
        run, _ = await workspace.runs.start("t", parent("bad"), {})
        assert (await workspace.runs.view("t", run)).phase == "RUNNING"
        (tmp_path / "wait").unlink()
        await workspace.engine.wait("t", run)
        assert await catalogue.phase("t", "parent") == "FAILED"
        listed = await workspace.runs.listed("t", pipeline="parent")
        assert [(each.run, phase) for each, phase in listed] == [(run, "FAILED")]

    on(tmp_path, scenario)


def test_what_names_no_run_or_several_is_refused(tmp_path: Path) -> None:
    async def scenario(workspace: Workspace) -> None:
        for number in range(20):
            await workspace.runs.start("t", parent("x"), {}, run_key=str(number))
        with pytest.raises(RunNotFoundError, match="fits several"):
            await workspace.runs.view("t", "")
        with pytest.raises(RunNotFoundError, match="no run 'nothing'"):
            await workspace.runs.view("t", "nothing")
        with pytest.raises(RunNotFoundError):
            await workspace.runs.view("another", (await workspace.stores.archive.runs("t"))[0].run)

    on(tmp_path, scenario, working=False)


def test_a_run_is_found_by_its_beginning_however_long_ago_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two here stand for the thousands of a state directory that is used."""
    monkeypatch.setattr("penstock.control._runs._LISTED", 2)

    async def scenario(workspace: Workspace) -> None:
        first, _ = await workspace.runs.start("t", parent("a"), {})
        for _ in range(6):
            await workspace.runs.start("t", parent("a"), {})
        assert (await workspace.runs.load("t", first[:13])).record.run == first

    on(tmp_path, scenario, working=False)


def test_two_versions_are_compared_step_by_step() -> None:
    """The text of their files counts."""

    def version(text: str, **steps: str) -> Pipeline:
        written = "".join(f"    {name}: {{{body}}}\n" for name, body in steps.items())
        head = "apiVersion: pipelines/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  steps:\n"
        return Pipeline.from_yaml(head + written, files={"q.sql": text})

    query = "sql: {file: q.sql}"
    old = version("SELECT 1", a=query, b="shell: {command: x}", c="shell: {command: x}")
    new = version("SELECT 2", a=query, b="shell: {command: y}", d="shell: {command: x}")

    found = difference(old, new)

    assert (found.added, found.removed, found.changed) == (("d",), ("c",), ("a", "b"))
    assert difference(old, old).text == ()


async def present(path: Path) -> None:
    while not path.exists():
        await asyncio.sleep(0.01)
