"""uvicorn's HTTP/1.1 over httptools, with what RFC 9112 asks for beside: HTTP/1.0 clients and upgrades not offered."""

from typing import TYPE_CHECKING

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_OF_UPGRADES = frozenset({b"upgrade", b"http2-settings"})


class LocalHttp(HttpToolsProtocol):
    """One connection.

    The parser stops at an upgrade and takes what follows for another protocol. An upgrade that is not offered has to be
    ignored (RFC 9110, 7.8): JDK's HttpClient and `curl --http2` ask for `h2c` and go on in HTTP/1.1 with their body. So
    the head is read once more without it.
    """

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        if self._is_upgrade():
            return
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.__class__ = UntilClosed
            self.cycle.waiting_for_100_continue = False  # such a client does not know it

    def on_message_complete(self) -> None:
        if not self._is_upgrade():
            super().on_message_complete()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            if not self._is_upgrade():  # CONNECT
                self.transport.close()
                return
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._feed(head + data[exc.args[0] :])

    def _is_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                options = [option.strip() for option in value.split(b",")]
                value = b", ".join(option for option in options if option.lower() not in _OF_UPGRADES)
            if name not in _OF_UPGRADES and value:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])


class UntilClosed(RequestResponseCycle):
    """An answer to HTTP/1.0: one of unknown length ends with the connection, never in chunks (RFC 9112, 6.1)."""

    until_closed = False

    async def send(self, message: "ASGISendEvent") -> None:
        if message["type"] == "http.response.start":
            self.until_closed = all(name.lower() != b"content-length" for name, _ in message.get("headers", []))
            self.chunked_encoding = False if self.until_closed else None
        elif message["type"] == "http.response.body" and self.until_closed:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
