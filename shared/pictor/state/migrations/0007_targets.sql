-- Targets by name: the few distinct names of an observatory are found by leaps through this index, their frames in it.
CREATE INDEX frame_by_target ON frame (observatory_id, target, received_at DESC);
