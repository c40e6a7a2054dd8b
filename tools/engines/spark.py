"""Spark with Delta Lake, which answers SQL on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engines.engine import Engine, Program, Running
from tools.engines.server import free_port, process
from tools.engines.sql_client import spark_rows
from tools.engines.supply import Supply, enough_memory

SPARK = "4.0.0"
DELTA = "4.0.0"  # newer ones are not on Maven Central as a whole
_JAVA = range(17, 22)
_MEMORY = 2 << 30
_SERVER = Path(__file__).with_name("spark_server.py")


class Spark(Engine):
    """From PyPI, with the jars of Delta Lake from Maven Central; Java 17 from Debian if there is none."""

    @property
    def name(self) -> str:
        """Spark reads tables through Delta Lake here."""
        return "spark"

    def obtain(self, supply: Supply) -> Program:
        """Put what it needs together, once per version."""
        enough_memory(_MEMORY)
        java = supply.java(_JAVA, package="openjdk-17-jre-headless")
        artifacts = ("delta-spark_2.13", "delta-storage")
        jars = [supply.artifact(f"io.delta:{name}:{DELTA}:jar") for name in artifacts]
        return [supply.python_with(f"pyspark=={SPARK}"), _SERVER, java, *jars]

    @contextmanager
    def run(self, program: Program, directory: Path) -> Iterator[Running]:
        """Start one session behind a small HTTP server."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        python, server, java, *jars = program
        settings = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(directory)}
        settings |= {"JAVA_HOME": str(java), "PYSPARK_PYTHON": str(python), "TZ": "UTC"}
        command: list[str | Path] = [python, server, str(port), *jars]
        log = directory / "spark.log"
        with process(
            command, log=log, environment=settings, ready=lambda: _answers(address), ready_s=120
        ):
            yield Running(
                environment={"PENSTOCK_SPARK": address},
                about=f"Spark {SPARK} with Delta Lake {DELTA} at http://{address}",
            )


def _answers(address: str) -> bool:
    try:
        return spark_rows(address, "SELECT 1 AS one") == [{"one": 1}]
    except OSError:
        return False
