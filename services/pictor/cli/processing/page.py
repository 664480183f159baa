"""The report as one page of HTML."""

from pathlib import Path

from pictor.cli.processing.rows import Report


def page_of(report: Report, out: Path) -> str:
    """Write the page."""
    return f"<!doctype html><title>{len(report.rows)} files</title>{out.name}"
