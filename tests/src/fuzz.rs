//! Fuzzing: inputs that nobody meant, for whatever reads what others wrote.
//!
//! An input is a valid sample that was altered in a few places, or random bytes; of JSON, whole values are swapped
//! too. The inputs of a test run are few and always the same; with `STRATEYE_FUZZ_SECONDS` they come for so long,
//! and from another seed (`STRATEYE_SEED` names one):
//!
//! ```sh
//! STRATEYE_FUZZ_SECONDS=3600 RUST_TEST_THREADS=1 cargo test --workspace --lib --test all -- fuzz --nocapture
//! ```
//!
//! **Limit**: nothing tells which code an input reached, so samples have to cover what is there.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant, SystemTime},
};

use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::Value as Json;

/// Most alterations of a sample.
const MOST: usize = 6;
/// Most bytes that an alteration adds or takes away.
const PIECE: usize = 24;
/// Longest input of random bytes.
const RANDOM: usize = 200;
/// Seed of a test run.
const SEED: u64 = 0x5eed;
/// Texts that are the edge of something: numbers, escapes, marks, and structures without an end.
const WORDS: [&str; 30] = [
    "0",
    "-0",
    "-1",
    "1e400",
    "0.1",
    "007",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "4102444800001",
    "null",
    "true",
    "\"\"",
    "{}",
    "[]",
    "[[[[[[[[",
    "{\"a\":{\"a\":",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\u{feff}",
    "\u{2028}",
    "é",
    "\0",
    "\n",
    "\"",
    "((((((((",
    "::",
];
/// Integers at the edges of their types, for binary inputs.
const INTEGERS: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// Calls `check` with inputs made of `samples`: `cases` of them, or for as long as the environment says.
///
/// # Panics
/// If `check` does; the input is printed. If there are no samples.
#[expect(
    clippy::print_stdout,
    reason = "a long run is to tell what it did, and a failing one by which input"
)]
pub fn fuzz(name: &str, cases: u64, samples: &[Vec<u8>], mut check: impl FnMut(&[u8])) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let until = number("STRATEYE_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let fresh = || SystemTime::UNIX_EPOCH.elapsed().map_or(SEED, |since| since.as_nanos() as u64);
    let seed = number("STRATEYE_SEED").unwrap_or_else(|| if until.is_some() { fresh() } else { SEED });
    let mut draw = Draw::new(seed, samples);
    let mut drawn: u64 = 0;
    println!("{name}: seed {seed}");
    while until.map_or(drawn < cases, |until| Instant::now() < until) {
        let input = draw.input();
        drawn += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            println!("{name}: seed {seed}, input {drawn}: b\"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    }
    println!("{name}: {drawn} inputs");
}

/// Draws inputs.
struct Draw<'s> {
    random: TestRng,
    samples: &'s [Vec<u8>],
    /// The samples that are JSON.
    documents: Vec<Json>,
}

impl<'s> Draw<'s> {
    fn new(seed: u64, samples: &'s [Vec<u8>]) -> Self {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_le_bytes(); 4].concat());
        let documents = samples.iter().filter_map(|sample| serde_json::from_slice(sample).ok()).collect();
        Draw { random, samples, documents }
    }

    /// A number below `end`; 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.random.random_range(0..end) }
    }

    fn input(&mut self) -> Vec<u8> {
        let mut input = match self.below(16) {
            0 => return self.bytes(RANDOM),
            1..6 if !self.documents.is_empty() => self.document().to_string().into_bytes(),
            _ => one_of(&mut self.random, self.samples).clone(),
        };
        for _ in 0..self.below(MOST) {
            self.alter(&mut input);
        }
        input
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.random.random()).collect()
    }

    /// Alters an input in one place.
    fn alter(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(PIECE)).min(input.len());
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 => {
                let piece = self.bytes(PIECE);
                input.splice(at..end, piece);
            }
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => {
                let other = one_of(&mut self.random, self.samples);
                let from = self.below(other.len() + 1);
                let to = (from + self.below(8 * PIECE)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            5 => {
                let word = *one_of(&mut self.random, &WORDS);
                input.splice(at..at, word.bytes());
            }
            6 => self.replace_number(input, at),
            7 => {
                let integer = one_of(&mut self.random, &INTEGERS).to_le_bytes();
                let width = (1 << self.below(4)).min(input.len() - at);
                input[at..at + width].copy_from_slice(&integer[..width]);
            }
            _ if self.below(4) == 0 => input.truncate(at),
            _ => {}
        }
    }

    /// Replaces the next digits from `at` on by another text.
    fn replace_number(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(first) = input[at..].iter().position(u8::is_ascii_digit) else { return };
        let first = at + first;
        let digits = input[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let word = *one_of(&mut self.random, &WORDS);
        input.splice(first..first + digits, word.bytes());
    }

    /// A sample of JSON in which a value is replaced by one of another.
    fn document(&mut self) -> Json {
        let mut document = one_of(&mut self.random, &self.documents).clone();
        let mut donor = one_of(&mut self.random, &self.documents).clone();
        let given = match self.below(4) {
            0 => serde_json::from_str(one_of::<&str>(&mut self.random, &WORDS)).unwrap_or(Json::Null),
            _ => self.node(&mut donor).clone(),
        };
        *self.node(&mut document) = given;
        document
    }

    /// A value within a document.
    fn node<'j>(&mut self, json: &'j mut Json) -> &'j mut Json {
        let inside = match json {
            Json::Array(items) => items.len(),
            Json::Object(members) => members.len(),
            _ => 0,
        };
        if inside == 0 || self.below(4) == 0 {
            return json;
        }
        let at = self.below(inside);
        match json {
            Json::Array(items) => self.node(&mut items[at]),
            Json::Object(members) => match members.values_mut().nth(at) {
                Some(member) => self.node(member),
                None => unreachable!("there are so many"),
            },
            leaf => leaf,
        }
    }
}

fn one_of<'a, T>(random: &mut TestRng, all: &'a [T]) -> &'a T {
    &all[random.random_range(0..all.len())]
}
