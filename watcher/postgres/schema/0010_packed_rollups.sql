-- The histogram of whole checks of an hour or a day as one number: eight decimal digits for each bucket, those of
-- bucket 0 first. The server adds up such numbers in a fraction of the time for joining arrays. `sum` would do as well,
-- but needs several times the memory. NULL in minutes, and in rollups that a former version has merged.
ALTER TABLE rollups ADD COLUMN IF NOT EXISTS packed numeric;
CREATE OR REPLACE AGGREGATE watcher_added(numeric) (SFUNC = numeric_add, STYPE = numeric);
