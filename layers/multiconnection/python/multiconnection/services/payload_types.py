"""Which files may be uploaded, how large each may be, and how a stored result's name ends."""

# What the models of a gateway read: pictures to look at, sound and film to transcribe. A file has to say what it is,
# because size limits and endpoints go by it; application/octet-stream says nothing.
UPLOAD_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "audio/mp3",
        "audio/mpeg",
        "audio/mp4",
        "audio/m4a",
        "audio/x-m4a",
        "audio/wav",
        "audio/x-wav",
        "audio/webm",
        "audio/ogg",
        "audio/flac",
        "video/mp4",
        "video/webm",
    }
)
_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/svg+xml": "svg",
    "audio/mpeg": "mp3",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/pcm": "pcm",
}


def media_type(content_type: str) -> str:
    """`Audio/WebM; codecs=opus` → `audio/webm`."""
    return content_type.partition(";")[0].strip().lower()


def kind_of(content_type: str) -> str:
    """ "image", "audio" or "video"."""
    return media_type(content_type).partition("/")[0]


def ending_of(content_type: str) -> str:
    """A file name's ending, without a dot."""
    return _ENDINGS.get(media_type(content_type), "bin")
