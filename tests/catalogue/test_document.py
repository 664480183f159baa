"""The table of bad inputs in the docs is what the tests send."""

from tests.catalogue.document import PAGE, page, rows

COMMAND = "python -m tests.catalogue.document"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"write it again: {COMMAND}"


def test_every_number_of_the_catalogue_has_its_row_once() -> None:
    numbers = [row.number for row in rows()]
    assert len(numbers) == len(set(numbers))
    assert {row.order[0] for row in rows()} == set(range(1, 133))
