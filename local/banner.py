"""What `make run` prints when the stack answers."""

from dataclasses import dataclass

CURL_MODEL = "deepseek-v4-flash"


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything a person needs for the first call."""

    base_url: str
    api_key: str
    account_id: str
    model: str
    upstreams: str


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
    return f"""
MultiConnection is ready.

  Base URL   {ready.base_url}
  API key    {ready.api_key}
  Account    {ready.account_id}
  Upstream   {ready.upstreams}
  Prices     {ready.base_url.removesuffix("/v1")}/api/models

Stream an answer:

{curl(ready)}

In Python:

{snippet(ready)}

Ctrl-C stops everything and keeps accounts, keys and balances.
"""
