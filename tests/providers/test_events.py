"""The event splitter: the same events whatever the reads, the line ends and the decoration."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.providers import sse
from multiconnection.providers.sse import EventSplitter, EventTooLarge

STREAM = (
    b"\xef\xbb\xbf: comment\r\n\r\ndata: one\r\n\r\ndata:two\n\nevent: message\rid: 7\rdata: three\r\r\n"
    b"retry: 5\ndata: four\ndata:  five\n: aside\n\n\n\ndata\n\ndata:\n\nid: 9\n\ndata: \xe2\x82\xac\n\n"
)
EVENTS = [b"one", b"two", b"three", b"four\n five", "€".encode()]


def split(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    return [payload for piece in pieces for payload in splitter.feed(piece)] + splitter.flush()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_cutting_a_stream_anywhere_changes_nothing(places: list[int]) -> None:
    assert split(cut(STREAM, places)) == EVENTS


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data: a", b"data:b", b": c", b"x", b"event: error"])), st.data()
)
def test_any_sequence_of_lines_reads_the_same_in_one_piece_and_in_many(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    places = data.draw(st.lists(st.integers(0, max(len(stream), 1)), max_size=20))
    assert split(cut(stream, places)) == split([stream])


def test_byte_by_byte() -> None:
    assert split([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


def test_an_event_without_its_blank_line_is_found_at_the_end() -> None:
    assert split([b"data: a\n\ndata: [DONE]"]) == [b"a", b"[DONE]"]


def test_a_flat_error_event_gets_the_shape_of_an_error() -> None:
    assert split([b'event: error\ndata: {"message": "no"}\n\n']) == [b'{"error":{"message": "no"}}']
    assert split([b'event: error\ndata: {"error": {}}\n\n']) == [b'{"error": {}}']


OBJECTS = [b'{"a":1}', b'{"b":"x}y"}', b'{"c": "\t"}', b"{}", b"[DONE]"]


@given(st.lists(st.integers(0, 10_000), max_size=30), st.sampled_from([b"\n", b"\r", b"\r\n"]), st.booleans())
def test_events_that_are_separated_by_one_line_end(places: list[int], end: bytes, closed: bool) -> None:
    stream = b"".join(b"data: %b%b: aside%bid: 3%b" % (payload, end, end, end) for payload in OBJECTS)
    assert split(cut(stream + (end if closed else b""), places)) == OBJECTS


def test_an_event_of_such_a_stream_is_there_when_the_next_one_begins_and_then_at_once() -> None:
    splitter = EventSplitter()
    got = [splitter.feed(b"data: %b\n" % payload) for payload in OBJECTS]
    assert got == [[], [OBJECTS[0], OBJECTS[1]], [OBJECTS[2]], [OBJECTS[3]], [OBJECTS[4]]]


def test_names_of_such_events_stay_with_their_data() -> None:
    lines = [b'data: {"a":1}', b"event: error", b'data: {"message":"no"}', b'data: {"b":2}', b""]
    expected = [b'{"a":1}', b'{"error":{"message":"no"}}', b'{"b":2}']
    assert split([b"\n".join(lines)]) == expected
    assert split([line + b"\n" for line in lines[:-1]]) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_over_several_lines_stays_one(end: bytes) -> None:
    pretty = end.join([b"data: {", b'data: "a": {}', b"data: }", b"", b"data: {}", b"data:", b"", b""])
    assert split([pretty]) == split(cut(pretty, [9, 20, 22, 30])) == [b'{\n"a": {}\n}', b"{}"]


def test_a_line_feed_inside_a_string_ends_no_event() -> None:
    assert split([b'data: {"a": "one\ntwo"}\nid: 3\n\n']) == [b'{"a": "one\ntwo"}']
    assert split([b"data: one\ntwo\n\n"]) == [b"one"]


@pytest.mark.parametrize("line", [b"data: {}x\n", b"data: {}\n", b": c\n", b"event: x\n", b"x\n"])
def test_lines_without_a_blank_one_are_read_in_linear_time(line: bytes) -> None:
    def seconds(times: int) -> float:
        splitter, began = EventSplitter(), time.process_time()
        for piece in [b'data: {"a": 1}\n', *[line] * times]:
            splitter.feed(piece)
        splitter.flush()
        return time.process_time() - began

    assert seconds(16_000) <= 30 * max(seconds(1_000), 1e-3)


def test_an_event_of_64_mib_is_read_in_linear_time() -> None:
    splitter, piece, started = EventSplitter(), b"x" * 65536, time.process_time()
    splitter.feed(b"data: ")
    for _ in range(1024):
        assert splitter.feed(piece) == []
    (payload,) = splitter.feed(b"\n\n")
    assert len(payload) == 64 * 1024 * 1024
    assert time.process_time() - started < 5  # quadratic would be minutes


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 1000)
    splitter = EventSplitter()
    for _ in range(9):
        splitter.feed(b"data: " + b"x" * 100)
    with pytest.raises(EventTooLarge):
        splitter.feed(b"x" * 100)
