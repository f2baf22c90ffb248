"""Opus packets: the first byte tells how much sound is in one (RFC 6716, 3.1)."""

RATE = 48_000
PACKET_SAMPLES_MAX = 5760
# By configuration: twelve of SILK, four hybrid ones, sixteen of CELT.
_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


def samples(packet: bytes) -> int:
    """At 48 kHz; needs the packet's first two bytes."""
    if not packet:
        return 0
    frame, code = _FRAMES[packet[0] >> 3], packet[0] & 3
    count = (packet[1] & 63 if len(packet) > 1 else 0) if code == 3 else 1 + (code > 0)
    return min(frame * count, PACKET_SAMPLES_MAX)
