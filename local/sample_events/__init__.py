"""`events/`: what each function receives, for `sam local invoke` and for the tests; written from template.yaml."""

from local.sample_events.examples import ACCOUNT, EXAMPLE_ROW, QUEUED_HOLD, QUEUED_ROW, SameEachTime, example_key
from local.sample_events.write import sample_events

__all__ = ["ACCOUNT", "EXAMPLE_ROW", "QUEUED_HOLD", "QUEUED_ROW", "SameEachTime", "example_key", "sample_events"]
