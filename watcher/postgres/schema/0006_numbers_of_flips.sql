-- The number of a flip among its target's flips, from 1, and the number of flips up to a state: NULL if unknown.
ALTER TABLE flips ADD COLUMN IF NOT EXISTS number int;
ALTER TABLE states ADD COLUMN IF NOT EXISTS flips int;
