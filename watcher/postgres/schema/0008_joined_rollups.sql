-- Joins the arrays of many rollups, in any order: splitting arrays or JSON into rows takes much longer.
CREATE OR REPLACE AGGREGATE watcher_joined(smallint[]) (SFUNC = array_cat, STYPE = smallint[]);
CREATE OR REPLACE AGGREGATE watcher_joined(int[]) (SFUNC = array_cat, STYPE = int[]);
CREATE OR REPLACE AGGREGATE watcher_joined(text) (SFUNC = textcat, STYPE = text);
