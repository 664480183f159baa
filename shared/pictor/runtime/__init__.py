"""Settings, bus, stores, step and supervisor."""
