"""Files that are broken on purpose: a length or AudioError, at once, and never anything else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from multiconnection.domain.audio import AudioError, probe
from multiconnection.domain.audio.probe import MILLISECONDS_MAX
from tests.support.audio_files import encoded, wav

SEEDS = [
    wav(0.3),
    encoded("mp3", "libmp3lame", 0.3),
    encoded("flac", "flac", 0.3),
    encoded("ogg", "libopus", 0.3, 48_000),
    encoded("ogg", "vorbis", 0.3, 48_000, "stereo", strict="-2"),
    encoded("mp4", "aac", 0.3, 44_100),
    encoded("mp4", "aac", 0.3, 44_100, movflags="frag_keyframe+empty_moov+default_base_moof"),
    encoded("webm", "libopus", 0.3, 48_000),
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
