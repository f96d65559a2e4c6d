-- The notes of a failing check on odd responses, a sentence each: NULL without notes.
ALTER TABLE failures ADD COLUMN IF NOT EXISTS notes text[];
