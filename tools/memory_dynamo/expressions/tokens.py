"""Words and placeholders of an expression, and a cursor over them."""

import importlib.util
import re
from functools import cache
from pathlib import Path as FilePath
from typing import NamedTuple

from multiconnection.aws.dynamo import RequestRejected

from .syntax import Path, Value

EXPRESSION_BYTES_MAX = 4096
_TOKEN = re.compile(
    r"\s*(?:(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)|(?P<word>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign><>|<=|>=|[=<>(),+-])|(?P<document>[.\[])|(?P<end>$))"
)


class Token(NamedTuple):
    kind: str
    text: str


@cache
def reserved_words() -> frozenset[str]:
    """Words that DynamoDB refuses as bare names; moto ships the documented list as a file."""
    spec = importlib.util.find_spec("moto")
    if spec is None or spec.origin is None:
        raise RuntimeError("moto is not installed")
    file = FilePath(spec.origin).parent / "dynamodb" / "parsing" / "reserved_keywords.txt"
    return frozenset(file.read_text().split())


def tokenise(expression: str) -> list[Token]:
    if not expression.strip():
        raise RequestRejected("the expression can not be empty")
    if len(expression.encode()) > EXPRESSION_BYTES_MAX:
        raise RequestRejected("the expression is longer than 4 KB")
    tokens: list[Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        found = _TOKEN.match(expression, position)
        if found is None or found.lastgroup is None:
            raise RequestRejected(f"syntax error in {expression!r} at {position}")
        if found.lastgroup == "document":
            raise NotImplementedError(f"document paths: {expression!r}")
        tokens.append(Token(found.lastgroup, found.group(found.lastgroup)))
        position = found.end()
    return tokens


class Cursor:
    """Reads tokens from left to right and remembers the placeholders it has seen."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = tokenise(expression)
        self._position = 0
        self.names: set[str] = set()
        self.values: set[str] = set()
        self.paths: list[Path] = []

    @property
    def token(self) -> Token:
        return self._tokens[self._position]

    def peek(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        if token.kind == "end":
            raise self.error()
        self._position += 1
        return token

    def at_sign(self, *signs: str) -> bool:
        return self.token.kind == "sign" and self.token.text in signs

    def at_word(self, *words: str) -> bool:
        """Keywords are not case-sensitive, function names are (see `at_function`)."""
        return self.token.kind == "word" and self.token.text.upper() in words

    def at_function(self) -> bool:
        return self.token.kind == "word" and self.peek() == Token("sign", "(")

    def at_doubled_parentheses(self) -> bool:
        """True for a parenthesis that contains only another pair of parentheses."""
        if not (self.at_sign("(") and self.peek() == Token("sign", "(")):
            return False
        return self._closing(self._position + 1) + 1 == self._closing(self._position)

    def _closing(self, opening: int) -> int:
        depth = 0
        for position in range(opening, len(self._tokens)):
            text = self._tokens[position].text if self._tokens[position].kind == "sign" else ""
            depth += (text == "(") - (text == ")")
            if depth == 0:
                return position
        raise self.error()

    def accept_sign(self, sign: str) -> bool:
        found = self.at_sign(sign)
        self._position += found
        return found

    def accept_word(self, word: str) -> bool:
        found = self.at_word(word)
        self._position += found
        return found

    def expect_sign(self, sign: str) -> None:
        if not self.accept_sign(sign):
            raise self.error()

    def expect_word(self, word: str) -> None:
        if not self.accept_word(word):
            raise self.error()

    def expect_end(self) -> None:
        if self.token.kind != "end":
            raise self.error()

    def path(self) -> Path:
        self.paths.append(self._path())
        return self.paths[-1]

    def _path(self) -> Path:
        token = self.take()
        if token.kind == "name":
            self.names.add(token.text)
            return Path(token.text)
        if token.kind != "word":
            raise self.error()
        if token.text.upper() in reserved_words():
            raise RequestRejected(f"reserved keyword: {token.text}")
        return Path(token.text)

    def value(self) -> Value:
        token = self.take()
        if token.kind != "value":
            raise self.error()
        self.values.add(token.text)
        return Value(token.text)

    def error(self) -> RequestRejected:
        return RequestRejected(f"syntax error in {self._expression!r} near {self.token.text!r}")
