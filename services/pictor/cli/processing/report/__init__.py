"""The report of a run: CSV, JSON and one page of HTML."""
