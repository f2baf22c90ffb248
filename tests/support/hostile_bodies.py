"""Bodies of almost six megabytes that have cost the process seconds and gigabytes, and the largest that are welcome."""

from collections.abc import Callable

SIZE = 5_900_000
CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
HEAD = b'{"model":"m-1","messages":[{"role":"user","content":"hi"}],'
Case = Callable[[], tuple[str, bytes]]


def filled(head: bytes, unit: bytes, tail: bytes, path: str = CHAT) -> Case:
    return lambda: (path, head + unit * ((SIZE - len(head) - len(tail)) // len(unit)) + tail)


def marks(path: str, head: str, size: int) -> Case:
    """Combining marks of two classes in turn: what normalising would have to sort."""
    return lambda: (path, (head + '"' + "\u0301\u0323" * (size // 4) + '"}').encode())


HOSTILE: dict[str, Case] = {
    "marks in an unknown field": marks(CHAT, HEAD.decode() + '"x":', SIZE),
    "marks in a message": marks(CHAT, '{"model":"m-1","messages":[{"role":"user","content":"hi"}],"user":', 160_000),
    "marks in a prompt": marks(COMPLETIONS, '{"model":"m-1","prompt":', SIZE),
    "marks for an unknown model": marks(CHAT, '{"model":"none","messages":[{"role":"user","content":"a"}],"x":', SIZE),
    "what swells": filled(HEAD + b'"x":"', "\ufdfa".encode(), b'"}'),
    "numbers as content": filled(b'{"model":"m-1","messages":[{"role":"user","content":[', b"1,", b"1]}]}"),
    "numbers as stop": filled(HEAD + b'"stop":[', b"1,", b"1]}"),
    "numbers as input": filled(b'{"model":"embedding","input":[', b'"",', b'""]}', EMBEDDINGS),
    "numbers as prompt": filled(b'{"model":"m-1","prompt":[', b"-1,", b"1]}", COMPLETIONS),
    "a map of biases": lambda: (
        CHAT,
        HEAD + b'"logit_bias":{' + b",".join(b'"%d":"x"' % at for at in range(SIZE // 13)) + b"}}",
    ),
    "lists": filled(HEAD + b'"x":[', b"[],", b"1]}"),
    "objects": filled(HEAD + b'"x":[', b'{"a":{}},', b"1]}"),
    "short strings": filled(HEAD + b'"x":[', b'"a",', b'"a"]}'),
    "deep lists": filled(HEAD + b'"x":[', b"[" * 199 + b"]" * 199 + b",", b"1]}"),
    "small messages": filled(b'{"model":"m-1","messages":[', b'{"role":"user","content":""},', b"1]}"),
    "messages with a wrong last": filled(
        b'{"model":"m-1","messages":[', b'{"role":"user","content":"' + b"a" * 40 + b'"},', b"1]}"
    ),
}
LARGE: dict[str, Case] = {
    "a long text": filled(b'{"model":"m-1","messages":[{"role":"user","content":"', b"All work and no play. ", b'"}]}'),
    "a long Chinese text": filled(
        b'{"model":"m-1","messages":[{"role":"user","content":"', "\u4e2d\u6587\uff0c".encode(), b'"}]}'
    ),
    "2,048 lists of tokens": lambda: (
        EMBEDDINGS,
        b'{"model":"embedding","input":[' + b",".join([b"[" + b",".join([b"12345"] * 470) + b"]"] * 2048) + b"]}",
    ),
    "100,000 messages": lambda: (
        CHAT,
        b'{"model":"m-1","messages":[' + b",".join([b'{"role":"user","content":"hello"}'] * 100_000) + b"]}",
    ),
}
# Made of as many values as are taken: what is wrong is seen only among them.
BUILT = frozenset({"messages with a wrong last"})
CASES = HOSTILE | LARGE
