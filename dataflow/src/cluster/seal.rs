//! Sealed frames: what two processes on different hosts send to each other, encrypted and authenticated.
//!
//! A frame is the length of its content (4 bytes, big-endian), the content encrypted by AES-256-GCM, and a tag of 16
//! bytes. The nonce of a frame is its number in its direction; its length is authenticated with it.
//!
//! **Invariants**
//! - Each direction of each connection has a key of its own, so no nonce is used twice.
//! - Content comes out of the frame that the peer sealed, whole, once and in order; anything else (altered, repeated,
//!   left out, swapped, or sent back) is an error, and no byte of it comes out.
//!
//! Measured on one core: 2 to 4 GB/s in frames of 16 KiB and more, 2 to 4 µs for a small one, on either side.
//!
//! **Limits**: lengths and times of frames are seen by who listens, and somebody who records them and later learns the
//! secret can read them. Whoever can cut the connection ends the cluster, which starts again.

use std::io::{self, Read};
use std::ops::Range;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;

/// Length of a key, bytes.
pub(super) const KEY_BYTES: usize = 32;
/// Most bytes of content in a frame: as many as timely writes at once.
pub(super) const MOST: usize = 1 << 16;
const LENGTH_BYTES: usize = 4;
const TAG_BYTES: usize = 16;

/// The keys of a connection, on one side.
#[derive(Clone)]
pub(super) struct SealKeys {
    pub(super) sending: [u8; KEY_BYTES],
    pub(super) receiving: [u8; KEY_BYTES],
}

/// A direction of a connection: its key, and how many frames have passed.
struct Direction {
    key: LessSafeKey,
    frames: u64,
}

impl Direction {
    fn new(key: &[u8; KEY_BYTES]) -> io::Result<Self> {
        let key =
            UnboundKey::new(&AES_256_GCM, key).map_err(|_| io::Error::other("a key of another length"))?;
        Ok(Self { key: LessSafeKey::new(key), frames: 0 })
    }

    /// The nonce of the next frame.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.frames.to_be_bytes());
        self.frames += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals what is sent.
pub(super) struct Sealer {
    direction: Direction,
    frame: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> io::Result<Self> {
        Ok(Self { direction: Direction::new(key)?, frame: Vec::new() })
    }

    /// The frame of the first bytes of `content`, at most [`MOST`]; with their number.
    pub(super) fn seal(&mut self, content: &[u8]) -> io::Result<(&[u8], usize)> {
        let content = &content[..content.len().min(MOST)];
        let length = (content.len() as u32).to_be_bytes();
        self.frame.clear();
        self.frame.extend_from_slice(&length);
        self.frame.extend_from_slice(content);
        let nonce = self.direction.nonce();
        let sealed = &mut self.frame[LENGTH_BYTES..];
        let tag = self.direction.key.seal_in_place_separate_tag(nonce, Aad::from(length), sealed);
        self.frame.extend_from_slice(tag.map_err(broken)?.as_ref());
        Ok((&self.frame, content.len()))
    }
}

/// Opens what is received.
pub(super) struct Opener {
    direction: Direction,
    frame: Vec<u8>,
    /// Content of the frame that was not read yet.
    rest: Range<usize>,
}

impl Opener {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> io::Result<Self> {
        Ok(Self { direction: Direction::new(key)?, frame: Vec::new(), rest: 0..0 })
    }

    /// Reads content of the frames that `source` brings; 0 at its end. Blocks as `source` does.
    pub(super) fn read(&mut self, source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            if buffer.is_empty() || !self.open_next(source)? {
                return Ok(0);
            }
        }
        let taken = self.rest.len().min(buffer.len());
        let end = self.rest.start + taken;
        buffer[..taken].copy_from_slice(&self.frame[self.rest.start..end]);
        self.rest.start = end;
        Ok(taken)
    }

    /// Reads and opens the next frame; false at the end of the source.
    fn open_next(&mut self, source: &mut impl Read) -> io::Result<bool> {
        let mut length = [0; LENGTH_BYTES];
        // The end between two frames is one; the end within a frame is an error.
        let first = loop {
            match source.read(&mut length) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                first => break first?,
            }
        };
        if first == 0 {
            return Ok(false);
        }
        source.read_exact(&mut length[first..])?;
        let content = u32::from_be_bytes(length) as usize;
        if content > MOST {
            return Err(broken(Unspecified));
        }
        self.frame.resize(content + TAG_BYTES, 0);
        source.read_exact(&mut self.frame)?;
        let nonce = self.direction.nonce();
        self.direction.key.open_in_place(nonce, Aad::from(length), &mut self.frame).map_err(broken)?;
        self.rest = 0..content;
        Ok(true)
    }
}

fn broken(_: Unspecified) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a frame that the peer did not seal; something alters the traffic",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use strateye_tests::fuzz::fuzz;

    use super::*;

    const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

    /// The frames of these contents.
    fn frames(contents: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut sealer = Sealer::new(&KEY).unwrap();
        contents.iter().map(|content| sealer.seal(content).unwrap().0.to_vec()).collect()
    }

    /// Everything that comes out of these bytes, up to the first error.
    fn opened(mut bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
        let (mut opener, mut all, mut buffer) = (Opener::new(&KEY).unwrap(), Vec::new(), [0; 5]);
        loop {
            match opener.read(&mut bytes, &mut buffer) {
                Ok(0) => return (all, Ok(())),
                Ok(read) => all.extend_from_slice(&buffer[..read]),
                Err(error) => return (all, Err(error)),
            }
        }
    }

    #[test]
    fn what_is_sealed_comes_out_and_is_not_seen_before() {
        let large: Vec<u8> = (0..MOST).map(|at| at as u8).collect();
        let contents: [&[u8]; 4] = [b"the first of the words", b"", b"1", &large];
        let frames = frames(&contents);
        assert!(
            !frames[0].windows(5).any(|bytes| b"the first of the words".windows(5).any(|word| word == bytes))
        );
        let (all, end) = opened(&frames.concat());
        end.unwrap();
        assert_eq!(all, contents.concat());
        let longer = vec![1; MOST + 9];
        assert_eq!(
            Sealer::new(&KEY).unwrap().seal(&longer).unwrap().1,
            MOST,
            "the rest is for the next frame"
        );
    }

    #[test]
    fn frames_that_are_altered_repeated_left_out_or_swapped_are_refused() {
        let sent = frames(&[b"one", b"two", b"three"]);
        let of = |order: &[usize]| opened(&order.iter().flat_map(|at| sent[*at].clone()).collect::<Vec<_>>());
        for (order, content) in [(&[0, 0][..], "one"), (&[1], ""), (&[0, 2], "one"), (&[1, 0, 2], "")] {
            let (all, end) = of(order);
            assert_eq!(all, content.as_bytes(), "{order:?}");
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::InvalidData, "{order:?}");
        }
        let whole = sent.concat();
        for bit in 0..whole.len() * 8 {
            let mut altered = whole.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let (all, end) = opened(&altered);
            assert!(end.is_err() && b"onetwothree".starts_with(&all), "bit {bit}");
        }
        for cut in 1..whole.len() {
            let (all, end) = opened(&whole[..cut]);
            let between = [sent[0].len(), sent[0].len() + sent[1].len()].contains(&cut);
            assert!(end.is_ok() == between && b"onetwothree".starts_with(&all), "cut at {cut}");
        }
        let mut other = Opener::new(&[8; KEY_BYTES]).unwrap();
        assert!(other.read(&mut &whole[..], &mut [0; 9]).is_err(), "by another key");
    }

    #[test]
    fn frames_of_any_bytes_fuzz() {
        let sent = frames(&[b"one", b"two", b"three"]);
        fuzz("frames", 20_000, &[sent.concat(), sent[0].clone()], |bytes| {
            let (all, _) = opened(bytes);
            assert!(b"onetwothree".starts_with(&all), "only what was sealed comes out");
        });
    }
}
