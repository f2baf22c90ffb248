"""/v1: what the holder of an API key can call."""

from .operation import EVENTS, FORM, Operation

PAID = (400, 401, 402, 403, 404, 413, 429, 502, 503, 504)
READ = (401, 404, 429, 503)
AUDIO = ("audio/mpeg", "audio/opus", "audio/aac", "audio/flac", "audio/wav", "audio/pcm", EVENTS)


def _paid(path: str, tag: str, summary: str, body: str, answer: str | None, *media: str) -> Operation:
    return Operation("POST", path, tag, summary, "api_key", body, answer, media=media, errors=PAID)


def _form(
    path: str, tag: str, summary: str, body: str, answer: str, *media: str, json_body: str | None = None
) -> Operation:
    return Operation(
        "POST",
        path,
        tag,
        summary,
        "api_key",
        body,
        answer,
        body_media=FORM,
        json_body=json_body,
        media=media,
        errors=PAID,
    )


GATEWAY = (
    _paid(
        "/v1/chat/completions",
        "Chat",
        "Create a chat completion; with a speech model, create speech",
        "ChatRequest",
        "ChatCompletion",
        EVENTS,
        "audio/mpeg",
    ),
    _paid("/v1/completions", "Chat", "Create a legacy completion", "CompletionRequest", "Completion", EVENTS),
    _paid("/v1/audio/speech", "Audio", "Create speech", "SpeechRequest", None, *AUDIO),
    _form(
        "/v1/audio/transcriptions",
        "Audio",
        "Transcribe audio",
        "TranscriptionRequest",
        "Transcription",
        "text/plain",
        EVENTS,
    ),
    _form(
        "/v1/audio/translations",
        "Audio",
        "Translate audio into English",
        "TranslationRequest",
        "Transcription",
        "text/plain",
    ),
    _paid("/v1/images/generations", "Images", "Create images", "ImageRequest", "Images", EVENTS),
    _form(
        "/v1/images/edits",
        "Images",
        "Edit images",
        "ImageEditRequest",
        "Images",
        EVENTS,
        json_body="ImageEditByReference",
    ),
    _paid("/v1/embeddings", "Embeddings", "Create embeddings", "EmbeddingRequest", "Embeddings"),
    _paid("/v1/moderations", "Moderations", "Classify text and images", "ModerationRequest", "Moderation"),
    Operation(
        "POST",
        "/v1/uploads",
        "Uploads",
        "Get a URL to send a large file to, for use as upload://ID",
        "api_key",
        "UploadRequest",
        "Upload",
        errors=(400, 401, 403, 413, 429, 503),
    ),
)
