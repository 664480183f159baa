"""FITS bytes: scanned before any library sees them, read, unpacked, written."""
