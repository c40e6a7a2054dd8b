"""A flow as text and as a graph, before it runs."""

from penstock import Flow, RetryPolicy, stage


@stage(workers=4, retry=RetryPolicy(maximum_attempts=5), timeout="60s")
async def fetch(url: str) -> bytes:
    return url.encode()


@stage(pool="process", capacity=8, capacity_bytes="1MiB", streaming=True)
def parse(page: bytes):
    yield page


@stage(batch=500, within="2s", order="input")
async def enrich(rows: list[bytes]) -> list[bytes]:
    return rows


flow = Flow("events", capacity=100) | ["a"] | fetch | parse | enrich | print


def test_the_text_says_how_each_stage_runs_and_where_order_is_lost() -> None:
    """Once, at the first stage that loses it: what comes after has none to lose."""
    assert flow.explain().splitlines() == [
        "flow events",
        "  source list",
        "  fetch: 4 async workers, 5 attempts, time-out 60s; holds 100 messages or 64 MiB",
        "    order is lost here: 4 workers finish when they finish; order='input' keeps it",
        "  parse: 1 process worker, one to many, streaming; holds 8 messages or 1 MiB",
        "  enrich: 1 async worker, batches of 500 within 2s, input order; holds 100 messages or 64 MiB",
        "  print: 1 async worker; holds 100 messages or 64 MiB",
        "  dead letters in memory, the last 1,000, not durable",
    ]


def test_the_graph_has_a_node_per_stage_and_capacities_on_its_edges() -> None:
    """In Mermaid's language, which most places that show Markdown draw."""
    assert flow.explain("mermaid").splitlines() == [
        "flowchart LR",
        '  source(["list"])',
        '  stage0["fetch<br/>async x4"]',
        '  source -->|"100 messages or 64 MiB"| stage0',
        '  stage1["parse<br/>process x1"]',
        '  stage0 -->|"8 messages or 1 MiB"| stage1',
        '  stage2["enrich<br/>async x1"]',
        '  stage1 -->|"100 messages or 64 MiB"| stage2',
        '  stage3(["print<br/>async x1"])',
        '  stage2 -->|"100 messages or 64 MiB"| stage3',
    ]


def test_retries_lose_order_too() -> None:
    """A message that is tried again is overtaken, though there is one worker only."""
    once_more = stage(retry=RetryPolicy(maximum_attempts=2))(lambda item: item)

    text = (Flow("again", dead_letters="dead") | [] | once_more | fetch | print).explain()

    assert "order is lost here: a message that is tried again is overtaken" in text
    assert text.count("order is lost here") == 1
    assert text.endswith("dead letters to dead")
