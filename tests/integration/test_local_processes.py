"""Child processes start for real, say why when they do not, and never outlive their parent."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local.processes import HOST, Child, ChildFailed, free_port

ROOT = Path(__file__).parents[2]
ENV = {"PATH": os.environ["PATH"]}


def python(source: str) -> list[str]:
    return [sys.executable, "-u", "-c", source]


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up")
time.sleep(600)
"""


def test_a_child_is_ready_when_its_condition_holds_and_ends_on_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child.start("sleeper", python("import time; print('up'); time.sleep(600)"), env=ENV, log_path=log)
    child.wait_ready(lambda: "up" in log.read_text(), timeout_s=20)
    assert child.exit_code is None
    assert os.getpgid(child.pid) == child.pid
    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child.start("stubborn", python(STUBBORN), env=ENV, log_path=log)
    child.wait_ready(lambda: "up" in log.read_text(), timeout_s=20)
    assert child.stop(grace_s=0.1) == -signal.SIGKILL


def test_a_child_that_dies_says_why(tmp_path: Path) -> None:
    child = Child.start("dying", python("raise SystemExit('no such table')"), env=ENV, log_path=tmp_path / "log")
    with pytest.raises(ChildFailed, match=r"(?s)dying ended with 1.*no such table"):
        child.wait_ready(lambda: False, timeout_s=20)


def test_a_command_that_does_not_exist_is_a_failed_child(tmp_path: Path) -> None:
    child = Child.start("ghost", [str(tmp_path / "ghost")], env=ENV, log_path=tmp_path / "log")
    with pytest.raises(ChildFailed, match=r"(?s)ghost ended with.*FileNotFoundError"):
        child.wait_ready(lambda: False, timeout_s=20)


def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    child = Child.start("slow", python("import time; time.sleep(600)"), env=ENV, log_path=tmp_path / "log")
    with pytest.raises(ChildFailed, match=r"slow was not ready after 0\.2 s"):
        child.wait_ready(lambda: False, timeout_s=0.2)
    child.stop()


def test_without_a_log_file_its_lines_are_passed_on_with_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    child = Child.start("talker", python("print('one'); print('two')"), env=ENV)
    with pytest.raises(ChildFailed):
        child.wait_ready(lambda: False, timeout_s=20)
    child.stop()
    assert capfd.readouterr().out == "talker | one\ntalker | two\n"
    assert child.tail() == "one\ntwo\n"


OWNER = f"""
import os, sys
from local.processes import Child
child = Child.start("grandchild", [sys.executable, "-c", "import time; time.sleep(600)"], env={ENV!r})
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_end_when_their_parent_is_killed() -> None:
    owner = [sys.executable, "-c", OWNER]
    with subprocess.Popen(owner, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        grandchild = psutil.Process(int(process.stdout.readline()))
        process.kill()
    _, alive = psutil.wait_procs([grandchild], timeout=20)
    assert alive == []


def test_a_preferred_port_is_taken_only_when_it_is_free() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port
