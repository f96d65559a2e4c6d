-- An outbox as commit e145798 wrote it, whose failures and flips are arrays: failures, flips and rollups that wait, the
-- journal of a minute that is not over, and standings.
BEGIN TRANSACTION;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, or one that is new could be taken for one that is stored
    kind TEXT NOT NULL, created_at REAL NOT NULL, payload TEXT NOT NULL
);
INSERT INTO "entries" VALUES(1795639912476137,'flip',1795447255.857,'["01a208fe-f331-81f0-9b44-881335f98b39", "Checkout", "default", "2026-11-23T15:20:55.857000+00:00", "2026-11-23T15:20:55.857000+00:00", "up", "pending", null, null, "01a208fe-f331-8d1a-a2de-8457360984e5"]');
INSERT INTO "entries" VALUES(1795639912476138,'flip',1795447255.857,'["01a208fe-f331-817d-9298-7f3eb92089c3", "Blog", "default", "2026-11-23T15:20:55.857000+00:00", "2026-11-23T15:20:55.857000+00:00", "up", "pending", null, null, "01a208fe-f331-8af4-acb1-49316dc83ea7"]');
INSERT INTO "entries" VALUES(1795639912476139,'failure',1795447270.857,'["01a208ff-1a41-8fbb-bf2e-8f6fbafbaf33", "Checkout", "https://shop.example/health", "default", "2026-11-23T15:21:05.857000+00:00", "2026-11-23T15:21:05.857000+00:00", 143.2, "status", "503 Service Unavailable", 503, "{\"resolve\": 3.1, \"connect\": 12.0, \"tls\": 40.2, \"processing\": 80.1, \"transfer\": 7.8}", "<h1>sorry</h1> na\u00efve \u6771\u4eac", "{\"server\": \"a \\\"quoted\\\" word\", \"via\": \"x\\\\y\"}"]');
INSERT INTO "entries" VALUES(1795639912476140,'failure',1795447270.857,'["01a208ff-2211-8b68-b309-d4f69d7eab82", "Checkout", "https://shop.example/health", "default", "2026-11-23T15:21:07.857000+00:00", "2026-11-23T15:21:07.857000+00:00", 143.2, "status", "503 Service Unavailable", 503, "{\"resolve\": 3.1, \"connect\": 12.0, \"tls\": 40.2, \"processing\": 80.1, \"transfer\": 7.8}", null, null]');
INSERT INTO "entries" VALUES(1795639912476141,'flip',1795447270.857,'["01a208ff-1a41-8a7d-ba8d-21791495f051", "Checkout", "default", "2026-11-23T15:21:05.857000+00:00", "2026-11-23T15:21:09.857000+00:00", "down", "up", "status", "503 Service Unavailable", "01a208ff-29e1-8093-a676-8207cd044b61"]');
INSERT INTO "entries" VALUES(1795639912476142,'failure',1795447270.857,'["01a208ff-29e1-8093-a676-8207cd044b61", "Checkout", "https://shop.example/health", "default", "2026-11-23T15:21:09.857000+00:00", "2026-11-23T15:21:09.857000+00:00", 143.2, "status", "503 Service Unavailable", 503, "{\"resolve\": 3.1, \"connect\": 12.0, \"tls\": 40.2, \"processing\": 80.1, \"transfer\": 7.8}", null, null]');
INSERT INTO "entries" VALUES(1795639912476143,'failure',1795447270.857,'["01a208ff-2dc9-88a9-8013-38496eaeed18", "Search", "http://localhost:1/", "default", "2026-11-23T15:21:10.857000+00:00", "2026-11-23T15:21:10.857000+00:00", 0.1, "connect", "cannot connect: Connection refused", null, "{\"resolve\": 1.0, \"connect\": null, \"tls\": null, \"processing\": null, \"transfer\": null}", "NUL \\x00, lone surrogate \\ud800, ESC \\x1b, ", null]');
INSERT INTO "entries" VALUES(1795639912476144,'rollups',1795447270.857,'[{"target": "Checkout", "location": "default", "began_at": "2026-11-23T15:20:00+00:00", "part": 1022685739257342673, "results": {"up": 1}, "sums_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "mins_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "maxs_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "keys": [131, 345, 616, 885, 1149, 1379], "counts": [1, 1, 1, 1, 1, 1]}, {"target": "Blog", "location": "default", "began_at": "2026-11-23T15:20:00+00:00", "part": 1022685739257342673, "results": {"up": 1}, "sums_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "mins_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "maxs_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "keys": [131, 345, 616, 885, 1149, 1379], "counts": [1, 1, 1, 1, 1, 1]}]');
INSERT INTO "entries" VALUES(1795639912476145,'rollups',1795447330.857,'[{"target": "Checkout", "location": "default", "began_at": "2026-11-23T15:21:00+00:00", "part": 1022685739257342673, "results": {"status": 3}, "sums_ms": [429.6, 9.3, 36.0, 120.6, 240.3, 23.4], "mins_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "maxs_ms": [143.2, 3.1, 12.0, 40.2, 80.1, 7.8], "keys": [131, 345, 616, 885, 1149, 1379], "counts": [3, 3, 3, 3, 3, 3]}, {"target": "Search", "location": "default", "began_at": "2026-11-23T15:21:00+00:00", "part": 1022685739257342673, "results": {"connect": 1}, "sums_ms": [0.1, 1.0, null, null, null, null], "mins_ms": [0.1, 1.0, null, null, null, null], "maxs_ms": [0.1, 1.0, null, null, null, null], "keys": [51, 333], "counts": [1, 1]}]');
CREATE TABLE journal (id INTEGER PRIMARY KEY, minute INTEGER NOT NULL, payload TEXT NOT NULL);
INSERT INTO "journal" VALUES(3,29924122,'[["Blog", "default", "up", [143200, 3100, 12000, 40200, 80100, 7800]], ["Checkout", "default", "degraded", [143200, 3100, 12000, 40200, 80100, 7800]]]');
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('alive_at',1795447330.857);
INSERT INTO "meta" VALUES('closed_minute',29924121);
INSERT INTO "meta" VALUES('id','e07556ab-c9d1-4b7f-b84b-974b3b71cc1c');
INSERT INTO "meta" VALUES('part',1022685739257342673);
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at REAL NOT NULL, error TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE TABLE standings (
    location TEXT NOT NULL, target TEXT NOT NULL, standing TEXT NOT NULL, PRIMARY KEY (location, target)
) WITHOUT ROWID;
INSERT INTO "standings" VALUES('default','Blog','["up", "2026-11-23T15:20:55.857000+00:00", "up", []]');
INSERT INTO "standings" VALUES('default','Checkout','["down", "2026-11-23T15:21:05.857000+00:00", "down", []]');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('entries',1795639912476145);
COMMIT;
