"""`python -m local run` starts the stack; the other commands manage it."""

import sys

from local.cli import main

sys.exit(main())
