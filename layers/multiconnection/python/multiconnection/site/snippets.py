"""Ready code for each kind of model, with the visitor's own host filled in."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEY = "sk-live-..."
KEY_VARIABLE = "MULTICONNECTION_API_KEY"
# The model of the examples, when it is served.
PREFERRED = ("deepseek-v4-flash", "gpt-4.1-mini", "demo-chat")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One language's version; `id` is unique within its set."""

    id: str
    label: str
    code: str


def example_model(models: Sequence[Mapping[str, Any]], kind: str, preferred: Sequence[str] = PREFERRED) -> str | None:
    """A served model of that kind, a well-known one if possible."""
    served = [model["id"] for model in models if model["kind"] == kind]
    return next((name for name in preferred if name in served), served[0] if served else None)


def snippets(kind: str, model: str, base_url: str) -> list[Snippet]:
    """curl, Python and JavaScript; an unknown kind gets those of a chat."""
    curl, python, javascript = _OF_KIND.get(kind, _chat)(model, base_url)
    return [
        Snippet("curl", "curl", curl),
        Snippet("python", "Python", _PYTHON.format(base_url=base_url, variable=KEY_VARIABLE) + python),
        Snippet("javascript", "JavaScript", _JAVASCRIPT.format(base_url=base_url, variable=KEY_VARIABLE) + javascript),
    ]


def curl_json(url: str, body: Mapping[str, Any], tail: str = "") -> str:
    """A POST with a JSON body, one member a line."""
    text = json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
    head = f'curl {url} \\\n  -H "Authorization: Bearer {KEY}" \\\n  -H "Content-Type: application/json" \\\n'
    return f"{head}  -d '{text}'{tail}"


_PYTHON = """\
from openai import OpenAI
import os

client = OpenAI(
    api_key=os.environ["{variable}"],
    base_url="{base_url}",
)

"""
_JAVASCRIPT = """\
import OpenAI from "openai";

const client = new OpenAI({{
  apiKey: process.env.{variable},
  baseURL: "{base_url}",
}});

"""


def _chat(model: str, base_url: str) -> tuple[str, str, str]:
    messages = [{"role": "user", "content": "hello MultiConnection"}]
    return (
        curl_json(f"{base_url}/chat/completions", {"model": model, "messages": messages}),
        f"""\
completion = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "hello MultiConnection"}}],
)

print(completion.choices[0].message.content)""",
        f"""\
const completion = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "hello MultiConnection" }}],
}});

console.log(completion.choices[0].message.content);""",
    )


def _speech(model: str, base_url: str) -> tuple[str, str, str]:
    text = "The quick brown fox jumped over the lazy dog."
    return (
        curl_json(
            f"{base_url}/audio/speech",
            {"model": model, "input": text, "voice": "alloy"},
            " \\\n  --output speech.mp3",
        ),
        f"""\
with client.audio.speech.with_streaming_response.create(
    model="{model}", voice="alloy", input="{text}"
) as response:
    response.stream_to_file("speech.mp3")""",
        f"""\
import {{ writeFile }} from "node:fs/promises";

const speech = await client.audio.speech.create({{
  model: "{model}",
  voice: "alloy",
  input: "{text}",
}});
await writeFile("speech.mp3", Buffer.from(await speech.arrayBuffer()));""",
    )


def _image(model: str, base_url: str) -> tuple[str, str, str]:
    prompt = "A cute baby sea otter"
    body = {"model": model, "prompt": prompt, "n": 1, "size": "1024x1024"}
    return (
        curl_json(f"{base_url}/images/generations", body),
        f"""\
import base64

image = client.images.generate(model="{model}", prompt="{prompt}", n=1, size="1024x1024")
with open("otter.png", "wb") as file:
    file.write(base64.b64decode(image.data[0].b64_json))""",
        f"""\
import {{ writeFile }} from "node:fs/promises";

const image = await client.images.generate({{
  model: "{model}",
  prompt: "{prompt}",
  n: 1,
  size: "1024x1024",
}});
await writeFile("otter.png", Buffer.from(image.data[0].b64_json, "base64"));""",
    )


def _transcription(model: str, base_url: str) -> tuple[str, str, str]:
    return (
        f'curl {base_url}/audio/transcriptions \\\n  -H "Authorization: Bearer {KEY}" \\\n'
        f'  -F model="{model}" \\\n  -F file="@speech.mp3"',
        f"""\
with open("speech.mp3", "rb") as file:
    transcript = client.audio.transcriptions.create(model="{model}", file=file)

print(transcript.text)""",
        f"""\
import {{ createReadStream }} from "node:fs";

const transcript = await client.audio.transcriptions.create({{
  model: "{model}",
  file: createReadStream("speech.mp3"),
}});

console.log(transcript.text);""",
    )


def _embedding(model: str, base_url: str) -> tuple[str, str, str]:
    return (
        curl_json(f"{base_url}/embeddings", {"model": model, "input": "hello MultiConnection"}),
        f"""\
answer = client.embeddings.create(model="{model}", input="hello MultiConnection")

print(len(answer.data[0].embedding))""",
        f"""\
const answer = await client.embeddings.create({{
  model: "{model}",
  input: "hello MultiConnection",
}});

console.log(answer.data[0].embedding.length);""",
    )


def _moderation(model: str, base_url: str) -> tuple[str, str, str]:
    return (
        curl_json(f"{base_url}/moderations", {"model": model, "input": "I like otters."}),
        f"""\
answer = client.moderations.create(model="{model}", input="I like otters.")

print(answer.results[0].flagged)""",
        f"""\
const answer = await client.moderations.create({{ model: "{model}", input: "I like otters." }});

console.log(answer.results[0].flagged);""",
    )


_OF_KIND: Mapping[str, Callable[[str, str], tuple[str, str, str]]] = {
    "chat": _chat,
    "speech": _speech,
    "image": _image,
    "transcription": _transcription,
    "embedding": _embedding,
    "moderation": _moderation,
}
