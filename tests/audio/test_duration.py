"""The length of real files of every format, and of files that claim another one."""

import struct
from collections.abc import Callable

import pytest

from multiconnection.audio.duration import Audio, AudioError, Steps, packets, probe
from tests.support.audio_files import clicks, encoded, heard_seconds, remuxed, wav

# Encoders pad: two frames of MP3 or of AAC at 8 kHz.
PADDING_MS = 190

FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "wav": ("wav", lambda: wav()),
    "wav 8 bit": ("wav", lambda: encoded("wav", "pcm_u8", 2.5, 8000)),
    "wav float": ("wav", lambda: encoded("wav", "pcm_f32le")),
    "wav mu-law": ("wav", lambda: encoded("wav", "pcm_mulaw", 2.5, 8000)),
    "wav with mp3": ("wav", lambda: encoded("wav", "libmp3lame")),
    "mp3": ("mp3", lambda: encoded("mp3", "libmp3lame")),
    "mp3 at 48 kHz": ("mp3", lambda: encoded("mp3", "libmp3lame", 2.5, 48_000)),
    "mp3 without tag": ("mp3", lambda: encoded("mp3", "libmp3lame", id3v2_version="0", write_xing="0")),
    "mpga": ("mp3", lambda: encoded("mp2", "mp2")),
    "flac": ("flac", lambda: encoded("flac", "flac")),
    "ogg opus": ("ogg", lambda: encoded("ogg", "libopus", 2.5, 48_000)),
    "ogg opus, long packets": ("ogg", lambda: encoded("ogg", "libopus", 2.5, 48_000, frame_duration="60")),
    "ogg vorbis": ("ogg", lambda: encoded("ogg", "vorbis", 2.5, 48_000, "stereo", strict="-2")),
    "mp4": ("mp4", lambda: encoded("mp4", "aac", 2.5, 48_000)),
    "m4a": ("mp4", lambda: encoded("ipod", "aac", 2.5, 44_100)),
    "m4a, lossless": ("mp4", lambda: encoded("ipod", "alac", 2.5, 44_100)),
    "mp4 in fragments": (
        "mp4",
        lambda: encoded("mp4", "aac", 2.5, 44_100, movflags="frag_keyframe+empty_moov+default_base_moof"),
    ),
    "mp4 with opus": ("mp4", lambda: encoded("mp4", "libopus", 2.5, 48_000)),
    "webm": ("webm", lambda: encoded("webm", "libopus", 2.5, 48_000)),
    "webm, live": ("webm", lambda: encoded("webm", "libopus", 2.5, 48_000, live="1")),
    "wav ms adpcm": ("wav", lambda: encoded("wav", "adpcm_ms")),
    "wav ima adpcm": ("wav", lambda: encoded("wav", "adpcm_ima_wav")),
    "wav a-law": ("wav", lambda: encoded("wav", "pcm_alaw", 2.5, 8000)),
    "mp4 with mp3": ("mp4", lambda: encoded("mp4", "libmp3lame", 2.5, 44_100)),
    "mp4 with ac-3": ("mp4", lambda: encoded("mp4", "ac3", 2.5, 48_000)),
    "mp4 with pcm": ("mp4", lambda: encoded("mp4", "pcm_s16le", 2.5, 16_000)),
    "mov with pcm": ("mp4", lambda: encoded("mov", "pcm_s16le", 2.5, 16_000, "stereo")),
    "mov with 24 bit": ("mp4", lambda: encoded("mov", "pcm_s24le", 2.5, 96_000)),
    "mov with aac": ("mp4", lambda: encoded("mov", "aac", 2.5, 16_000)),
    "opus in fragments": (
        "mp4",
        lambda: encoded("mp4", "libopus", 2.5, 48_000, movflags="frag_keyframe+empty_moov", frame_duration="60"),
    ),
    "mkv with aac": ("webm", lambda: encoded("matroska", "aac", 2.5, 44_100)),
    "mkv with mp3": ("webm", lambda: encoded("matroska", "libmp3lame", 2.5, 44_100)),
    "mp3 at 8 kHz": ("mp3", lambda: encoded("mp3", "libmp3lame", 2.5, 8000)),
    "m4a at 8 kHz": ("mp4", lambda: encoded("ipod", "aac", 2.5, 8000)),
    "m4a, a minute": ("mp4", lambda: encoded("ipod", "aac", 61.3, 16_000)),
    "lossless at 8 kHz": ("mp4", lambda: encoded("ipod", "alac", 2.5, 8000)),
    "mp4 with e-ac-3": ("mp4", lambda: encoded("mp4", "eac3", 2.5, 48_000)),
    "mp4 with ac-3 at 44.1 kHz": ("mp4", lambda: encoded("mp4", "ac3", 30.0, 44_100)),
    "mkv with ac-3": ("webm", lambda: encoded("matroska", "ac3", 2.5, 32_000)),
    "mkv with e-ac-3": ("webm", lambda: encoded("matroska", "eac3", 2.5, 44_100)),
    "mkv with pcm": ("webm", lambda: encoded("matroska", "pcm_s16le", 2.5, 16_000, "stereo")),
    "mkv with 24 bit": ("webm", lambda: encoded("matroska", "pcm_s24le")),
    "mkv with floats": ("webm", lambda: encoded("matroska", "pcm_f32le")),
    "ogg vorbis, short blocks": ("ogg", clicks),
    "webm vorbis, short blocks": ("webm", lambda: remuxed(clicks(), "webm")),
    "webm live, a minute": ("webm", lambda: encoded("webm", "libopus", 61.3, 48_000, live="1")),
    "webm vorbis": ("webm", lambda: encoded("webm", "vorbis", 2.5, 48_000, "stereo", strict="-2")),
}


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_as_long_as_a_player_hears_it(name: str) -> None:
    ending, make = FILES[name]
    data = make()
    found, heard_ms = probe(data), 1000 * heard_seconds(data)
    assert found.ending == ending
    assert heard_ms - 1 <= found.milliseconds_max <= heard_ms + PADDING_MS
    assert abs(found.milliseconds - heard_ms) <= PADDING_MS
    assert found.milliseconds <= found.milliseconds_max
    assert found.measured


@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_measured_as_far_as_it_goes(name: str) -> None:
    data = FILES[name][1]()
    try:
        assert probe(data[: len(data) // 2]).milliseconds <= 1000 * heard_seconds(data) + PADDING_MS
    except AudioError:
        assert name.startswith(("mp4", "m4a", "mov", "lossless"))  # their index is at the end


def test_the_length_of_wav_is_exact() -> None:
    assert probe(wav(1.2345, 48_000)) == Audio("wav", 1235, 1235)  # 59,256 samples


def test_formats_without_a_walker_are_bounded_by_their_bytes() -> None:
    program_stream = encoded("vob", "mp2", 2.5, 48_000)
    # 8 kbit/s, the least that MPEG audio has: a byte a millisecond.
    assert probe(program_stream) == Audio("mpeg", len(program_stream), len(program_stream), measured=False)


@pytest.mark.parametrize("claimed", [0, 1, 0xFFFFFFFF])
def test_riff_sizes_may_lie(claimed: int) -> None:
    data = bytearray(wav())
    data[4:8] = struct.pack("<I", claimed)
    data[40:44] = struct.pack("<I", claimed if claimed != 1 else 0)
    assert probe(bytes(data)).milliseconds == 2500


def test_all_data_chunks_of_a_wav_count() -> None:
    data = wav(1.0)
    assert probe(data + data[36:]).milliseconds == 2000


def test_a_flac_cannot_hide_its_frames() -> None:
    data = bytearray(encoded("flac", "flac"))
    at = data.index(b"fLaC") + 8 + 10
    packed = int.from_bytes(data[at : at + 8], "big")
    assert packed & 0xFFFFFFFFF == 40_000
    data[at : at + 8] = (packed >> 36 << 36).to_bytes(8, "big")
    assert 2500 <= probe(bytes(data)).milliseconds <= 2800  # none said: whole blocks
    long = encoded("flac", "flac", 60.0)
    short_claim = bytearray(long)
    short_claim[at : at + 8] = (packed >> 36 << 36 | 16).to_bytes(8, "big")
    assert probe(bytes(short_claim)).milliseconds >= 60_000


def test_xing_is_not_believed() -> None:
    data = encoded("mp3", "libmp3lame")
    at = data.index(b"Info") + 8
    lied = data[:at] + struct.pack(">I", 1) + data[at + 4 :]
    assert probe(lied) == probe(data)


def test_an_id3_tag_may_claim_more_than_there_is() -> None:
    frames = encoded("mp3", "libmp3lame", id3v2_version="0")
    broken = probe(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + frames)
    assert broken.milliseconds == probe(frames).milliseconds
    assert broken.milliseconds_max <= 1.1 * broken.milliseconds
    assert probe(b"ID3\x04\x00\x00\x00\x00\x00\x05hello" + frames) == probe(frames)


def test_opus_packets_count_and_granule_positions_do_not() -> None:
    data = bytearray(encoded("ogg", "libopus", 10.0, 48_000))
    honest = probe(bytes(data)).milliseconds
    at = data.rindex(b"OggS")
    data[at + 6 : at + 14] = struct.pack("<Q", 48)
    assert honest - 30 <= probe(bytes(data)).milliseconds_max


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (b"\x00", 480),  # SILK, 10 ms
        (b"\x18", 2880),  # SILK, 60 ms
        (b"\x68", 960),  # hybrid, 20 ms
        (b"\xe0", 120),  # CELT, 2.5 ms
        (b"\xf9", 1920),  # CELT, 20 ms, twice
        (b"\xfa", 1920),
        (b"\xfb\x03", 2880),  # as many as the second byte says
        (b"\xfb", 0),
        (b"\x1b\x3f", 5760),  # never more than 120 ms
    ],
)
def test_an_opus_packet_says_how_long_it_is(packet: bytes, samples: int) -> None:
    assert packets.opus_samples(packet) == samples


def test_an_mp4_cannot_claim_shorter_samples() -> None:
    data = bytearray(encoded("mp4", "aac", 10.0, 48_000))
    at = data.index(b"stts") + 8
    for entry in range(struct.unpack(">I", data[at : at + 4])[0]):
        data[at + 8 + 8 * entry : at + 12 + 8 * entry] = struct.pack(">I", 1)
    assert probe(bytes(data)).milliseconds >= 10_000


def test_a_webm_cannot_claim_earlier_blocks() -> None:
    data = encoded("webm", "libopus", 10.0, 48_000)
    scale = b"\x2a\xd7\xb1\x83"  # nanoseconds of one unit of time: a million
    lied = data.replace(scale + b"\x0f\x42\x40", scale + b"\x00\x00\x01")
    assert lied != data
    assert probe(lied).milliseconds == probe(lied).milliseconds_max == probe(data).milliseconds_max


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"hello, this is a text" * 100,
        b"%PDF-1.7\n" + bytes(1000),
        b"\x89PNG\r\n\x1a\n" + bytes(1000),
        wav(0.0),
        wav()[:44],
        wav()[:36],
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        b"\xff\xf1\x50\x80" * 400,  # AAC in ADTS is none of the formats
        b"fLaC" + bytes(100),
        b"OggS" + bytes(23),
        encoded("ogg", "libopus", 2.5, 48_000)[:100],
        b"\x00\x00\x00\x10ftypmp42\x00\x00\x00\x00",
        b"\x1a\x45\xdf\xa3\x80",
        b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(16) + b"data\x04\x00\x00\x00abcd",
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_what_has_no_sound_is_refused(data: bytes) -> None:
    with pytest.raises(AudioError):
        probe(data)


def test_a_claim_of_days_is_refused() -> None:
    slow = bytearray(wav(3.0))
    slow[24:28] = struct.pack("<I", 1)  # one sample a second
    with pytest.raises(AudioError, match="more than 12 hours"):
        probe(bytes(slow))


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("fff314c4") + bytes(20) + bytes.fromhex("fff314c4") + b"\xff" * 2_000_000,
        b"\x00\x00\x00\x10ftypmp42\x00\x00\x00\x00" + b"\x00\x00\x00\x08free" * 1_100_000,
        b"\x1a\x45\xdf\xa3\x80" + b"\xec\x80" * 1_100_000,
        b"\x1a\x45\xdf\xa3\x80" + b"\xae\x80" * 100,
    ],
    ids=["mp3", "mp4", "webm", "webm tracks"],
)
def test_a_file_that_is_all_parts_is_given_up(data: bytes) -> None:
    patient = Steps(len(data), seconds=600.0)  # a busy machine must not give up on the clock first
    with pytest.raises(AudioError, match=r"too many parts|more than 64 tracks"):
        probe(data, patient)
