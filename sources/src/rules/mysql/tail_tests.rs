//! Tests of assembling transactions from steps.

use super::*;

fn tail() -> Tail {
    let mut tail = Tail::new(Position { file: "b.000001".to_owned(), offset: 100 }, Harmless::new());
    begin_stream(&mut tail);
    tail
}

/// The first steps of every stream of events.
fn begin_stream(tail: &mut Tail) {
    assert_eq!(tail.step(Step::Rotate(None, 4), 0).unwrap(), None);
    assert_eq!(tail.step(Step::Format, 0).unwrap(), None);
}

fn rows(rule: &str) -> Step {
    Step::Rows(vec![RowChange { before: Some(rule.to_owned()), after: None }])
}

fn rules(changes: Option<Vec<RowChange>>) -> Vec<String> {
    changes.unwrap().into_iter().map(|c| c.before.unwrap()).collect()
}

fn opening(digest: u128) -> Opening {
    Opening { offset: 100, digest, alone: false }
}

fn begin() -> Step {
    Step::Opens(opening(5))
}

#[test]
fn a_transaction_comes_out_at_its_commit() {
    let mut tail = tail();
    tail.step(begin(), 120).unwrap();
    assert_eq!(tail.step(rows("a"), 150).unwrap(), None);
    assert_eq!(tail.step(rows("b"), 180).unwrap(), None);
    assert_eq!(tail.last, None);
    assert_eq!(rules(tail.step(Step::Commit, 200).unwrap()), ["a", "b"]);
    let last = Mark { file: "b.000001".to_owned(), opening: opening(5) };
    assert_eq!((tail.at().offset, tail.last), (200, Some(last)));
}

#[test]
fn what_is_taken_back_does_not_come_out() {
    let mut tail = tail();
    let at = |name: &str| Step::Statement(Statement::Savepoint(name.to_owned()));
    let back = |name: &str| Step::Statement(Statement::RollbackTo(name.to_owned()));
    tail.step(Step::Statement(Statement::Begin), 110).unwrap();
    for step in [rows("a"), at("x"), rows("b"), at("y"), rows("c"), back("x"), rows("d")] {
        assert_eq!(tail.step(step, 120).unwrap(), None);
    }
    assert_eq!(rules(tail.step(Step::Statement(Statement::Commit), 130).unwrap()), ["a", "d"]);
    tail.step(begin(), 140).unwrap();
    tail.step(rows("a"), 150).unwrap();
    assert!(rules(tail.step(Step::Statement(Statement::Rollback), 160).unwrap()).is_empty());
    tail.step(begin(), 170).unwrap();
    tail.step(rows("a"), 180).unwrap();
    assert!(matches!(tail.step(back("x"), 190), Err(Failure::Gap(_))));
}

#[test]
fn a_transaction_that_was_cut_off_does_not_come_out() {
    let mut tail = tail();
    tail.step(begin(), 120).unwrap();
    tail.step(rows("a"), 150).unwrap();
    tail.step(Step::Rotate(Some("b.000002".to_owned()), 4), 0).unwrap();
    tail.step(Step::Format, 60).unwrap();
    assert_eq!(tail.at().to_string(), "b.000002:60");
    tail.step(begin(), 90).unwrap();
    assert!(rules(tail.step(Step::Commit, 99).unwrap()).is_empty());
}

#[test]
fn a_name_with_a_checksum_behind_it_is_not_believed() {
    let mut tail = tail();
    assert!(matches!(tail.step(Step::Rotate(None, 4), 0), Err(Failure::Away(_))));
    let mut tail = Tail::new(tail.at().clone(), Harmless::new());
    tail.step(Step::Rotate(Some("c.999999".to_owned()), 4), 0).unwrap();
    assert_eq!(tail.at().to_string(), "b.000001:100");
}

#[test]
fn a_compressed_transaction_ends_where_its_payload_does() {
    let mut tail = tail();
    tail.step(Step::Opens(Opening { alone: true, ..opening(5) }), 120).unwrap();
    tail.step(Step::Payload, 300).unwrap();
    tail.step(Step::Statement(Statement::Begin), 0).unwrap();
    tail.step(rows("a"), 0).unwrap();
    assert_eq!(rules(tail.step(Step::Commit, 0).unwrap()), ["a"]);
    assert_eq!(tail.at().offset, 300);
}

/// A tail after one transaction, `a`, and the end of the stream; the next stream is about to begin.
fn after_a_break() -> Tail {
    let mut tail = tail();
    tail.step(begin(), 120).unwrap();
    tail.step(rows("a"), 150).unwrap();
    assert_eq!(rules(tail.step(Step::Commit, 200).unwrap()), ["a"]);
    tail.step(Step::Rotate(Some("b.000002".to_owned()), 4), 0).unwrap();
    tail.step(Step::Opens(opening(6)), 90).unwrap();
    tail.step(rows("b"), 120).unwrap();
    let mut tail = tail.go_on().unwrap();
    assert_eq!(tail.at().to_string(), "b.000001:100");
    begin_stream(&mut tail);
    tail
}

#[test]
fn a_new_stream_goes_on_after_what_came_out_last() {
    let mut tail = after_a_break();
    for (step, end) in [(Step::Pass, 0), (begin(), 120), (rows("a"), 150), (Step::Commit, 200)] {
        assert_eq!(tail.step(step, end).unwrap(), None);
    }
    tail.step(Step::Rotate(Some("b.000002".to_owned()), 4), 0).unwrap();
    tail.step(Step::Opens(opening(6)), 90).unwrap();
    tail.step(rows("b"), 120).unwrap();
    assert_eq!(rules(tail.step(Step::Commit, 150).unwrap()), ["b"]);
    let last = Mark { file: "b.000002".to_owned(), opening: opening(6) };
    assert_eq!((tail.at().to_string().as_str(), tail.last), ("b.000002:150", Some(last)));
}

#[test]
fn a_new_stream_with_something_else_in_that_place_is_of_another_history() {
    for other in [
        Step::Opens(opening(7)),
        Step::Rotate(Some("b.000002".to_owned()), 4),
        rows("a"),
        Step::Commit,
        Step::Statement(Statement::Begin),
    ] {
        let mut tail = after_a_break();
        tail.harmless.insert("x".to_owned());
        assert!(matches!(tail.step(other, 300), Err(Failure::Gap(_))));
        assert!(tail.into_harmless().is_empty());
    }
}

#[test]
fn without_a_transaction_it_can_not_be_told_whether_a_stream_goes_on() {
    assert!(tail().go_on().is_none());
    let mut tail = tail();
    tail.step(Step::Statement(Statement::Other), 120).unwrap();
    assert!(tail.go_on().is_none());
}

#[test]
fn statements_that_say_too_little_ask_for_a_snapshot() {
    for statement in [Statement::Table, Statement::Rows] {
        assert!(matches!(tail().step(Step::Statement(statement), 120), Err(Failure::Gap(_))));
    }
}

#[test]
fn of_prepared_transactions_only_those_without_rules_are_known() {
    let mut tail = tail();
    let statement = |make: fn(String) -> Statement, name: &str| Step::Statement(make(name.to_owned()));
    for (name, changes) in [("harmless", false), ("rules", true)] {
        tail.step(begin(), 130).unwrap();
        if changes {
            tail.step(rows("a"), 140).unwrap();
        }
        tail.step(statement(Statement::EndPrepared, name), 145).unwrap();
        assert!(rules(tail.step(Step::Prepared, 150).unwrap()).is_empty());
    }
    assert!(rules(tail.step(statement(Statement::CommitPrepared, "harmless"), 160).unwrap()).is_empty());
    // A transaction that uses the name again is another one.
    tail.harmless.insert("rules".to_owned());
    tail.step(begin(), 161).unwrap();
    tail.step(rows("a"), 162).unwrap();
    tail.step(statement(Statement::EndPrepared, "rules"), 163).unwrap();
    tail.step(Step::Prepared, 164).unwrap();
    for unknown in ["harmless", "rules", "earlier"] {
        assert!(matches!(
            tail.step(statement(Statement::CommitPrepared, unknown), 170),
            Err(Failure::Gap(_))
        ));
    }
}

#[test]
fn what_may_be_in_the_snapshot_is_passed_only_between_transactions() {
    let mut tail = tail();
    let until = Position { file: "b.000001".to_owned(), offset: 150 };
    assert!(!tail.has_passed(&until));
    tail.step(begin(), 120).unwrap();
    tail.step(rows("a"), 170).unwrap();
    assert!(!tail.has_passed(&until));
    tail.step(Step::Commit, 200).unwrap();
    assert!(tail.has_passed(&until));
}
