"""Spark with Delta Lake, which answers SQL on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engines.obtain import fetch, installed, python_with
from tools.engines.server import CACHE, Engine, Running, free_port, process
from tools.engines.sql_client import spark_rows

_SPARK = "4.0.0"
_DELTA = "4.0.0"  # newer ones are not on Maven Central as a whole
_SERVER = Path(__file__).with_name("spark_server.py")


class Spark(Engine):
    """From PyPI, with the jars of Delta Lake from Maven Central; Java 17 from Debian if there is none."""

    @property
    def name(self) -> str:
        return "spark"

    def obtain(self) -> Path:
        """Make a Python with Spark in it once per version."""
        installed("java", package="openjdk-17-jre-headless")
        for artifact in ("delta-spark_2.13", "delta-storage"):
            if not (_jars() / f"{artifact}-{_DELTA}.jar").exists():
                fetch(f"io.delta:{artifact}:{_DELTA}", _jars())
        return python_with(f"pyspark=={_SPARK}")

    @contextmanager
    def run(self, program: Path, directory: Path) -> Iterator[Running]:
        """Start one session behind a small HTTP server."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        jars = ",".join(str(jar) for jar in sorted(_jars().glob("*.jar")))
        command: list[str | Path] = [program, _SERVER, str(port), jars]
        settings = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(program), "TZ": "UTC"}
        log = directory / "spark.log"
        with process(
            command, log=log, environment=settings, ready=lambda: _answers(address), ready_s=120
        ):
            yield Running(
                environment={"PENSTOCK_SPARK": address},
                about=f"Spark {_SPARK} with Delta Lake {_DELTA} at http://{address}",
            )


def _jars() -> Path:
    return CACHE / f"delta-{_DELTA}"


def _answers(address: str) -> bool:
    try:
        return spark_rows(address, "SELECT 1 AS one") == [{"one": 1}]
    except OSError:
        return False
