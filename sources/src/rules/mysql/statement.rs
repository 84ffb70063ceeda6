//! Effect of a statement in the binlog on the rules.
//!
//! With row events, statements are there to frame transactions and to change tables. A statement that changes
//! rows is there only if a session turned row events off: its changes are unknown, and so are its tables
//! (triggers, views and procedures hide them), so any such statement is a reason to read the table again.

/// A statement, classified by its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// A transaction begins.
    Begin,
    /// The transaction is committed.
    Commit,
    /// The transaction is rolled back.
    Rollback,
    /// A savepoint in the transaction.
    Savepoint(String),
    /// The transaction is rolled back to a savepoint.
    RollbackTo(String),
    /// Name of the transaction that is about to be prepared.
    EndPrepared(String),
    /// A transaction prepared earlier is committed.
    CommitPrepared(String),
    /// A transaction prepared earlier is rolled back.
    RollbackPrepared(String),
    /// No effect on rules.
    Other,
    /// The rule table is created, altered or emptied, or may be.
    Table,
    /// Rows were changed without row events.
    Rows,
}

/// Classifies a statement; `table` is the rule table, `database` its database.
pub(super) fn classify(text: &[u8], table: &str, database: &str) -> Statement {
    let text = String::from_utf8_lossy(text);
    let begin = skip_comments(&text);
    let mut words =
        begin.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(str::to_ascii_uppercase);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (first.as_str(), second.as_str()) {
        ("BEGIN", _) | ("START", "TRANSACTION") | ("XA", "START" | "BEGIN") => Statement::Begin,
        ("COMMIT", _) => Statement::Commit,
        ("SAVEPOINT", _) => Statement::Savepoint(name(begin, &["SAVEPOINT"])),
        ("ROLLBACK", "TO") => Statement::RollbackTo(name(begin, &["ROLLBACK", "TO", "SAVEPOINT"])),
        ("ROLLBACK", _) => Statement::Rollback,
        ("XA", "END") => Statement::EndPrepared(name(begin, &["XA", "END"])),
        ("XA", "COMMIT") => Statement::CommitPrepared(name(begin, &["XA", "COMMIT"])),
        ("XA", "ROLLBACK") => Statement::RollbackPrepared(name(begin, &["XA", "ROLLBACK"])),
        (
            "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "CALL" | "WITH" | "SELECT" | "DO" | "MERGE",
            _,
        ) => Statement::Rows,
        ("DROP" | "ALTER" | "CREATE", "DATABASE" | "SCHEMA") if names(&text, database) => Statement::Table,
        _ if names(&text, table) => Statement::Table,
        _ => Statement::Other,
    }
}

/// The text from its first word on. `/*! */` is executed, so it is no comment.
fn skip_comments(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '(' || c == '\0');
        let past = |end: Option<usize>, length: usize| end.map_or("", |at| &rest[at + length..]);
        rest = if let Some(inside) = rest.strip_prefix("/*M!").or_else(|| rest.strip_prefix("/*!")) {
            inside.trim_start_matches(|c: char| c.is_ascii_digit())
        } else if let Some(inside) = rest.strip_prefix("*/") {
            inside
        } else if rest.starts_with("/*") {
            past(rest.find("*/"), 2)
        } else if rest.starts_with('#') || rest.starts_with("--") {
            past(rest.find('\n'), 1)
        } else {
            return rest;
        };
    }
}

/// The name after the words, without its quotes.
fn name(text: &str, words: &[&str]) -> String {
    let mut rest = text;
    for word in words {
        if rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            rest = rest[word.len()..].trim_start();
        }
    }
    let rest = rest.trim_end_matches(|c: char| c.is_whitespace() || c == ';' || c == '\0');
    rest.trim_matches('`').to_lowercase()
}

fn names(text: &str, what: &str) -> bool {
    text.to_lowercase().contains(&what.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, meant: Statement) {
        assert_eq!(classify(text.as_bytes(), "rule_engine_resource", "strateye"), meant, "{text}");
    }

    #[test]
    fn frames_of_transactions() {
        check("BEGIN", Statement::Begin);
        check("START TRANSACTION", Statement::Begin);
        check("COMMIT", Statement::Commit);
        check("ROLLBACK", Statement::Rollback);
        check("SAVEPOINT `Ab c`", Statement::Savepoint("ab c".to_owned()));
        check("savepoint x", Statement::Savepoint("x".to_owned()));
        check("ROLLBACK TO `Ab c`", Statement::RollbackTo("ab c".to_owned()));
        check("ROLLBACK TO SAVEPOINT x", Statement::RollbackTo("x".to_owned()));
        check("RELEASE SAVEPOINT x", Statement::Other);
        check("XA START X'61',X'',1", Statement::Begin);
        check("XA END X'61',X'',1", Statement::EndPrepared("x'61',x'',1".to_owned()));
        check("XA COMMIT X'61',X'',1", Statement::CommitPrepared("x'61',x'',1".to_owned()));
        check("XA ROLLBACK X'61',X'',1", Statement::RollbackPrepared("x'61',x'',1".to_owned()));
    }

    #[test]
    fn changes_of_the_table_however_they_are_written() {
        for text in [
            "TRUNCATE rule_engine_resource",
            "/* by hand */ DROP TABLE IF EXISTS `strateye`.`rule_engine_resource` /* generated by server */",
            "alter table strateye.Rule_Engine_Resource add x int",
            "RENAME TABLE a TO rule_engine_resource",
            "CREATE TABLE rule_engine_resource LIKE a",
            "# why\n-- because\nOPTIMIZE TABLE rule_engine_resource",
            "/*!40000 ALTER TABLE `rule_engine_resource` DISABLE KEYS */",
            "DROP DATABASE `strateye`",
            "drop schema if exists strateye",
        ] {
            check(text, Statement::Table);
        }
        check("DROP DATABASE other", Statement::Other);
        check("CREATE TABLE t (a INT)", Statement::Other);
        check("GRANT SELECT ON *.* TO a", Statement::Other);
    }

    #[test]
    fn rows_changed_by_statements() {
        for text in [
            "UPDATE view_of_rules SET status = 'paused'",
            "/* x */ insert into t values (1)",
            "DELETE FROM rule_engine_resource",
            "WITH x AS (SELECT 1) UPDATE t SET a = 1",
            "SELECT `strateye`.`f`()",
        ] {
            check(text, Statement::Rows);
        }
    }

    #[test]
    fn what_is_no_statement() {
        check("# Dummy event replacing event type 160 that slave cannot handle      ", Statement::Other);
        check("# Dum", Statement::Other);
        check("", Statement::Other);
        check("/* never closed", Statement::Other);
        check("规则 é😀", Statement::Other);
    }
}
