"""The message of `make run` when the stack answers, and the contents of run.json."""

from dataclasses import asdict, dataclass
from typing import Any

from local.demo_people import DemoPeople

CURL_MODEL = "deepseek-v4-flash"


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything a person needs for the first call and the first sign-in."""

    url: str
    api_key: str
    model: str
    upstreams: str
    people: DemoPeople
    mail_url: str

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def console_url(self) -> str:
        return f"{self.url}/console"


def curl(ready: Ready) -> str:
    return (
        f"curl -N {ready.base_url}/chat/completions \\\n"
        f'  -H "Authorization: Bearer {ready.api_key}" \\\n'
        f'  -H "Content-Type: application/json" \\\n'
        f"""  -d '{{"model": "{ready.model}", "stream": true, "stream_options": {{"include_usage": true}}, """
        """"messages": [{"role": "user", "content": "hello MultiConnection"}]}'"""
    )


def snippet(ready: Ready) -> str:
    return f"""from openai import OpenAI

client = OpenAI(base_url="{ready.base_url}", api_key="{ready.api_key}")
answer = client.chat.completions.create(
    model="{ready.model}", messages=[{{"role": "user", "content": "hello MultiConnection"}}]
)
print(answer.choices[0].message.content, answer.usage)"""


def banner(ready: Ready) -> str:
    user, admin = ready.people.user, ready.people.admin
    return f"""
MultiConnection is ready.

  Base URL   {ready.base_url}
  API key    {ready.api_key}
  Account    {ready.people.account_id}
  Upstream   {ready.upstreams}
  Prices     {ready.url}/api/models

  Console    {ready.console_url}
    user     {user.email}  {user.password}  (of the account above)
    admin    {admin.email}  {admin.password}  ({ready.url}/admin)
  Mail       {ready.mail_url}

Stream an answer:

{curl(ready)}

In Python:

{snippet(ready)}

Ctrl-C stops everything and keeps people, accounts, keys, balances and orders.
"""


def in_run_file(ready: Ready) -> dict[str, Any]:
    return {
        "base_url": ready.base_url,
        "api_key": ready.api_key,
        "account_id": ready.people.account_id,
        "model": ready.model,
        "console_url": ready.console_url,
        "demo_user": asdict(ready.people.user),
        "demo_admin": asdict(ready.people.admin),
        "mail_url": ready.mail_url,
    }
