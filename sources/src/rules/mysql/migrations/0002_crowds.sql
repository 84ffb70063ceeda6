-- Crowds, in a table of their own so that a change of a rule's status does not send the bitmap, and in chunks of at most
-- 1 MiB because of the limit of a packet.

CREATE TABLE IF NOT EXISTS rule_crowd (
    rule_id       VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    crowd_version BIGINT UNSIGNED NOT NULL,
    kind          VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'profile' COMMENT 'profile, met:CONDITION',
    chunk_no      INT UNSIGNED NOT NULL,
    bitmap        MEDIUMBLOB NOT NULL COMMENT 'portable roaring, up to 1 MiB',
    create_time   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (rule_id, crowd_version, kind, chunk_no)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;
