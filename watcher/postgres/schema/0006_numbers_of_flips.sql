-- Which of its target's flips a flip is, 1 for the first, and how many have led to a state: NULL where nobody counted.
ALTER TABLE flips ADD COLUMN IF NOT EXISTS number int;
ALTER TABLE states ADD COLUMN IF NOT EXISTS flips int;
