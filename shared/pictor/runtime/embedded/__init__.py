"""The servers of `pictor up`: NATS, PostgreSQL and SeaweedFS, started, watched, stopped."""
