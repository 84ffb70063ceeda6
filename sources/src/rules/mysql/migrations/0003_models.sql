-- Models from which rules are made: scripts with a form, and the queries that fill their state from history.

CREATE TABLE IF NOT EXISTS rule_model_calculator_template (
    model_id      VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version       BIGINT UNSIGNED NOT NULL,
    name          VARCHAR(128) NOT NULL,
    template      LONGTEXT NOT NULL COMMENT 'MiniJinja',
    params_schema LONGTEXT NOT NULL COMMENT 'JSON Schema: the form',
    author        VARCHAR(128) NULL,
    reviewer      VARCHAR(128) NULL,
    create_time   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    update_time   TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    PRIMARY KEY (model_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS rule_model_sql_template (
    model_id       VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    query_id       VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version        BIGINT UNSIGNED NOT NULL,
    dialect        VARCHAR(32) NOT NULL,
    condition_type VARCHAR(64) NOT NULL COMMENT 'calculator and comparison: count >=, sum <',
    sql_template   LONGTEXT NOT NULL,
    author         VARCHAR(128) NULL,
    reviewer       VARCHAR(128) NULL,
    create_time    TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    update_time    TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    PRIMARY KEY (model_id, query_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;
