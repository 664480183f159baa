-- Parts of target names: a night is found among a million frames without looking at each. The extension comes with
-- PostgreSQL and may be made by the owner of a database.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX frame_by_target ON frame USING gin (target gin_trgm_ops);
