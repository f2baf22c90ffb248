"""MiniStack, the local AWS, as a child process whose state survives restarts."""

import fcntl
import http.client
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from local.processes import HOST, Child, free_port

_READY_S = 60.0
# Long enough for a predecessor that is still saving, short enough to say soon that one is running.
_LOCK_S = 30.0
# It writes every table at its end, 0.2 ms a row; a killed one loses what came since its start.
_SAVE_S = 300.0
# What template.yaml needs; one that is not called costs nothing.
SERVICES = ("cognito-idp", "dynamodb", "iam", "lambda", "monitoring", "s3", "ses", "sns", "sqs", "states")
# Its root user is the one of aws_environment.
_CHECKS = {"AUTH": "true", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class StateInUse(RuntimeError):
    """Another MiniStack runs on the same state, or has not finished saving it."""


class MiniStack:
    """Listens on 127.0.0.1 only; keeps its state under `state_dir` and its log in `state_dir/ministack.log`.

    State is written on SIGTERM, which it also gets when this process is killed (see parent_death.py); only a
    MiniStack that is killed itself loses what came since its start.
    """

    def __init__(
        self,
        executable: Path,
        state_dir: Path,
        *,
        port: int = 0,
        region: str = "us-east-1",
        services: Sequence[str] = SERVICES,
        checks: bool = False,
    ) -> None:
        """`port` is preferred: another one is taken when it is in use.

        With `checks` it refuses wrong codes from mails and unknown credentials; each request then takes 0.1 ms longer.
        """
        self.region = region
        self.log_path = state_dir / "ministack.log"
        self._executable = executable
        self._state_dir = state_dir
        self._services = services
        self._checks = checks
        self._port = port
        self._child: Child | None = None

    @property
    def endpoint_url(self) -> str:
        """Valid once started."""
        return f"http://{HOST}:{self._port}"

    def start(self, timeout_s: float = _READY_S) -> None:
        """Raises ChildFailed with the end of its log, or StateInUse."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        (self._state_dir / "tmp").mkdir(exist_ok=True)
        with _locked(self._state_dir / "lock", _LOCK_S) as lock:
            self._port = free_port(self._port)
            self._child = Child.start(
                "ministack",
                [str(self._executable)],
                env=self._environment(),
                log_path=self.log_path,
                # The child holds the lock for as long as it lives, also when it outlives us to save its state.
                pass_fds=(lock.fileno(),),
            )
        try:
            self._child.wait_ready(self._ready, timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Returns when the state is saved."""
        if self._child:
            self._child.stop(_SAVE_S)
            self._child = None

    def __enter__(self) -> "MiniStack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _environment(self) -> dict[str, str]:
        """Drops the caller's AWS configuration, and Docker, whose containers are not ours to start or remove."""
        state = self._state_dir.resolve()
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._port),
            "SERVICES": ",".join(self._services),
            "MINISTACK_REGION": self.region,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state / "services"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state / "s3"),
            "TMPDIR": str(state / "tmp"),
            "DOCKER_HOST": f"unix://{state}/no-docker.sock",
            # Its access log costs more than the requests it describes.
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
            **(_CHECKS if self._checks else {}),
        }


def _locked(path: Path, timeout_s: float) -> IO[bytes]:
    """The open lock file; waits for a predecessor that is still saving. Raises StateInUse."""
    lock = path.open("wb")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                lock.close()
                raise StateInUse(f"{path.parent} is in use by another MiniStack") from exc
            time.sleep(0.05)
        else:
            return lock
