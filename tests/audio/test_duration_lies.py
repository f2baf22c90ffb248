"""Files changed to seem shorter than they play: the bound holds, or they are refused."""

import re
import struct
from collections.abc import Callable

import pytest

from multiconnection.audio.duration import AudioError, probe
from multiconnection.audio.duration.types import SLACK_MS, SLACK_PERCENT
from tests.support.audio_files import (
    clicks,
    encoded,
    heard_seconds,
    muxed,
    packets,
    pages_changed,
    remuxed,
    wav,
)

FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
# The end of the last frame that a decoder may add.
FRAME_MS = 140


def put(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(mark) + offset
    return data[:at] + value + data[at + len(value) :]


def every_duration(data: bytes, value: int) -> bytes:
    at = data.index(b"stts") + 8
    (count,) = struct.unpack(">I", data[at : at + 4])
    for entry in range(count):
        data = data[: at + 8 + 8 * entry] + struct.pack(">I", value) + data[at + 12 + 8 * entry :]
    return data


def fast(data: bytes) -> bytes:
    """The highest rate that the entry and the track can claim."""
    return put(put(data, b"mp4a", 28, b"\xff\xff"), b"mdhd", 16, b"\x00\x00\xff\xff")


def adts(samples: list[bytes], index: int) -> list[bytes]:
    head = 0xFFF << 44 | 1 << 40 | 1 << 38 | index << 34 | 1 << 30 | 7 << 13 | 0x7FF << 2
    return [head.to_bytes(7, "big") + sample for sample in samples]


def mp3(rate: int, seconds: float = 2.5, **more: str) -> bytes:
    return encoded("mp3", "libmp3lame", seconds, rate, id3v2_version="0", write_xing="0", **more)


def id3(size: int) -> bytes:
    return b"ID3\x04\x00\x00" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def aac() -> bytes:
    return encoded("ipod", "aac", 10.0, 8000)


def mixed_rates_of_flac() -> bytes:
    high, low = encoded("flac", "flac", 0.5, 96_000), encoded("flac", "flac", 10.0, 8000)
    found = re.search(rb"\xff\xf8", low)
    assert found is not None
    return high + low[found.start() :]


def mpeg_inside_of_mpeg() -> bytes:
    """Big frames of 24 ms, each of which has small ones of 72 ms in it; the second one is unlike the first."""
    small = packets(mp3(8000, b="8000"))[2]
    big = b"\xff\xfb\xe4\xc4"
    body = small * (960 // len(small))
    layer2 = b"\xff\xfd\xe4\xc4"
    return b"".join((layer2 if number % 2 else big) + bytes(4) + body + bytes(1200) for number in range(30))


def opus_120_ms() -> list[bytes]:
    """Six frames of 20 ms in a packet: code 3, of equal sizes (RFC 6716, 3.2.5)."""
    return [
        bytes((sample[0] | 3, 6)) + sample[1:] * 6
        for sample in packets(encoded("mp4", "libopus", 2.5, 48_000))
        if not sample[0] & 3
    ]


def hidden_cluster() -> bytes:
    """What has a longer number than any reader takes is looked through for the next cluster."""
    data = encoded("webm", "libopus", 10.0, 48_000, cluster_time_limit="1000")
    second = data.index(b"\x1f\x43\xb6\x75", data.index(b"\x1f\x43\xb6\x75") + 1)
    rest = data[second:]
    return data[:second] + b"\x2a\xd7\xb1\x08" + struct.pack(">I", len(rest))[1:].join((b"", b"")) + rest


def page_inside_of_a_page() -> bytes:
    whole = encoded("ogg", "libopus", 10.0, 48_000, page_duration="20000")
    pages = [whole[at.start() : end] for at, end in _pages(whole)]
    heads, rest = pages[:2], b"".join(pages[2:])
    wrapped = []
    for begin in range(0, len(rest), 255 * 255):
        body = rest[begin : begin + 255 * 255]
        lacing = bytes([255] * (len(body) // 255) + [len(body) % 255])[:255]
        wrapped.append(pages[2][:22] + bytes(4) + bytes([len(lacing)]) + lacing + body)
    return b"".join(heads + wrapped)


def _pages(data: bytes) -> list[tuple[re.Match[bytes], int]]:
    starts = list(re.finditer(rb"OggS", data))
    return [(at, after.start() if after else len(data)) for at, after in zip(starts, [*starts[1:], None], strict=True)]


def vorbis_with_a_second_header() -> bytes:
    data = encoded("webm", "vorbis", 2.5, 48_000, "stereo", strict="-2")
    head = b"\x01vorbis" + bytes(4) + b"\x02" + struct.pack("<IIII", 100, 0, 0, 0) + b"\xb8\x01"
    return muxed(data, [*packets(data)[:2], head, *packets(data)[2:]], "webm")


def extensible(bits: int, valid: int) -> bytes:
    pcm, guid = wav()[44:], bytes.fromhex("0100000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 1, bits // 8, bits, 22, valid, 4) + guid
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def a_tenth_of_a_second(data: bytes, milliseconds: float = 100.0) -> bytes:
    """A Matroska file that says so in its header and in the scale of its timestamps."""
    duration = data.index(b"\x44\x89\x88") + 3
    data = data[:duration] + struct.pack(">d", milliseconds) + data[duration + 8 :]
    return data.replace(b"\x2a\xd7\xb1\x83\x0f\x42\x40", b"\x2a\xd7\xb1\x83\x00\x00\x01")


def without_config(data: bytes) -> bytes:
    """A Matroska file whose CodecPrivate is another element."""
    assert data.count(b"\x63\xa2") == 1
    return data.replace(b"\x63\xa2", b"\x63\xa3")


def early(page: bytearray) -> None:
    """A granule position that would fit if all blocks of Vorbis were short ones."""
    page[6:14] = struct.pack("<Q", int.from_bytes(page[6:14], "little") // 3)


def vorbis_with_another_setup() -> bytes:
    """A page that decoders skip, since its checksum is wrong, has a third header in which all blocks are short."""
    data = clicks()
    pages = [data[at.start() : end] for at, end in _pages(data)]
    fake = bytearray(pages[1])
    at = fake.index(b"\x05vorbis")
    fake[at + 7 :] = fake[at + 7 :].replace(b"\x01\x00", b"\x00\x00")
    return pages_changed(pages[0], early) + bytes(fake) + pages_changed(b"".join(pages[1:]), early)


def vbri(seconds: float) -> bytes:
    """An MP3 whose first frame says that it is the only one (Fraunhofer's header)."""
    frames = mp3(16_000, seconds)
    first = encoded("mp3", "libmp3lame", 0.1, 16_000, id3v2_version="0", write_xing="0", b="64000")[:288]
    head = first[:36] + b"VBRI" + struct.pack(">HHHIIHHHH", 1, 0, 0, 288, 1, 0, 1, 2, 1)
    return head + bytes(288 - len(head)) + frames


def adts_config_lied() -> bytes:
    """The AudioSpecificConfig's rate stays, everything else says the highest one and no time at all."""
    return a_tenth_of_a_second(put(encoded("matroska", "aac", 10.0, 8000), b"\xb5\x88", 2, struct.pack(">d", 96_000.0)))


LIES: dict[str, Callable[[], bytes]] = {
    "m4a, rate of the entry": lambda: fast(aac()),
    "m4a, rate and durations": lambda: every_duration(fast(aac()), 1),
    "m4a, one duration": lambda: put(aac(), b"stts", 8, struct.pack(">III", 1, 1, 2)),
    "m4a, one sample": lambda: put(
        put(aac(), b"stts", 8, struct.pack(">III", 1, 1, 1)), b"stsz", 12, struct.pack(">I", 1)
    ),
    "m4a, in a track that is text": lambda: put(fast(aac()), b"hdlr", 12, b"text"),
    "m4a, without its config": lambda: put(fast(aac()), b"esds", 0, b"free"),
    "m4a, config in pieces": lambda: put(fast(aac()), b"esds", 8, b"\x03\x00"),
    "m4a in fragments": lambda: fast(encoded("mp4", "aac", 10.0, 8000, movflags=FRAGMENTS)),
    "alac": lambda: put(encoded("ipod", "alac", 10.0, 8000), b"mdhd", 16, b"\x00\xff\xff\xff"),
    "mov with pcm": lambda: every_duration(
        put(encoded("mov", "pcm_s16le", 10.0, 8000), b"mdhd", 16, b"\x00\x00\xff\xff"), 1
    ),
    "mp4 with opus": lambda: every_duration(muxed(encoded("mp4", "libopus", 2.5, 48_000), opus_120_ms(), "mp4"), 1),
    "webm with opus": lambda: muxed(encoded("webm", "libopus", 2.5, 48_000), opus_120_ms(), "webm"),
    "mkv with aac": lambda: put(encoded("matroska", "aac", 10.0, 8000), b"\xb5\x88", 2, struct.pack(">d", 1e11)),
    "mkv with pcm": lambda: put(encoded("matroska", "pcm_u8", 10.0, 8000), b"\x2a\xd7\xb1\x83", 4, b"\x00\x00\x01"),
    "webm, a hidden cluster": hidden_cluster,
    "webm, a second header": vorbis_with_a_second_header,
    "mp3, a tag in the middle": lambda: mp3(44_100, 0.5) + id3(30_000) + mp3(8000, 10.0),
    "mp3 behind junk": lambda: b"\x01\x02\x90\x55" * 700 + mp3(8000, 10.0),
    "mp3 behind mp3": lambda: mp3(48_000, 0.5) + mp3(8000, 10.0) + mp3(22_050, 3.0),
    "mp3 and mp2": lambda: mp3(48_000, 0.5) + encoded("mp2", "mp2", 5.0) + mp3(8000, 5.0),
    "mp3 inside of mp3": mpeg_inside_of_mpeg,
    "flac of two rates": mixed_rates_of_flac,
    "flac, a claim": lambda: put(encoded("flac", "flac", 10.0, 8000), b"fLaC", 18, b"\x2e\xe0\x00\xf0\x00\x00\x00\x10"),
    "ogg, chained": lambda: encoded("ogg", "libopus", 2.5, 48_000) + encoded("ogg", "libopus", 5.0, 48_000),
    "ogg, positions": lambda: re.sub(
        rb"(OggS\x00.).{8}", lambda page: page[1] + struct.pack("<Q", 1), encoded("ogg", "libopus", 10.0, 48_000)
    ),
    "ogg, a page inside of a page": page_inside_of_a_page,
    "wav, rate of bytes": lambda: put(wav(), b"fmt ", 16, b"\xff\xff\xff\x00"),
    "wav, block": lambda: put(wav(), b"fmt ", 20, b"\x40\x00"),
    "wav, no size": lambda: put(wav(), b"data", 4, bytes(4)),
    "wav, all sizes": lambda: put(wav(), b"data", 4, b"\xff\xff\xff\xff"),
    "wav, a small size": lambda: put(wav(), b"data", 4, b"\x10\x00\x00\x00"),
    "wav extensible": lambda: extensible(16, 16),
    "wav extensible, valid bits": lambda: extensible(16, 8),
    "wav ms adpcm": lambda: put(encoded("wav", "adpcm_ms", 5.0, 8000), b"fmt ", 20, b"\xff\x7f"),
    "wav ima adpcm": lambda: put(encoded("wav", "adpcm_ima_wav", 5.0, 8000), b"fmt ", 22, b"\x02\x00"),
    "mkv with aac, no config": lambda: a_tenth_of_a_second(without_config(encoded("matroska", "aac", 10.0, 44_100))),
    "mkv with aac, a config": adts_config_lied,
    "mkv with ac-3": lambda: a_tenth_of_a_second(encoded("matroska", "ac3", 10.0, 48_000)),
    "mkv with pcm, durations": lambda: a_tenth_of_a_second(encoded("matroska", "pcm_s16le", 10.0)),
    "mkv with pcm, bits": lambda: put(
        a_tenth_of_a_second(encoded("matroska", "pcm_s16le", 10.0)), b"\x62\x64", 3, b"\x40"
    ),
    "mkv with vorbis": lambda: a_tenth_of_a_second(remuxed(clicks(), "matroska")),
    "webm with opus, times": lambda: a_tenth_of_a_second(encoded("webm", "libopus", 10.0, 48_000)),
    "mp4 with ac-3": lambda: every_duration(encoded("mp4", "ac3", 10.0, 48_000), 260),
    "mp4 with e-ac-3": lambda: every_duration(encoded("mp4", "eac3", 10.0, 48_000), 260),
    "mp4 with mp3": lambda: every_duration(encoded("mp4", "libmp3lame", 10.0, 44_100), 1),
    "ogg vorbis, positions": lambda: pages_changed(clicks(), early),
    "ogg vorbis, another setup": vorbis_with_another_setup,
    "ogg opus, positions": lambda: pages_changed(encoded("ogg", "libopus", 10.0, 48_000), early),
    "mp3, xing": lambda: put(encoded("mp3", "libmp3lame", 10.0), b"Info", 8, struct.pack(">I", 1)),
    "mp3, vbri": lambda: vbri(10.0),
    "wav with mp3": lambda: put(encoded("wav", "libmp3lame", 5.0, 8000), b"fmt ", 12, b"\x00\xee\x02\x00"),
}


REFUSED = frozenset({"webm, a second header"})


@pytest.mark.parametrize("name", LIES)
def test_a_player_hears_no_more_than_the_bound_and_hardly_more_than_is_charged(name: str) -> None:
    """The charge counts where the provider reports nothing."""
    data = LIES[name]()
    heard_ms = 1000 * heard_seconds(data)
    try:
        found = probe(data)
    except AudioError:
        assert name in REFUSED
        return
    assert name not in REFUSED
    assert heard_ms <= found.milliseconds_max + 1
    assert heard_ms - SLACK_MS - heard_ms * SLACK_PERCENT / 100 <= found.milliseconds <= found.milliseconds_max


STILL_HEARD = {
    "mkv with aac, no config": 9.0,
    "mkv with ac-3": 9.0,
    "mkv with pcm, durations": 9.0,
    "mkv with pcm, bits": 9.0,
    "mkv with vorbis": 1.8,
    "webm with opus, times": 9.0,
    "mp4 with ac-3": 9.0,
    "mp4 with e-ac-3": 9.0,
    "ogg vorbis, positions": 1.5,
    "ogg vorbis, another setup": 1.5,
    "mp3, xing": 9.0,
    "mp3, vbri": 9.0,
    "flac, a claim": 9.0,
}


@pytest.mark.parametrize("name", STILL_HEARD)
def test_decoders_play_these_files_to_their_end(name: str) -> None:
    assert heard_seconds(LIES[name]()) >= STILL_HEARD[name]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_header_in_front_of_a_packet_of_aac_is_believed(container: str) -> None:
    like = encoded(container, "aac", 2.5, 48_000)
    mark = b"\x01MARK\x02\x03"  # a muxer would take headers off
    data = muxed(like, [mark + sample for sample in packets(like)], container)
    found = probe(data.replace(mark, adts([b""], 12)[0]))
    assert found.milliseconds_max >= len(packets(like)) * 1024 * 1000 // 7350


@pytest.mark.parametrize(
    "data",
    [
        encoded("ogg", "flac"),
        encoded("matroska", "flac"),
        encoded("mp4", "flac"),
        encoded("matroska", "tta"),
        encoded("matroska", "wavpack"),
        encoded("wav", "g723_1", 2.5, 8000, b="6300"),
        encoded("vob", "ac3", 2.5, 48_000),
        b"#!AMR\n" + mp3(8000),
        b"\x00\x00\x00\x08wide" + mp3(8000),
    ],
    ids=["ogg flac", "mkv flac", "mp4 flac", "tta", "wavpack", "g723", "vob ac3", "amr", "quicktime"],
)
def test_what_no_bound_holds_for_is_refused(data: bytes) -> None:
    with pytest.raises(AudioError, match=r"send|begins with"):
        probe(data)


@pytest.mark.parametrize(
    "name",
    [
        "m4a, rate and durations",
        "m4a, one duration",
        "m4a, one sample",
        "mp4 with opus",
        "flac, a claim",
        "mov with pcm",
    ],
)
def test_a_lie_is_charged_as_what_its_frames_are(name: str) -> None:
    found = probe(LIES[name]())
    assert found.milliseconds == found.milliseconds_max >= 10_000
