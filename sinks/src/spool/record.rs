//! One trigger in the log: a line `CHECKSUM JSON`, with the checksum (XXH3, 16 hexadecimal digits) of the JSON.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::trigger::Trigger;

/// Digits of the checksum.
const DIGITS: usize = 16;

#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    key: String,
    line: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

/// Appends the line of a trigger, with its line break.
pub(super) fn write(trigger: &Trigger, out: &mut Vec<u8>) {
    let Trigger { id, key, line, expires } = trigger.clone();
    // Texts and numbers always serialize.
    let json = serde_json::to_string(&Record { id, key, line, expires }).unwrap_or_default();
    out.extend_from_slice(format!("{:016x} {json}\n", xxh3_64(json.as_bytes())).as_bytes());
}

/// Parses a line without its line break; `None` if it is damaged.
pub(super) fn read(line: &[u8]) -> Option<Trigger> {
    let (digits, json) = (line.get(..DIGITS)?, line.strip_prefix(line.get(..DIGITS)?)?.strip_prefix(b" ")?);
    let checksum = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    if checksum != xxh3_64(json) {
        return None;
    }
    let Record { id, key, line, expires } = serde_json::from_slice(json).ok()?;
    Some(Trigger { id, key, line, expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_comes_back_from_its_line_and_from_no_part_of_it() {
        for (line, expires) in [("{\"重庆\":1}", Some(7)), ("a\nb\"", None), ("", None)] {
            let trigger = Trigger { id: "t".into(), key: "\n".into(), line: line.into(), expires };
            let mut written = Vec::new();
            write(&trigger, &mut written);
            assert_eq!(written.pop(), Some(b'\n'));
            assert!(!written.contains(&b'\n'));
            assert_eq!(read(&written).as_ref(), Some(&trigger));
            for cut in 0..written.len() {
                assert_eq!(read(&written[..cut]), None, "{cut}");
            }
            written[DIGITS + 3] ^= 1;
            assert_eq!(read(&written), None);
        }
    }
}
