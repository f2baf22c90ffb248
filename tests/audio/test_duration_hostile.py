"""Files broken on purpose: a length or AudioError, quickly, in little memory, and never anything else."""

import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiconnection.audio.duration import MILLISECONDS_MAX, AudioError, Steps, probe
from multiconnection.audio.duration.types import STEPS_MAX, STEPS_OF_ANY_FILE
from tests.support.audio_files import clicks, encoded, remuxed, wav

FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
SEEDS = [
    wav(0.3),
    encoded("mp3", "libmp3lame", 0.3),
    encoded("flac", "flac", 0.3),
    encoded("ogg", "libopus", 0.3, 48_000),
    encoded("ogg", "vorbis", 0.3, 48_000, "stereo", strict="-2"),
    encoded("mp4", "aac", 0.3, 44_100),
    encoded("mp4", "aac", 0.3, 44_100, movflags=FRAGMENTS),
    encoded("webm", "libopus", 0.3, 48_000),
    encoded("webm", "libopus", 0.3, 48_000, live="1"),
    encoded("matroska", "aac", 0.3, 44_100),
    encoded("matroska", "ac3", 0.3, 48_000),
    encoded("matroska", "pcm_s16le", 0.1),
    encoded("matroska", "libmp3lame", 0.3, 44_100),
    encoded("mp4", "eac3", 0.3, 48_000),
    encoded("mp4", "libopus", 0.3, 48_000, movflags="frag_keyframe+empty_moov"),
    encoded("ipod", "alac", 0.3, 44_100),
    encoded("mov", "pcm_s24le", 0.1, 16_000),
    encoded("wav", "adpcm_ima_wav", 0.3),
    encoded("wav", "libmp3lame", 0.3),
    clicks(),
    remuxed(clicks(), "webm"),
]
# Replacements for sizes, counts and names.
VALUES = [
    *(struct.pack(">I", number) for number in (0, 1, 2, 7, 8, 9, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)),
    b"\x01" + b"\xff" * 7,
    b"\x10\x00\x00\x08",
    b"trak",
    b"stsd",
    b"stsz",
    b"stco",
    b"stsc",
    b"trun",
    b"wave",
    b"moof",
    b"OggS",
    b"\x1f\x43\xb6\x75",
    b"\xae\x80",
    b"\x63\xa2",
    b"\xa3\x81",
    b"\x01vorbis",
    b"\x05vorbis",
    b"BCV",
    b"\x0b\x77",
    b"\xff\xfb\x90",
    b"fmt ",
    b"data",
]
MAGIC = [
    b"RIFF\x00\x00\x00\x00WAVE",
    b"OggS",
    b"\x1a\x45\xdf\xa3",
    b"\x00\x00\x00\x10ftyp",
    b"ID3",
    b"fLaC",
    b"\xff\xfb\x90",
]


def measured(data: bytes) -> None:
    try:
        found = probe(data)
    except AudioError:
        return
    assert 0 <= found.milliseconds <= found.milliseconds_max <= MILLISECONDS_MAX


@given(st.binary(max_size=4096))
def test_random_bytes_are_measured_or_refused(data: bytes) -> None:
    measured(data)


@given(st.sampled_from(MAGIC), st.binary(max_size=4096))
def test_random_bytes_under_a_known_beginning(magic: bytes, data: bytes) -> None:
    measured(magic + data)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.data())
def test_a_file_cut_anywhere(seed: bytes, data: st.DataObject) -> None:
    measured(seed[: data.draw(st.integers(0, len(seed)))])


@settings(max_examples=500)
@given(st.sampled_from(SEEDS), st.data())
def test_a_file_with_some_bytes_changed(seed: bytes, data: st.DataObject) -> None:
    changed = bytearray(seed)
    places = st.integers(0, len(seed) - 1)
    for at in data.draw(st.lists(st.one_of(places, st.integers(0, min(600, len(seed) - 1))), min_size=1, max_size=12)):
        changed[at] = data.draw(st.integers(0, 255))
    measured(bytes(changed))


@given(st.sampled_from(SEEDS), st.data())
def test_pieces_of_two_files(seed: bytes, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(SEEDS))
    measured(seed[: data.draw(st.integers(0, len(seed)))] + other[data.draw(st.integers(0, len(other))) :])


CHANGES: list[Callable[[bytes, int, int, bytes], bytes]] = [
    lambda seed, at, _, value: seed[:at] + value + seed[at + len(value) :],
    lambda seed, at, _, value: seed[:at] + value + seed[at:],
    lambda seed, at, end, _: seed[:at] + seed[end:],
    lambda seed, at, end, _: seed[:end] + seed[at:end] + seed[end:],
    lambda seed, at, end, _: seed[:end] + seed[at:end] * 40 + seed[end:],
]


@settings(max_examples=500)
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(
            st.sampled_from(CHANGES),
            st.integers(0, 1000) | st.integers(0),
            st.integers(0, 600),
            st.sampled_from(VALUES),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_file_whose_structure_is_changed(seed: bytes, changes: list[tuple[Any, int, int, bytes]]) -> None:
    for change, place, size, value in changes:
        at = place % (len(seed) + 1)
        seed = change(seed, at, min(len(seed), at + size), value)
    measured(seed)


def numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def entry(codec: bytes, inner: bytes = b"") -> bytes:
    sound = bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 48_000 << 16)
    return box(b"stsd", numbers(0, 1), box(codec, sound, inner))


def mp4(stsd: bytes, *tables: bytes, tracks: int = 1, rest: bytes = b"") -> bytes:
    head = box(b"tkhd", numbers(0, 0, 0, 1), bytes(60))
    media = box(b"mdhd", numbers(0, 0, 0, 48_000, 0, 0)), box(b"hdlr", numbers(0, 0), b"soun", bytes(12))
    track = box(b"trak", head, box(b"mdia", *media, box(b"minf", box(b"stbl", stsd, *tables))))
    return box(b"ftyp", b"isom", numbers(0)) + box(b"moov", track * tracks) + rest


def runs(*truns: bytes) -> bytes:
    return box(b"moof", box(b"traf", box(b"tfhd", numbers(0, 1)), *truns))


def nested(depth: int, inside: int = 0) -> bytes:
    boxes = bytes(inside)
    for _ in range(depth):
        boxes = box(b"wave", boxes)
    return mp4(entry(b"mp4a", boxes))


def samples_that_overlap(size: int, codec: bytes = b"ac-3", content: bytes = b"\x0b") -> bytes:
    sizes = box(b"stsz", numbers(0, size - 30_000, 4000))
    chunks = box(b"stsc", numbers(0, 1, 1, 1, 1)), box(b"stco", numbers(0, 4000), numbers(100) * 4000)
    return mp4(entry(codec), sizes, *chunks, rest=box(b"mdat", content * (size // len(content))))


EBML = b"\x1a\x45\xdf\xa3\x80"
OPUS_TRACK = b"\xae\x8f" + b"\x86\x86A_OPUS\xd7\x81\x01\x83\x81\x02"
CLUSTER = b"\x1f\x43\xb6\x75\x80"


def skipped(content: bytes) -> bytes:
    """The content of an element that is stepped over."""
    return b"\xec\x01" + len(content).to_bytes(7, "big") + content


def private_data_that_overlaps(count: int, size: int) -> bytes:
    one = CLUSTER + b"\x63\xa2\x01" + size.to_bytes(7, "big")
    return EBML + OPUS_TRACK + skipped(CLUSTER + b"\xae\x80" + one * count + bytes(size))


OGG_PAGE = b"OggS\0\2%b" + bytes(16) + b"\1\x13OpusHead" + bytes(11)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "mp4, tracks that share a run": lambda: mp4(
        entry(b"Opus"), tracks=20, rest=runs(box(b"trun", numbers(0, 900_000)))
    ),
    "mp4, a hundred tracks": lambda: mp4(entry(b"Opus"), tracks=100, rest=runs(box(b"trun", numbers(0, 900_000)))),
    "mp4, ac-3 that overlaps": lambda: samples_that_overlap(1_000_000),
    "mp4, ac-3 frames that overlap": lambda: samples_that_overlap(
        1_000_000, content=bytes.fromhex("0b770000000050") * 2
    ),
    "mp4, vorbis that overlaps": lambda: samples_that_overlap(1_000_000, b"mp4a"),
    "mp4, 2000 boxes in each other": lambda: nested(2000),
    "mp4, 900 boxes in each other": lambda: nested(900, 2_000_000),
    "mp4, nothing but tracks": lambda: box(b"ftyp", b"isom") + box(b"trak") * 50_000,
    "mp4, nothing but runs": lambda: mp4(entry(b"Opus"), rest=runs(box(b"trun", numbers(0, 1)) * 30_000)),
    "mp4, defaults": lambda: mp4(entry(b"Opus"), rest=b"".join(box(b"trex", numbers(0, at)) for at in range(30_000))),
    "mp4, chunks": lambda: mp4(
        entry(b"Opus"), box(b"stsc", numbers(0, 40_000), *(numbers(999 + at, 999 + at, 1) for at in range(40_000)))
    ),
    "mp4, sizes": lambda: mp4(
        entry(b"sowt"),
        box(b"stsz", numbers(0, 0, 100_000), *(numbers(at) for at in range(100_000))),
        box(b"stsc", numbers(0, 1, 1, 100_000, 1)),
        box(b"stco", numbers(0, 1, 0)),
    ),
    "mp4, handlers": lambda: mp4(b"".join(box(b"hdlr", numbers(0, 0, at)) for at in range(30_000))),
    "webm, private data that overlaps": lambda: private_data_that_overlaps(2000, 1_000_000),
    "webm, a hidden track": lambda: EBML + skipped(CLUSTER + OPUS_TRACK + b"\xa3\x88\x81\0\0\0\xf8abc"),
    "webm, clusters": lambda: EBML + OPUS_TRACK + CLUSTER * 30_000,
    "webm, hidden clusters": lambda: EBML + OPUS_TRACK + skipped(b"\x1f\x43\xb6\x75\xff" * 100_000),
    "webm, lacing without an end": lambda: (
        EBML + OPUS_TRACK + b"\xa3\x86\x81\0\0\x02\xff\xff" * 2000 + b"\xff" * 500_000
    ),
    "webm, rates": lambda: EBML + b"\xae\x80" + b"\xb5\x84\x47\x3b\x80\x00" * 20_000,
    "ogg, pages in each other": lambda: (
        OGG_PAGE % bytes(4) + (b"OggS\0\0" + bytes(20) + b"\xff" + bytes(20)) * 5_000 + bytes(66_000)
    ),
    "ogg, streams": lambda: b"".join(
        b"OggS\0\2" + bytes(8) + struct.pack("<I", at) + bytes(8) + b"\1\x13OpusHead" + bytes(11)
        for at in range(10_000)
    ),
    "mp3, signs": lambda: b"\xff\xfb\x90\xc4" + bytes(413) + b"\xff\xfb\x90\xc4" + b"\xff\xf3\x18" * 60_000,
    "mp3, no signs": lambda: (b"\xff\xfb\x90\xc4" + bytes(413)) * 2 + b"\xff\x00" * 200_000,
    "flac, no signs": lambda: encoded("flac", "flac", 0.3) + b"\xff\x00" * 200_000,
    "flac, rates": lambda: encoded("flac", "flac", 0.3) + b"\xff\xf8\xcd\x08\x00" * 50_000,
    "wav, chunks": lambda: b"RIFF\0\0\0\0WAVE" + (b"fmt " + bytes(4)) * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_no_time_and_no_memory(name: str) -> None:
    data = HOSTILE[name]()
    begun = time.process_time()
    measured(data)
    assert time.process_time() - begun < 3.0  # a tenth of that on a machine with nothing else to do
    tracemalloc.start()
    measured(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 4 * len(data) + 100_000


def test_the_budget_goes_by_the_size_and_has_an_end() -> None:
    for size, most in ((0, STEPS_OF_ANY_FILE), (1000, STEPS_OF_ANY_FILE + 1000), (10**8, STEPS_MAX)):
        Steps(size).take(most)
        with pytest.raises(AudioError, match="too many parts"):
            Steps(size).take(most + 1)


LONG = box(b"ftyp", b"isom") + box(b"free") * 100_000


def test_a_file_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(AudioError, match="too long"):
        probe(LONG, Steps(len(LONG), seconds=0.0))


def test_a_walk_can_be_stopped() -> None:
    steps = Steps(len(LONG))
    steps.cancel()
    with pytest.raises(AudioError, match="too long"):
        probe(LONG, steps)
