"""One call serves metrics, builds, runs and reports."""

import asyncio
import http.client
import io
import json
import socket
from collections.abc import Callable
from datetime import timedelta

import pytest

from penstock.base import ConfigError, parse_yaml
from penstock.telemetry import AddressError, setup_logs
from penstock.topology import (
    GlobalConfig,
    Pipeline,
    PipelineContext,
    PipelineError,
    Stats,
    Supervision,
    TaskOutput,
    run_pipelines,
)


def _get(address: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _logged(out: io.StringIO) -> dict[str, dict]:
    return {line["event"]: line for line in map(json.loads, out.getvalue().splitlines())}


@pytest.mark.case("k31")
def test_metrics_and_health_are_served_while_pipelines_run(
    pipeline: Callable[..., Pipeline],
) -> None:
    """Port 0 takes a free port; the log says which."""
    out, seen = io.StringIO(), {}

    async def work() -> str:
        address = _logged(out)["serving metrics and health"]["address"]
        for path in ("/metrics", "/livez", "/readyz"):
            seen[path] = await asyncio.to_thread(_get, address, path)
        seen["address"] = address
        return "asked"

    with setup_logs(stream=out, json=True):
        stats = asyncio.run(
            run_pipelines("127.0.0.1:0", GlobalConfig(), "test", lambda _: [pipeline("a", work)])
        )

    assert b'penstock_pipeline_up{pipeline="a"} 1.0' in seen["/metrics"][1]
    assert (seen["/livez"][0], seen["/readyz"][0]) == (200, 200)
    assert stats.outcomes == {"a": TaskOutput("asked")}
    with pytest.raises(ConnectionRefusedError):
        _get(seen["address"], "/livez")


@pytest.mark.case("k03")
def test_a_taken_metrics_port_is_an_error_and_nothing_runs() -> None:
    """A program that goes on without metrics looks healthy to nobody who asks."""

    def build(_: PipelineContext) -> list[Pipeline]:
        raise AssertionError("nothing may be built")

    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(AddressError, match=address):
            asyncio.run(run_pipelines(address, GlobalConfig(), "test", build))


def test_how_each_pipeline_ended_is_logged(pipeline: Callable[..., Pipeline]) -> None:
    """The log is what is left the next morning."""
    out = io.StringIO()

    async def good() -> str:
        return "3 files"

    async def bad() -> str:
        raise PipelineError("no such bucket: s3://lake")

    async def worse() -> str:
        return {}["column"]

    def build(_: PipelineContext) -> list[Pipeline]:
        return [pipeline("good", good), pipeline("bad", bad), pipeline("worse", worse)]

    from_isolate = {"on_failure": "isolate"}
    with setup_logs(stream=out, json=True):
        supervision = Supervision.model_validate(from_isolate)
        stats = asyncio.run(
            run_pipelines(None, GlobalConfig(), "test", build, supervision=supervision)
        )

    lines = _logged(out)
    assert stats.exit_code == 1
    assert lines["pipeline completed"]["result"] == "3 files"
    assert lines["pipeline failed"]["error"] == "no such bucket: s3://lake"
    assert "KeyError: 'column'" in lines["pipeline panicked"]["exception"]


def test_how_failures_are_met_can_be_written_in_the_configuration(
    pipeline: Callable[..., Pipeline],
) -> None:
    """Below `global`; whoever calls may still say otherwise."""
    document = parse_yaml("supervision: {on_failure: stop_all, drain_deadline: 1m}", file="p.yaml")
    shared = GlobalConfig.from_document(document)

    async def fail() -> str:
        raise PipelineError("no such bucket")

    def build(context: PipelineContext) -> list[Pipeline]:
        async def follow() -> str:
            await context.shutdown.wait()
            return "drained"

        return [pipeline("fails", fail), pipeline("follows", follow)]

    async def scenario() -> Stats:
        return await asyncio.wait_for(run_pipelines(None, shared, "test", build), 60)

    stats = asyncio.run(scenario())

    assert shared.supervision.drain_deadline == timedelta(minutes=1)
    assert isinstance(stats.outcomes["follows"], TaskOutput)


def test_a_wrong_supervision_is_a_problem_with_its_line() -> None:
    text = "supervision:\n  on_failure: restat\n  drain_deadline: soon\n  retries: {}\n"

    with pytest.raises(ConfigError, match="restart") as caught:
        GlobalConfig.from_document(parse_yaml(text, file="p.yaml"))

    assert [problem.line for problem in sorted(caught.value.problems)] == [2, 3, 4]


@pytest.mark.case("k28")
def test_the_shared_limit_holds_across_pipelines(pipeline: Callable[..., Pipeline]) -> None:
    """The limit is on the machine, not on each pipeline."""
    inside, peak = set(), []

    def build(context: PipelineContext) -> list[Pipeline]:
        def make(key: str) -> Pipeline:
            async def work() -> str:
                for _ in range(5):
                    async with context.permit(key):
                        inside.add(key)
                        peak.append(len(inside))
                        await asyncio.sleep(0)
                        inside.discard(key)
                return "done"

            return pipeline(key, work)

        return [make(key) for key in "abcdef"]

    asyncio.run(run_pipelines(None, GlobalConfig(total_concurrency=2), "test", build))

    assert max(peak) == 2
    assert len(peak) == 30


def test_a_limit_of_nothing_is_a_problem_of_the_configuration() -> None:
    """It would stop everything; none at all is written by leaving the key out."""
    document = parse_yaml("total_concurrency: 0\npoll_jitter_sec: 3\n", file="p.yaml")

    with pytest.raises(ConfigError, match="did you mean 'poll_jitter_secs'") as caught:
        GlobalConfig.from_document(document)

    assert [problem.line for problem in sorted(caught.value.problems)] == [1, 2]
