"""The HTTP gateway: JSON API, uploads, events and pages."""
