"""Write docs/bad-inputs.md from the catalogue: ``python -m tests.catalogue.document``."""

from pathlib import Path

from tests.catalogue.files import contents, packed, structure
from tests.catalogue.http.rows import ROWS as REQUESTS
from tests.catalogue.rows import Row, table

PAGE = Path(__file__).parents[2] / "docs" / "bad-inputs.md"

INTRODUCTION = """# Bad inputs, and what Pictor answers

Written by `python -m tests.catalogue.document` from the rows the tests send to a real installation; do not edit.

Every row is sent through the real HTTP interface of an installation of seven separate services. The tests assert the
status, the problem code, what is kept and why, and afterwards that every service is the process it was before, that
nothing is parked, that a good frame is still taken, and that `pictor check --deep` finds nothing.

*Kept* is **nothing** for what is refused: the sender has the file, and the answer says what is wrong with it.
**quarantined** frames are kept byte by byte with a reason until a person decides. **registered** frames are processed;
*reason* is then that of the first module that could not do its part (the frames of this catalogue are too small to be
solved). How refusing and keeping were divided: [decision 5](decisions/0005-what-is-refused-and-what-is-quarantined.md).
"""


def rows() -> list[Row]:
    """Every row of the catalogue."""
    return [*(case.row for case in (*structure.CASES, *packed.CASES, *contents.CASES)), *REQUESTS]


def page() -> str:
    """Write the page."""
    every = rows()
    files = [row for row in every if row.order[0] < 94]
    requests = [row for row in every if row.order[0] >= 94]
    return f"{INTRODUCTION}\n## Files\n\n{table(files)}\n## Requests\n\n{table(requests)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
