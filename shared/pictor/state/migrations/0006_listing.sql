-- Newest arrivals of all observatories, for those who see all: without it every page sorts the whole library.
CREATE INDEX frame_newest ON frame (received_at DESC, id DESC);
