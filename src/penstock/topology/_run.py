"""A whole program of pipelines in one call."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from penstock.base import Clock, SystemClock
from penstock.telemetry import HealthBoard, Metrics, TelemetryServer, get_logger
from penstock.topology._config import GlobalConfig
from penstock.topology._context import PipelineContext
from penstock.topology._limiter import Limiter
from penstock.topology._outcomes import Stats
from penstock.topology._pipeline import Pipeline
from penstock.topology._runner import PipelineRunner, Reload
from penstock.topology._shutdown import Shutdown
from penstock.topology._spec import PipelineSpec
from penstock.topology._supervision import Supervision

_log = get_logger("topology")

Build = Callable[[PipelineContext], Sequence[Pipeline | PipelineSpec]]
"""Makes the pipelines; it only puts objects together, and leaves all I/O to their `run`."""


def make_context(
    global_config: GlobalConfig,
    *,
    clock: Clock | None = None,
    storage_pool: object = None,
    seed: str = "",
) -> PipelineContext:
    """A context with a registry, a health board, a limiter and a shutdown token of its own.

    Args:
        global_config: The limits and the jitter.
        clock: The machine's, unless a test says otherwise.
        storage_pool: What the pipelines share for their stores.
        seed: What makes this process's jitter differ from another's: a host name, for one.
    """
    time = clock or SystemClock()
    context = PipelineContext(
        shutdown=Shutdown(time),
        clock=time,
        metrics=Metrics(),
        health=HealthBoard(time),
        global_semaphore=Limiter(global_config.total_concurrency, clock=time),
        storage_pool=storage_pool,
        poll_jitter_secs=global_config.poll_jitter_secs,
        seed=seed,
    )
    _export_limiter(context)
    return context


async def run_pipelines(
    metrics_address: str | None,
    global_config: GlobalConfig,
    typetag: str,
    build: Build,
    *,
    reload: Reload | None = None,
    supervision: Supervision | None = None,
    context: PipelineContext | None = None,
) -> Stats:
    """Serve metrics and health, build the pipelines, run them to their ends, report.

    Args:
        metrics_address: `host:port` to serve on; port 0 takes a free one, and the log says which.
            `None` serves nothing.
        global_config: The limits, the jitter and the supervision.
        typetag: What kind of pipelines they are.
        build: Makes them.
        reload: Called in a thread at SIGHUP: reads the configuration again, and returns what is to
            run from now on, as specs. What it raises is logged, and changes nothing. Without it
            the signal is left alone.
        supervision: What a failure does, and how long a drain may take, instead of what
            `global_config` says.
        context: Instead of the one that `make_context(global_config)` returns.

    Raises:
        AddressError: The address cannot be listened on; nothing was built.
        TopologyError: Two pipelines have the same key; nothing was started.
    """
    shared = context or make_context(global_config)
    with _serving(shared, metrics_address):
        chosen = supervision or global_config.supervision
        runner = PipelineRunner(shared, typetag=typetag, supervision=chosen)
        return await runner.run(build(shared), reload=reload)


@contextmanager
def _serving(context: PipelineContext, address: str | None) -> Iterator[None]:
    server = TelemetryServer(context.metrics, context.health)
    if address is not None:
        taken = server.start(address)
        _log.info("serving metrics and health", address=taken)
    try:
        yield
    finally:
        server.stop()


def _export_limiter(context: PipelineContext) -> None:
    metrics, limiter = context.metrics, context.global_semaphore
    held = metrics.gauge("penstock_limiter_held", "Permits in use.", ("pipeline",))
    waiting = metrics.gauge("penstock_limiter_waiting", "Waiting for a permit.", ("pipeline",))
    capacity = metrics.gauge("penstock_limiter_capacity", "Permits in all; 0 sets no limit.")

    def update() -> None:
        statistics = limiter.statistics()
        capacity.labels().set(statistics.capacity or 0)
        for key, share in statistics.shares.items():
            held.labels(pipeline=key).set(share.held)
            waiting.labels(pipeline=key).set(share.waiting)

    metrics.on_scrape(update)
