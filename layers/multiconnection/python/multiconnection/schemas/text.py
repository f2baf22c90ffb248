"""Text that people write for people: notes and reasons, which others read before they decide about money."""

import re
import unicodedata

# Between two letters they are spelling (Persian, Hindi) or part of an emoji.
_JOINERS = re.compile(r"(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d])")
_BREAKS = re.compile(r"\r\n?")


def plain_text(value: str) -> str:
    """With line breaks in one form; a ValueError for what does not show, or makes other text show as what it is not."""
    text = _BREAKS.sub("\n", value)
    if not all(map(_is_plain, _JOINERS.sub("", text))):
        raise ValueError("only printable characters and line breaks may be in it")
    return text


def _is_plain(char: str) -> bool:
    """No controls, formats, surrogates, private or unassigned characters, and no separators of lines or paragraphs."""
    category = unicodedata.category(char)
    return char == "\n" or not (category.startswith("C") or category in ("Zl", "Zp"))
