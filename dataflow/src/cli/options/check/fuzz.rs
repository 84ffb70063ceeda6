//! Fuzzing of settings: any text is refused with a reason, or gives settings that are shown and read as the same.

#![allow(clippy::unwrap_used)]

use strateye_tests::fuzz::fuzz;

use super::*;

const EXAMPLE: &str = include_str!("../../../../strateye.example.toml");

/// The example as a whole, each of its tables alone, and all that it leaves out.
fn samples() -> Vec<Vec<u8>> {
    let written = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_alphabetic() || c == '[') => setting.to_owned(),
        _ => line.to_owned(),
    };
    let everything = EXAMPLE.lines().map(written).collect::<Vec<_>>().join("\n");
    let tables = [EXAMPLE, &everything].map(|text| text.split("\n\n").map(str::to_owned).collect::<Vec<_>>());
    let all = tables.concat().into_iter().chain([EXAMPLE.to_owned(), everything]);
    all.map(String::into_bytes).collect()
}

#[test]
fn settings_of_any_text() {
    fuzz("settings", 10_000, &samples(), |text| {
        let Ok(text) = std::str::from_utf8(text) else { return };
        match parse(text) {
            Err(reason) => assert!(!reason.is_empty()),
            Ok((settings, _)) => {
                let shown = toml::to_string_pretty(&settings.redacted()).unwrap();
                let again: Settings = toml::from_str(&shown).unwrap();
                assert_eq!(toml::to_string_pretty(&again).unwrap(), shown);
            }
        }
    });
}
