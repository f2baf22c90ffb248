"""The local stack's mail page, read as a person reads his mail: the newest one to an address."""

from typing import Any

from tests.e2e.support.stack import LocalStack
from tests.e2e.support.waiting import until

ARRIVES_S = 20.0


class Mailbox:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    def mails(self, to: str) -> list[dict[str, Any]]:
        """Newest first."""
        answer = self._stack.http.get(f"{self._stack.run['mail_url']}mails.json").raise_for_status()
        return [mail for mail in answer.json() if to in mail["to"]]

    def code(self, to: str, known: int = 0) -> str:
        """The code of the newest mail, once there are more than `known`."""
        mails = until(lambda: self._more(to, known), ARRIVES_S, f"a mail to {to}")
        code = mails[0]["code"]
        assert code, mails[0]
        return str(code)

    def await_mail(self, to: str, *words: str) -> dict[str, Any]:
        """The newest mail that says all of these."""
        return until(lambda: self._with(to, words), ARRIVES_S, f"a mail to {to} that says {words}")

    def _more(self, to: str, known: int) -> list[dict[str, Any]]:
        mails = self.mails(to)
        return mails if len(mails) > known else []

    def _with(self, to: str, words: tuple[str, ...]) -> dict[str, Any]:
        said = (mail for mail in self.mails(to) if all(word in f"{mail['subject']}\n{mail['text']}" for word in words))
        return next(said, {})
