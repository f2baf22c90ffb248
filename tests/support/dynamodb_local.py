"""DynamoDB Local (Java, fetched with Maven) on a free port of 127.0.0.1: the second opinion on expressions."""

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.needs import without

ROOT = Path(__file__).parents[2]
VERSION = "2.6.1"
_FOLDER = ROOT / ".tools" / "dynamodb-local"
_LAUNCHER = Path(__file__).with_name("LoopbackDynamoDB.java")
_FETCH_TIMEOUT_S = 600.0
_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 10.0
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>multiconnection</groupId>
  <artifactId>dynamodb-local</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


class DynamoDBLocalFailed(RuntimeError):
    """Maven could not fetch it, or it did not start."""


def missing() -> str | None:
    """Why it can not run here, or None when it can."""
    return without("java", "javac", "mvn")


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Its endpoint URL; empty at the start, gone at the end."""
    library = _fetch()
    environment = {"PATH": os.environ.get("PATH", os.defpath), "DDB_LOCAL_TELEMETRY": "0"}
    command = ["java", f"-Djava.library.path={library}", "-Xmx512m", "-cp", f"{library}/*", str(_LAUNCHER)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"http://127.0.0.1:{_port(process)}"
        finally:
            _stop(process)


def _fetch() -> Path:
    """The folder of its libraries, downloaded once."""
    library = _FOLDER / VERSION
    if library.is_dir():
        return library
    _FOLDER.mkdir(parents=True, exist_ok=True)
    # Several test processes may come here at once: each downloads aside, the first to finish names the folder.
    partial = _FOLDER / f"{VERSION}.{os.getpid()}"
    pom = _FOLDER / f"pom.{os.getpid()}.xml"
    pom.write_text(_POM)
    command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False)
    pom.unlink()
    if result.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise DynamoDBLocalFailed(f"Maven: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    try:
        partial.rename(library)
    except OSError:
        shutil.rmtree(partial)
    return library


def _port(process: "subprocess.Popen[bytes]") -> int:
    assert process.stdout is not None
    deadline = time.monotonic() + _START_TIMEOUT_S
    while (left_s := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([process.stdout], [], [], left_s)
        line = process.stdout.readline() if readable else b""
        if line.startswith(b"port "):
            return int(line.split()[1])
        if not line:
            break
    raise DynamoDBLocalFailed("DynamoDB Local did not start")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """It ends when its stdin is closed, as it does when this process is killed."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
