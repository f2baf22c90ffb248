"""docs/parameters.md is what the code does."""

from local.parameters_page import PAGE, page


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text() == page(), "run python -m local.parameters_page"
