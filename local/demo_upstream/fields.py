"""The fields of a request, from JSON or from a form, read with OpenAI's refusals."""

from collections.abc import Collection
from typing import Any

from local.demo_upstream.ask import BadRequest


class Fields:
    """Fields by name; in a form all values are texts, and `name[]` is kept as a list under `name`."""

    def __init__(self, values: dict[str, Any], *, form: bool = False) -> None:
        self.values = values
        self._form = form

    def get(self, name: str) -> Any:
        """As it came; None where it is missing or null."""
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        """A string, or None where it is missing."""
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            raise BadRequest(f"Invalid type for '{name}': expected a string.", name, "invalid_type")
        return value

    def required_text(self, name: str) -> str:
        """A string that must be there and say something."""
        value = self.text(name)
        if value is None:
            raise missing(name)
        if not value:
            raise BadRequest(f"Invalid '{name}': empty string.", name, "empty_string")
        return value

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """One of the allowed words."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in allowed:
            words = ", ".join(repr(word) for word in allowed)
            raise BadRequest(f"Invalid value: {value!r}. Supported values are: {words}.", name, "invalid_value")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """An integer within bounds."""
        value = self.get(name)
        if self._form and isinstance(value, str) and value.strip("-").isdecimal():
            value = int(value)
        if value is None:
            return default
        if type(value) is not int:
            raise BadRequest(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
        if not least <= value <= most:
            raise out_of_range(name, least, most)
        return value

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number within bounds."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadRequest(f"Invalid type for '{name}': expected a number.", name, "invalid_type")
        if not least <= value <= most:
            raise out_of_range(name, least, most)
        return value

    def flag(self, name: str) -> bool:
        """True only where it says so."""
        value = self.get(name)
        return value is True or (self._form and value in ("true", "True", "1"))

    def words(self, name: str) -> list[str]:
        """A list of strings; a single one counts as a list of one."""
        value = self.get(name)
        found = value if isinstance(value, list) else [] if value is None else [value]
        return [word for word in found if isinstance(word, str)]


def missing(name: str) -> BadRequest:
    """A required field that is not there."""
    return BadRequest(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def unknown(name: str) -> BadRequest:
    """A field that the model does not have."""
    return BadRequest(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def out_of_range(name: str, least: float, most: float) -> BadRequest:
    """A number beyond its bounds."""
    return BadRequest(f"Invalid '{name}': expected {least} to {most}.", name, "integer_out_of_range")
