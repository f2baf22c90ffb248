"""The lines of an event stream as strict clients read them."""

COMMENT = b":"


def without_comments(stream: bytes) -> bytes:
    """The events alone. Comments stand between events only, and none of them is an event to anybody."""
    assert empty_events(stream) == 0, stream[:400]
    lines, inside = [], False
    for line in stream.splitlines(keepends=True):
        if line.startswith(COMMENT):
            assert not inside, f"a comment within an event: {stream[:400]!r}"
        else:
            lines.append(line)
            inside = line != b"\n"
    return b"".join(lines)


def empty_events(stream: bytes) -> int:
    """Events without data to openai-go before 3.43, for which every blank line ends an event; it stops at the first."""
    found, data = 0, False
    for line in stream.split(b"\n")[:-1]:
        if line:
            data = data or line.startswith(b"data:")
        else:
            found, data = found + (not data), False
    return found
