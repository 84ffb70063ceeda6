-- Rules, all their versions, the state of each version, and an audit log. Statements end with `;` at the end of a line, and
-- each may run again: an interrupted migration is repeated.

CREATE TABLE IF NOT EXISTS rule_engine_resource (
    rule_id         VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version         BIGINT UNSIGNED NULL COMMENT 'empty: the engine counts',
    model_id        VARCHAR(64) NULL,
    model_version   BIGINT UNSIGNED NULL,
    model_params    LONGTEXT NULL COMMENT 'JSON: the values of the form',
    rule_json       LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    calculator_code LONGTEXT NULL COMMENT 'rendered Rhai, empty for built-ins',
    status          VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'online' COMMENT 'draft, in_review, online, paused, retired',
    resume_gap      VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'replay' COMMENT 'events of a pause, once it is over: replay, skip',
    crowd_version   BIGINT UNSIGNED NULL,
    history_cut     LONGTEXT NULL COMMENT 'JSON: offsets by partition',
    live_cut        LONGTEXT NULL COMMENT 'JSON: offsets by partition',
    publish_time    TIMESTAMP(3) NULL DEFAULT NULL,
    author          VARCHAR(128) NULL,
    reviewer        VARCHAR(128) NULL,
    create_time     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    update_time     TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    PRIMARY KEY (rule_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- A version has one document, which never changes.
CREATE TABLE IF NOT EXISTS rule_version (
    rule_id   VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version   BIGINT UNSIGNED NOT NULL,
    rule_json LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    author    VARCHAR(128) NULL,
    at        TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (rule_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS rule_status (
    rule_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version BIGINT UNSIGNED NOT NULL,
    state   VARCHAR(16) NOT NULL COMMENT 'accepted, seeding, live, paused, quarantined, rejected',
    detail  TEXT NOT NULL,
    at      TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (rule_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS rule_audit (
    audit_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    rule_id  VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version  BIGINT UNSIGNED NULL,
    who      VARCHAR(128) NOT NULL,
    action   VARCHAR(16) NOT NULL COMMENT 'publish, pause, resume, retire, rollback',
    diff     LONGTEXT NOT NULL COMMENT 'JSON: before, after',
    at       TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (audit_id),
    KEY rule_audit_rule (rule_id, audit_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;
