-- The tables of MySQL (rule_engine_resource, rule_status), and in place of a binlog a log of changes and all versions, both
-- written by triggers, so that plain SQL is enough to add, change or remove a rule.

CREATE TABLE IF NOT EXISTS rule_engine_resource (
    rule_id         TEXT PRIMARY KEY NOT NULL,
    version         INTEGER CHECK (version IS NULL OR (typeof(version) = 'integer' AND version >= 1)),
    model_id        TEXT,
    model_version   INTEGER,
    model_params    TEXT,
    rule_json       TEXT NOT NULL,
    calculator_code TEXT,
    status          TEXT NOT NULL DEFAULT 'online',
    resume_gap      TEXT NOT NULL DEFAULT 'replay',
    crowd_version   INTEGER,
    history_cut     TEXT,
    live_cut        TEXT,
    publish_time    TEXT,
    author          TEXT,
    reviewer        TEXT,
    create_time     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    update_time     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- A version has one document, which never changes.
CREATE TABLE IF NOT EXISTS rule_version (
    rule_id   TEXT NOT NULL,
    version   INTEGER NOT NULL,
    rule_json TEXT NOT NULL,
    author    TEXT,
    at        TEXT NOT NULL,
    PRIMARY KEY (rule_id, version)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rule_status (
    rule_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    state   TEXT NOT NULL,
    detail  TEXT NOT NULL,
    at      TEXT NOT NULL,
    PRIMARY KEY (rule_id, version)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rule_change (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    rule_id TEXT NOT NULL,
    at      TEXT NOT NULL
);

-- A row gets the next version if it has none, or if its version already has another document.
CREATE TRIGGER IF NOT EXISTS rule_inserted AFTER INSERT ON rule_engine_resource BEGIN
    UPDATE rule_engine_resource
        SET version = (SELECT 1 + coalesce(max(version), 0) FROM rule_version WHERE rule_id = NEW.rule_id)
        WHERE rule_id = NEW.rule_id AND (version IS NULL OR EXISTS (
            SELECT 1 FROM rule_version v
                WHERE v.rule_id = NEW.rule_id AND v.version = NEW.version AND v.rule_json IS NOT NEW.rule_json));
    INSERT OR IGNORE INTO rule_version (rule_id, version, rule_json, author, at)
        SELECT rule_id, version, rule_json, author, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            FROM rule_engine_resource WHERE rule_id = NEW.rule_id;
    INSERT INTO rule_change (rule_id, at) VALUES (NEW.rule_id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
END;

CREATE TRIGGER IF NOT EXISTS rule_updated AFTER UPDATE OF rule_id, version, rule_json, status ON rule_engine_resource BEGIN
    UPDATE rule_engine_resource
        SET version = (SELECT 1 + coalesce(max(version), 0) FROM rule_version WHERE rule_id = NEW.rule_id)
        WHERE rule_id = NEW.rule_id AND (version IS NULL OR EXISTS (
            SELECT 1 FROM rule_version v
                WHERE v.rule_id = NEW.rule_id AND v.version = NEW.version AND v.rule_json IS NOT NEW.rule_json));
    UPDATE rule_engine_resource SET update_time = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE rule_id = NEW.rule_id;
    INSERT OR IGNORE INTO rule_version (rule_id, version, rule_json, author, at)
        SELECT rule_id, version, rule_json, author, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            FROM rule_engine_resource WHERE rule_id = NEW.rule_id;
    INSERT INTO rule_change (rule_id, at)
        SELECT OLD.rule_id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE OLD.rule_id IS NOT NEW.rule_id;
    INSERT INTO rule_change (rule_id, at) VALUES (NEW.rule_id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
END;

CREATE TRIGGER IF NOT EXISTS rule_deleted AFTER DELETE ON rule_engine_resource BEGIN
    INSERT INTO rule_change (rule_id, at) VALUES (OLD.rule_id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
END;
