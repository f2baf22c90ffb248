"""What the demo voices say: one short tone for each word, as samples of 16 bits, mono, 24 kHz."""

import math
import re
from array import array
from functools import lru_cache
from zlib import crc32

RATE_HZ = 24_000
SECONDS_PER_CHARACTER = 0.06
SECONDS_MAX = 20.0
_LOUDNESS = 9_000
# A long word, or a script without spaces, gives more than one tone.
_WORD = re.compile(r"\s*\S{1,8}")
# Two octaves of a pentatonic scale, as samples per period: a whole number, so that periods can be repeated.
_PERIODS = (92, 82, 73, 61, 55, 46, 41, 37, 31, 27)
_RAMP = 4
# A tone fills most of its word's time; the rest is silence.
_SOUND_SHARE = 0.8


def spoken_seconds(text: str, speed: float = 1.0) -> float:
    """How long the text takes, cut at the maximum."""
    return min(SECONDS_MAX, len(text) * SECONDS_PER_CHARACTER / speed)


def melody(text: str, voice: str, speed: float) -> bytes:
    """Little-endian samples of exactly the spoken time; the same for the same arguments."""
    samples = round(spoken_seconds(text, speed) * RATE_HZ)
    per_character = RATE_HZ * SECONDS_PER_CHARACTER / speed
    depth = crc32(voice.encode()) % 4
    sound, filled = [], 0
    for word in _WORD.finditer(text):
        end = min(samples, round(word.end() * per_character))
        sound.append(_tone(_PERIODS[crc32(word.group().strip().encode()) % len(_PERIODS)] + depth, end - filled))
        filled = end
        if filled == samples:
            break
    return b"".join(sound).ljust(2 * samples, b"\0")


@lru_cache(maxsize=256)
def _tone(period: int, samples: int) -> bytes:
    """Rises and falls over a few periods, so that it does not click."""
    periods = int(samples * _SOUND_SHARE) // period
    ramp = min(_RAMP, periods // 2)
    levels = [(step + 1) / (ramp + 1) for step in range(ramp)]
    rise = [_wave(period, level) for level in levels]
    sound = b"".join([*rise, _wave(period, 1.0) * (periods - 2 * ramp), *reversed(rise)])
    return sound.ljust(2 * samples, b"\0")


@lru_cache(maxsize=256)
def _wave(period: int, level: float) -> bytes:
    """One period of a sine."""
    return array("h", (round(_LOUDNESS * level * math.sin(math.tau * at / period)) for at in range(period))).tobytes()
