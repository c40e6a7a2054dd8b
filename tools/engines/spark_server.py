"""Answers SQL over HTTP by a Spark session. Run by the Python that has Spark, and by nothing else.

A request's body is one statement, the answer's one JSON object per row and line. Timestamps are UTC with
six digits, binary is base64, and what is null is there as null.
"""

import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from wsgiref.simple_server import make_server

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

_AS_JSON = (
    "to_json(struct(*), map('ignoreNullFields', 'false', 'timestampFormat',"
    " \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'\")) AS line"
)
_JAVA = "-Djava.io.tmpdir={} -XX:-UsePerfData"  # nothing beside this process's other files
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",  # 50 tasks for each table's log otherwise
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


def main() -> None:
    """Serve one request at a time until SIGTERM."""
    port, jars = int(sys.argv[1]), ",".join(sys.argv[2:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    builder = SparkSession.builder.master("local[2]").config("spark.jars", jars)
    builder = builder.config("spark.driver.extraJavaOptions", _JAVA.format(tempfile.gettempdir()))
    for key, value in _SETTINGS.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    try:
        make_server("127.0.0.1", port, _application(session)).serve_forever()
    finally:
        session.stop()


def _application(session: SparkSession) -> Callable[..., Iterable[bytes]]:
    def answer(request: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
        size = int(str(request.get("CONTENT_LENGTH") or 0))
        statement = request["wsgi.input"].read(size).decode()  # type: ignore[attr-defined]  # WSGI says what it is
        try:
            rows = session.sql(statement).selectExpr(_AS_JSON).collect()
        except (PySparkException, Py4JError) as error:
            start("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
            return [str(error).encode()]
        start("200 OK", [("Content-Type", "application/x-ndjson")])
        return [f"{row.line}\n".encode() for row in rows]

    return answer


if __name__ == "__main__":
    main()
