"""Runs a command that gets SIGTERM when its parent dies, however the parent dies.

`python parent_death.py PARENT_PID COMMAND…`: a program rather than a preexec_fn, which may deadlock when the parent has
threads. SIGTERM rather than SIGKILL, so that a child still saves its state after the parent was killed.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before prctl.
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
