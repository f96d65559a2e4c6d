-- usable from 10

-- Several processes of the server may share a sum over many rollups. The order in which they join is any.
CREATE OR REPLACE AGGREGATE watcher_joined(smallint[]) (
    SFUNC = array_cat, STYPE = smallint[], COMBINEFUNC = array_cat, PARALLEL = SAFE
);
CREATE OR REPLACE AGGREGATE watcher_joined(int[]) (
    SFUNC = array_cat, STYPE = int[], COMBINEFUNC = array_cat, PARALLEL = SAFE
);
CREATE OR REPLACE AGGREGATE watcher_joined(text) (
    SFUNC = textcat, STYPE = text, COMBINEFUNC = textcat, PARALLEL = SAFE
);
CREATE OR REPLACE AGGREGATE watcher_added(numeric) (
    SFUNC = numeric_add, STYPE = numeric, COMBINEFUNC = numeric_add, PARALLEL = SAFE
);
