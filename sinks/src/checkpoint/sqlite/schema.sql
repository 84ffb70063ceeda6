-- The owner and the last commit.
CREATE TABLE committed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    owner TEXT,                 -- null: no owner
    until INTEGER,              -- of the lease, milliseconds since the machine was started
    generation INTEGER NOT NULL, -- the last owner generation assigned
    n INTEGER,                  -- number of the last checkpoint; null: none is committed yet
    manifest BLOB,
    committed_by INTEGER,       -- owner generation of the last commit
    folded INTEGER NOT NULL DEFAULT 0, -- checkpoints up to this number are compacted
    start TEXT                  -- which start of the machine
);
INSERT INTO committed (id, generation) VALUES (1, 0);

CREATE TABLE blob (name TEXT PRIMARY KEY, bytes BLOB NOT NULL);

-- State as text, for people: SELECT field, text FROM hash JOIN field ON field.hash = hash.id WHERE name = 'RULE:CONDITION:SINCE'.
CREATE TABLE hash (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL, -- the owner generation that changed it last
    n INTEGER NOT NULL DEFAULT 0 -- the first checkpoint of those changes
);
CREATE TABLE field (
    hash INTEGER NOT NULL,
    field TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (hash, field)
) WITHOUT ROWID;

-- Corrections by people: INSERT INTO edit (pairs) VALUES ('{"rule":"r","condition":"c","key":"k","value":"3","by":"zhang"}').
CREATE TABLE edit (position INTEGER PRIMARY KEY AUTOINCREMENT, pairs TEXT NOT NULL);
