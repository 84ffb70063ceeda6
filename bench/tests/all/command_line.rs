//! Tests of the `strateye-bench` command against a stub of the engine: output and exit codes.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value as Json;

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

/// Cells of every line of the tables.
fn cells(out: &str) -> Vec<Vec<&str>> {
    out.lines().map(|line| line.split('|').map(str::trim).collect()).collect()
}

#[test]
fn both_tables_are_printed() {
    let (code, out, err) = end_to_end("", &["--rate", "1000", "--for", "2s"]);
    assert_eq!(code, Some(0), "{err}");
    let rows = cells(&out);
    let row = |program: &str, processes: &str, nth: usize| {
        let wanted = |row: &&Vec<&str>| row.get(1..3) == Some(&[program, processes][..]);
        rows.iter().filter(wanted).nth(nth).expect(program)
    };
    assert_eq!(row("floor-reference", "-", 0)[7], "1.00");
    assert_eq!(row("floor", "-", 0)[8], "1.00");
    let two = row("strateye", "2", 0);
    assert_eq!(two[3..7], ["123,456", "1000.00", "100", "800.00"]);
    assert_eq!(two[9..13], ["100 MiB", "1,048,576", "-", "2"]);
    assert_eq!(row("strateye", "2", 1)[3..7], ["999", "4.2", "21.0", "0.50"]);
}

#[test]
fn programs_are_compared_in_rounds_and_kept_as_json_and_svg() {
    let folder = tempfile::tempdir().unwrap();
    let [json, svg] = ["out.json", "out.svg"].map(|name| folder.path().join(name).display().to_string());
    let programs = ["old", "new"].map(|name| format!("{name}={STUB}"));
    let (code, out, err) = end_to_end(
        "",
        &[
            "--binary",
            &programs[0],
            "--binary",
            &programs[1],
            "--rounds",
            "3",
            "--json",
            &json,
            "--svg",
            &svg,
        ],
    );
    assert_eq!(code, Some(0), "{err}");
    let programs: Vec<&str> = cells(&out).iter().filter_map(|row| row.get(1).copied()).collect();
    assert_eq!(programs[2..], ["floor-reference", "floor", "old", "old", "new", "new"]);
    assert!(err.contains("round 3 of 3: new, 2 processes"), "{err}");
    let json: Json = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(json["programs"][1]["version"], "strateye 0.0-stub");
    assert_eq!(json["workload"]["events"], 500);
    let new = &json["rows"][5];
    assert_eq!((&new["program"], &new["processes"]), (&"new".into(), &2.into()));
    assert_eq!((new["rounds"].as_array().unwrap().len(), &new["medians"]["keys"]), (3, &50.0.into()));
    assert!(fs::read_to_string(svg).unwrap().contains("new, 2 processes"));
}

#[test]
fn what_is_wrong_with_a_run_is_said() {
    for (fault, says) in [
        (
            "differs",
            "first strateye, 1 process; second strateye, 2 processes: 1 fired only in the first, 1 only in the second",
        ),
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
        (STUB, &["end-to-end", "--rounds", "0"], "0 is not in 1..=99"),
        (STUB, &["end-to-end", "--binary", "/bin/sh"], "write NAME=PATH"),
        (STUB, &["end-to-end", "--binary", "a=/bin/sh", "--binary", "a=/bin/sh"], "the same NAME twice"),
        (STUB, &["variant", "odd", "--workload", empty, "--out", empty], "possible values: idle, scripts"),
    ] {
        let output = bench(engine, "", arguments);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && err.contains(says), "{arguments:?}: {err}");
    }
}
