"""`python -m local.sample_events` writes the folder `events/` anew."""

from local.paths import ROOT, TEMPLATE
from local.sample_events.write import write
from local.template_values import read_yaml

write(read_yaml(TEMPLATE), ROOT / "events")
