"""A folder of a night from raw files to coadds and a report, without any server."""
