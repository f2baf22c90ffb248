"""What an image is, by its first bytes."""

EDITABLE = ("image/png", "image/jpeg", "image/webp")


def image_type(data: bytes) -> str:
    """Its media type; "" for what is no image that is known here."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return ""
