-- What was odd about the responses of a check that failed, each in a sentence: NULL where nothing was.
ALTER TABLE failures ADD COLUMN IF NOT EXISTS notes text[];
