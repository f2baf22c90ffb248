"""`python -m tests.corpus record`: replaces the recorded answers by what the code answers now."""

import argparse

from . import replay, store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("command", choices=["record"])
    parser.add_argument("rooms", nargs="*", default=replay.ROOMS, help="all, unless some are named")
    for room in parser.parse_args().rooms:
        store.write(room, replay.replayed(room))


main()
