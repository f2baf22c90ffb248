"""`python end_with_parent.py PARENT_PID COMMAND…` runs a command that gets SIGTERM when its parent dies for any reason.

A program rather than a preexec_fn, which may deadlock when the parent has threads. SIGTERM rather than SIGKILL, so that
a child still saves its state after its parent was killed. Only Linux sends it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the kernel began to watch it.
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
