//! Tests of the `strateye-bench` command against a stub of the engine: output and exit codes.

use std::process::{Command, Output};

const STUB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/stub-strateye.sh");

fn bench(engine: &str, fault: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strateye-bench"))
        .args(arguments)
        .env("STRATEYE", engine)
        .env("STUB_FAULT", fault)
        .output()
        .unwrap()
}

fn end_to_end(fault: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let size = ["end-to-end", "--events", "500", "--users", "50", "--rules", "2", "--processes", "1,2"];
    let output = bench(STUB, fault, &[&size, more].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn both_tables_are_printed() {
    let (code, out, err) = end_to_end("", &["--rate", "1000", "--for", "2s"]);
    assert_eq!(code, Some(0), "{err}");
    let rows: Vec<Vec<&str>> = out.lines().map(|l| l.split('|').map(str::trim).collect()).collect();
    let row = |name: &str, nth: usize| rows.iter().filter(|r| r.get(1) == Some(&name)).nth(nth).expect(name);
    assert_eq!(row("floor", 0)[3], "1.00");
    let two = row("2", 0);
    assert_eq!((two[2], two[4], two[6], two[7]), ("123,456", "1000.00", "100 MiB", "2"));
    assert_eq!(row("2", 1)[2..6], ["999", "4.2", "21.0", "0.50"]);
}

#[test]
fn what_is_wrong_with_a_run_is_said() {
    for (fault, says) in [
        ("differs", "first 1 processes, second 2: 1 fired only in the first, 1 only in the second"),
        ("loses", "it read 499 events of 500"),
        ("fails", "it said\nno such luck"),
        ("mumbles", "it should print one JSON object"),
    ] {
        let (code, _, err) = end_to_end(fault, &[]);
        assert!(code == Some(1) && err.contains(says), "{fault}: {code:?} {err}");
    }
}

#[test]
fn bad_usage_exits_with_2_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    for (engine, arguments, says) in [
        ("/nowhere/strateye", &["end-to-end"][..], "cargo build --profile dist -p strateye"),
        (STUB, &["end-to-end", "--processes", "0"], "0 is not in 1..=128"),
        (STUB, &["end-to-end", "--workload", empty, "--events", "5"], "cannot be used with"),
        (STUB, &["end-to-end", "--for", "20s"], "--rate"),
        (STUB, &["end-to-end", "--rate", "10", "--for", "20"], "is not a duration"),
        (STUB, &["workload", "--users", "0", "--out", empty], "--users is 0; write 1 to"),
        (STUB, &["floor", "--events", "/dev/null"], "is empty"),
    ] {
        let output = bench(engine, "", arguments);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && err.contains(says), "{arguments:?}: {err}");
    }
}
