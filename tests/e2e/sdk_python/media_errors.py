"""One failure of each kind at the endpoints beside chat."""

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from openai import OpenAI

from tests.e2e.sdk_python.facts import Facts, Target

Audio = dict[str, Any]
SPEECH: Audio = {"model": "tts-1", "voice": "alloy", "input": "one two three"}
IMAGE: dict[str, Any] = {"model": "gpt-image-1-mini", "prompt": "a red fox"}
# More than a request may have.
HUGE = bytes(6 * 1024 * 1024 + 1)


def speech_by_no_such_voice(target: Target) -> Facts:
    return target.failure(_speak(target.client(), voice="nobody"))


def speech_of_nothing(target: Target) -> Facts:
    return target.failure(_speak(target.client(), input=""))


def speech_of_too_much(target: Target) -> Facts:
    return target.failure(_speak(target.client(), input="a" * 4097))


def speech_by_a_chat_model(target: Target) -> Facts:
    return target.failure(_speak(target.client(), model="demo-chat"))


def speech_as_events_by_characters(target: Target) -> Facts:
    return target.failure(_speak(target.client(), stream_format="sse"))


def speech_for_the_poor(target: Target) -> Facts:
    return target.failure(_speak(target.client("poor_key"), input="a" * 4000))


def images_of_no_such_size(target: Target) -> Facts:
    return target.failure(_draw(target.client(), size="7x7"))


def images_without_data(target: Target) -> Facts:
    client = target.client("hasty_key", "hasty_url", max_retries=0)
    return target.failure(_draw(client, model="gpt-image-1-mini+no-data"))


def images_from_a_text_file(target: Target) -> Facts:
    """Its name and type say PNG."""
    text = ("a.png", b"these are words", "image/png")
    return target.failure(partial(target.client().images.edit, image=text, **IMAGE))


def transcript_of_a_text_file(target: Target) -> Facts:
    """Its name and type say MP3."""
    return target.failure(_hear(target.client(), ("a.mp3", b"these are words" * 100, "audio/mpeg")))


def transcript_of_a_huge_file(target: Target) -> Facts:
    return target.failure(_hear(target.client(), ("a.wav", HUGE, "audio/wav")))


def transcript_by_a_chat_model(target: Target) -> Facts:
    file = ("a.wav", b64decode(target.config["recording"]))
    return target.failure(_hear(target.client(), file, model="demo-chat"))


def embedding_by_no_such_model(target: Target) -> Facts:
    client = target.client()
    return target.failure(partial(client.embeddings.create, model="no/such:model", input="one"))


def embedding_of_nothing(target: Target) -> Facts:
    client = target.client()
    return target.failure(partial(client.embeddings.create, model="text-embedding-3-small", input=""))


def completion_without_words(target: Target) -> Facts:
    client = target.client()
    return target.failure(partial(client.completions.create, model="demo-chat", prompt=[]))


def upload_of_anything(target: Target) -> Facts:
    return target.failure(_upload(target.client(), mime_type="application/x-sh"))


def upload_too_large(target: Target) -> Facts:
    return target.failure(_upload(target.client(), bytes=10**12))


def upload_of_somebody_else(target: Target) -> Facts:
    """In a chat of another account."""
    url = {"url": f"upload://{target.config['foreign_upload']}"}
    messages: list[Any] = [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]
    client = target.client("payer_key")
    return target.failure(partial(client.chat.completions.create, model="demo-chat", messages=messages))


def _speak(client: OpenAI, **changes: Any) -> Callable[[], object]:
    return partial(client.audio.speech.create, **{**SPEECH, **changes})


def _draw(client: OpenAI, **changes: Any) -> Callable[[], object]:
    return partial(client.images.generate, **{**IMAGE, **changes})


def _hear(client: OpenAI, file: Any, model: str = "whisper-1") -> Callable[[], object]:
    return partial(client.audio.transcriptions.create, model=model, file=file)


def _upload(client: OpenAI, **changes: Any) -> Callable[[], object]:
    wanted: dict[str, Any] = {"filename": "a.png", "bytes": 100, "mime_type": "image/png", "purpose": "vision"}
    return partial(client.uploads.create, **{**wanted, **changes})


SCENARIOS = (
    speech_by_no_such_voice,
    speech_of_nothing,
    speech_of_too_much,
    speech_by_a_chat_model,
    speech_as_events_by_characters,
    speech_for_the_poor,
    images_of_no_such_size,
    images_without_data,
    images_from_a_text_file,
    transcript_of_a_text_file,
    transcript_of_a_huge_file,
    transcript_by_a_chat_model,
    embedding_by_no_such_model,
    embedding_of_nothing,
    completion_without_words,
    upload_of_anything,
    upload_too_large,
    upload_of_somebody_else,
)
