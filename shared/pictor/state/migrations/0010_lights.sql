-- A calibrated light is asked for by frame and kind of product; the key is that of the pixels it would have had then.
ALTER TABLE job ADD COLUMN wish text, ADD COLUMN wish_key text;
CREATE UNIQUE INDEX job_one_wish ON job (frame_id, wish)
    WHERE wish IS NOT NULL AND state IN ('pending', 'running');

-- Which calibrated lights a master is in.
CREATE INDEX product_by_masters_applied ON product USING gin ((parameters->'master_ids'))
    WHERE kind IN ('calibrated', 'calibrated-clean');
