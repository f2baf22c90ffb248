"""Files that the tests send, and what the demo upstream makes of a request: the same bytes have to arrive."""

from base64 import b64encode
from hashlib import sha256

from local.demo_upstream.audio import wav
from local.demo_upstream.images import picture

RECORDING_MS = 1200
RECORDING = wav(bytes(2 * 24 * RECORDING_MS))
# The gateway names a file after what it is.
HEARD = f"Received audio.wav: {RECORDING_MS / 1000:.3f} seconds of audio."
HEARD_WORDS = 6
PICTURE = picture("a test", (16, 16), "png")
OTHER_PICTURE = picture("another test", (16, 16), "png")
SQUARE = (1024, 1024)


def drawn(prompt: str, number: int, *inputs: bytes, size: tuple[int, int] = SQUARE) -> bytes:
    """The PNG with this number that the demo upstream draws for a prompt and the files with it."""
    return picture(_words(prompt, number, inputs), size, "png")


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def in_config() -> dict[str, str]:
    """For the scenarios of the SDKs, in base64."""
    files = {"recording": RECORDING, "picture": PICTURE, "other_picture": OTHER_PICTURE}
    return {name: b64encode(data).decode() for name, data in files.items()}


def _words(prompt: str, number: int, inputs: tuple[bytes, ...]) -> str:
    return " ".join([prompt, str(number), *map(digest, inputs)])
