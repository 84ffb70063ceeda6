//! Protocol of the control socket: one JSON object per line, in both directions.
//!
//! ```text
//! child → supervisor   {"process":0,"generation":3,"body":{"hello":{"pid":4711}}}          first, once
//!                      {"process":0,"generation":3,"body":{"heartbeat":{"ticks":981}}}  while workers step
//!                      {"process":0,"generation":3,"body":{"message":{…}}}                 the program's own
//! supervisor → child   "stop"
//! ```
//!
//! Limit: neither side sends a line longer than [`MAX_LINE`]; reading a longer one, or one that does not
//! parse, ends the connection.

use std::io::{self, BufRead, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::generation::ClusterGeneration;

/// Longest line, bytes, its end included. No regular line comes near it.
pub(super) const MAX_LINE: usize = 4 << 20;

/// Environment variable of a child: the run directory.
pub(super) const RUN_DIRECTORY: &str = "STRATEYE_RUN_DIRECTORY";
/// Environment variable of a child: its process number.
pub(super) const PROCESS: &str = "STRATEYE_PROCESS";
/// Environment variable of a child: the number of processes.
pub(super) const PROCESSES: &str = "STRATEYE_PROCESSES";
/// Environment variable of a child: its generation.
pub(super) const GENERATION: &str = "STRATEYE_GENERATION";
/// Name of the secret's file in the run directory.
pub(super) const SECRET_FILE: &str = "secret";

/// Message of a child to the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) process: usize,
    pub(super) generation: ClusterGeneration,
    pub(super) body: Body,
}

/// Content of a report.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    Hello { pid: u32 },
    Heartbeat { ticks: u64 },
    Message(Value),
}

/// Message of the supervisor to a child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Stop in good order.
    Stop,
}

/// Encodes a value as one line.
///
/// # Errors
/// If the line is longer than [`MAX_LINE`].
pub(super) fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    if line.len() > MAX_LINE {
        let what = format!("the line has {} bytes, the limit is {MAX_LINE}", line.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(line)
}

/// Reads the next line; `None` at a clean end of the stream.
pub(super) fn read<T: DeserializeOwned>(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
) -> io::Result<Option<T>> {
    line.clear();
    let longest = MAX_LINE as u64;
    if reader.by_ref().take(longest).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        let what = if line.len() >= MAX_LINE { "the line is too long" } else { "the line breaks off" };
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(Some(serde_json::from_slice(line)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(content: Value) -> io::Result<Vec<u8>> {
        encode(&Report { process: 0, generation: ClusterGeneration(3), body: Body::Message(content) })
    }

    #[test]
    fn the_protocol_is_as_documented() {
        let report = |body| encode(&Report { process: 0, generation: ClusterGeneration(3), body }).unwrap();
        let text = |line: Vec<u8>| String::from_utf8(line).unwrap();
        assert_eq!(
            text(report(Body::Heartbeat { ticks: 981 })),
            "{\"process\":0,\"generation\":3,\"body\":{\"heartbeat\":{\"ticks\":981}}}\n"
        );
        assert_eq!(text(encode(&Order::Stop).unwrap()), "\"stop\"\n");
    }

    #[test]
    fn messages_are_any_json() {
        let value = json!([1, {"规则": null}]);
        let line = message(value.clone()).unwrap();
        let report: Option<Report> = read(&mut line.as_slice(), &mut Vec::new()).unwrap();
        assert!(matches!(report, Some(Report { body: Body::Message(read), .. }) if read == value));
    }

    #[test]
    fn the_longest_line_is_read_and_a_longer_one_is_not_encoded() {
        let line = |letters: usize| message("x".repeat(letters).into());
        let around = line(0).unwrap().len();
        let longest = line(MAX_LINE - around).unwrap();
        assert!(read::<Report>(&mut longest.as_slice(), &mut Vec::new()).unwrap().is_some());
        assert!(line(MAX_LINE - around + 1).is_err());
    }

    #[test]
    fn endless_broken_and_foreign_lines_are_errors() {
        let read = |bytes: &[u8]| read::<Order>(&mut io::BufReader::new(bytes), &mut Vec::new());
        assert!(read(b"").unwrap().is_none());
        for bytes in [b"\"stop\"".as_slice(), b"GET / HTTP/1.1\r\n", b"\xff\xfe\n", &vec![b' '; MAX_LINE + 1]]
        {
            assert!(read(bytes).is_err());
        }
    }
}
