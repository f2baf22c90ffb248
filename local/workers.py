"""The workers' process of the local stack: their schedules and queues, and the steps of state machines."""

import argparse
import json
import os
import signal
import socket
import threading

from local.invocations import handler_of, invocations
from local.paths import TEMPLATE
from local.schedules import run_schedules
from local.template import load
from local.workflows import called_functions


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listening", type=int, required=True, help="the socket to answer state machines at")
    listening = socket.socket(fileno=parser.parse_args().listening)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    template = load(TEMPLATE)
    functions = template.functions()
    handlers = {name: handler_of(functions[name]) for name in called_functions(template)}
    with invocations(handlers, listening):
        run_schedules(template, json.loads(os.environ["LOCAL_QUEUE_URLS"]), stopped)


if __name__ == "__main__":
    main()
