-- Joins the arrays of many rollups, in any order: faster than taking them apart into rows.
CREATE OR REPLACE AGGREGATE watcher_joined(smallint[]) (SFUNC = array_cat, STYPE = smallint[]);
CREATE OR REPLACE AGGREGATE watcher_joined(int[]) (SFUNC = array_cat, STYPE = int[]);
