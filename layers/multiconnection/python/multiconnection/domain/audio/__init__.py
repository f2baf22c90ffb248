"""How long a file with sound is, found in its structure without decoding it."""

from .found import Audio, AudioError, Steps
from .probe import probe

__all__ = ["Audio", "AudioError", "Steps", "probe"]
