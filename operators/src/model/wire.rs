//! The wire codecs of routed batches.
//!
//! Layout of a message: magic (u64), layout hash (u64), payload length (u64), payload, zeros up to a multiple
//! of 8.
//!
//! Two codecs write the same arrays straight into the buffer of the connection. [`Codec::Abomonation`] copies
//! them as they lie in memory; it is sound only between equal binaries of one machine that have authenticated
//! each other, because bytes are believed: hence the layout hash, which is compared before anything is decoded,
//! the private aligned copy, and that nothing leaves the decoded struct but clones of its arrays.
//! [`Codec::Bytemuck`] writes lengths and arrays and believes nothing. In both cases the text is checked to
//! be UTF-8 here, and `evaluate` checks the arrays' ends. A process decodes only what its own codec wrote: bytes
//! that say otherwise never choose to be believed.
//!
//! **Invariants**: the struct has only arrays of plain integers, or of rows of them, without padding, those
//! of the widest elements first; all `unsafe` of this crate is in this module.
#![allow(
    unsafe_code,
    reason = "abomonation writes and reads memory images; the invariants above say why that holds here"
)]
#![allow(
    deprecated,
    reason = "the derive that replaces the macro expands to impls that the compiler warns of"
)]

use std::{
    io::{self, Write},
    sync::atomic::{AtomicU8, Ordering},
};

use abomonation::{Abomonation, unsafe_abomonate};
use bytemuck::Pod;
use timely::{bytes::arc::Bytes, dataflow::channels::ContainerBytes};

use super::routed::{Routed, Row};

/// How routed batches are written to the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Memory images by the crate `abomonation`.
    #[default]
    Abomonation,
    /// Lengths and arrays, checked.
    Bytemuck,
}

static CODEC: AtomicU8 = AtomicU8::new(0);

impl Codec {
    /// Chooses the codec with which this process writes, and the only one that it reads. Timely's trait has no
    /// place to pass it by.
    pub fn choose(self) {
        CODEC.store(self as u8, Ordering::Relaxed);
    }

    fn chosen() -> Codec {
        if CODEC.load(Ordering::Relaxed) == 0 { Codec::Abomonation } else { Codec::Bytemuck }
    }
}

unsafe_abomonate!(Row);
unsafe_abomonate!(Routed: rows, words, fields, targets, text);

const MAGIC: [u64; 2] = [u64::from_le_bytes(*b"strateye"), u64::from_le_bytes(*b"strateyf")];
const HEADER: usize = 24;

/// Changes whenever the layout of a batch does.
fn layout() -> u64 {
    let sizes = [size_of::<Routed>(), align_of::<Routed>(), size_of::<Row>()];
    xxhash_rust::xxh3::xxh3_64(format!("{sizes:?} rows words fields targets text").as_bytes())
}

/// Appends a batch as a message, written with a codec.
pub fn encode(batch: &Routed, codec: Codec, out: &mut Vec<u8>) {
    out.reserve(encoded_length(batch, codec));
    // Writing into a vector does not fail.
    let _ = write(batch, codec, out);
}

fn write(batch: &Routed, codec: Codec, out: &mut impl Write) -> io::Result<()> {
    let length = payload_length(batch, codec);
    for word in [MAGIC[codec as usize], layout(), length as u64] {
        out.write_all(&word.to_le_bytes())?;
    }
    match codec {
        // SAFETY: `encode` reads structs as bytes; `Routed` has no padding (checked by a test) and `Row` is
        // plain data, so all are initialised.
        Codec::Abomonation => unsafe { abomonation::encode(batch, out) }?,
        Codec::Bytemuck => {
            put(&batch.rows, out)?;
            put(&batch.words, out)?;
            put(&batch.fields, out)?;
            put(&batch.targets, out)?;
            put(batch.text.as_bytes(), out)?;
        }
    }
    out.write_all(&[0; 8][..(HEADER + length).next_multiple_of(8) - HEADER - length])
}

/// How many bytes `encode` writes.
pub fn encoded_length(batch: &Routed, codec: Codec) -> usize {
    (HEADER + payload_length(batch, codec)).next_multiple_of(8)
}

fn payload_length(batch: &Routed, codec: Codec) -> usize {
    batch.bytes()
        + match codec {
            Codec::Abomonation => size_of::<Routed>(),
            Codec::Bytemuck => 5 * 8,
        }
}

/// Reads a batch that was written with `codec`; `None` if the bytes are of another codec or build, or do not hold
/// together.
pub fn decode(bytes: &[u8], codec: Codec) -> Option<Routed> {
    let word = |i: usize| bytes.get(i * 8..i * 8 + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let payload = bytes.get(HEADER..HEADER.checked_add(usize::try_from(word(2)?).ok()?)?)?;
    if word(0)? != MAGIC[codec as usize] || word(1)? != layout() {
        return None;
    }
    match codec {
        Codec::Abomonation => {
            let mut aligned = vec![0u64; payload.len().div_ceil(8)];
            bytemuck::cast_slice_mut(&mut aligned)[..payload.len()].copy_from_slice(payload);
            let bytes = bytemuck::cast_slice_mut::<u64, u8>(&mut aligned);
            // SAFETY: the layout hash above says that an equal binary wrote these bytes with `encode`, and
            // peers are authenticated before they may send; the copy is aligned for `Routed`; the arrays are
            // cloned out of the decoded struct, which is never moved or dropped.
            let (batch, _) = unsafe { abomonation::decode::<Routed>(&mut bytes[..payload.len()]) }?;
            Some(Routed {
                rows: batch.rows.clone(),
                words: batch.words.clone(),
                fields: batch.fields.clone(),
                targets: batch.targets.clone(),
                text: text(batch.text.as_bytes().to_vec())?,
            })
        }
        Codec::Bytemuck => {
            let mut rest = payload;
            let batch = Routed {
                rows: take(&mut rest)?,
                words: take(&mut rest)?,
                fields: take(&mut rest)?,
                targets: take(&mut rest)?,
                text: text(take(&mut rest)?)?,
            };
            rest.is_empty().then_some(batch)
        }
    }
}

fn put<T: Pod>(items: &[T], out: &mut impl Write) -> io::Result<()> {
    out.write_all(&(items.len() as u64).to_le_bytes())?;
    out.write_all(bytemuck::cast_slice(items))
}

fn take<T: Pod>(rest: &mut &[u8]) -> Option<Vec<T>> {
    let (length, behind) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?.checked_mul(size_of::<T>())?;
    let (items, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(bytemuck::pod_collect_to_vec(items))
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

impl ContainerBytes for Routed {
    fn from_bytes(bytes: Bytes) -> Self {
        // A peer of another build or codec is refused when the cluster forms, so this does not happen; an empty
        // batch would hide it.
        match decode(&bytes, Codec::chosen()) {
            Some(batch) => batch,
            None => panic!(
                "a routed batch of another build, or a broken one: run one version of strateye in all processes"
            ),
        }
    }

    fn length_in_bytes(&self) -> usize {
        encoded_length(self, Codec::chosen())
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        // Timely hands out a buffer of `length_in_bytes`.
        let _ = write(self, Codec::chosen(), writer);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        field::Field,
        guid::Guid,
        ids::{Offset, PartitionId},
        routed::{EncodedValues, RoutedRecord},
        value::Value,
    };

    fn sample(records: &[(u64, i64, String, Vec<u32>)]) -> Routed {
        let mut batch = Routed::default();
        for (hash, now, key, targets) in records {
            let head = RoutedRecord {
                hash: *hash,
                partition: PartitionId(3),
                offset: Offset(hash / 2),
                message: Some(*hash).filter(|hash| hash % 2 == 1),
                guid: [None, Some(Guid::Number(*hash)), Some(Guid::Text(key))][*hash as usize % 3],
                now: *now,
                time: now + 1,
                seen: 7,
                key_group: 1,
                targets,
                key,
                event_id: "search",
                encoded: EncodedValues::default(),
            };
            let value = Value::Text(key.as_str().into());
            batch.push(&head, [(Field(6), &value), (Field(9), &Value::Float(1.5))].into_iter());
        }
        batch
    }

    #[test]
    fn a_batch_has_no_padding() {
        assert_eq!(size_of::<Routed>(), 5 * size_of::<Vec<u8>>());
    }

    proptest! {
        #[test]
        fn both_codecs_give_back_what_was_written(
            records in prop::collection::vec((any::<u64>(), any::<i64>().prop_map(|i| i / 2), ".{0,12}", prop::collection::vec(any::<u32>(), 0..5)), 0..20),
        ) {
            let batch = sample(&records);
            for codec in [Codec::Abomonation, Codec::Bytemuck] {
                let mut out = vec![];
                encode(&batch, codec, &mut out);
                prop_assert_eq!(out.len(), encoded_length(&batch, codec));
                prop_assert_eq!(out.len() % 8, 0);
                prop_assert_eq!(decode(&out, codec), Some(batch.clone()));
                let other = if codec == Codec::Bytemuck { Codec::Abomonation } else { Codec::Bytemuck };
                prop_assert_eq!(decode(&out, other), None, "only the chosen codec is decoded");
            }
            for (i, (hash, _, key, targets)) in records.iter().enumerate() {
                let record = batch.get(i).unwrap();
                prop_assert_eq!((record.hash, record.key, record.targets), (*hash, key.as_str(), &targets[..]));
                prop_assert_eq!(record.values().count(), 2);
            }
        }

        #[test]
        fn the_checked_codec_survives_broken_bytes(cut in 0usize..400, flip in 0usize..400, bit in 0u8..8) {
            let batch = sample(&[(1, 2, "k".into(), vec![1, 2]), (2, 3, "重庆".into(), vec![])]);
            let mut out = vec![];
            encode(&batch, Codec::Bytemuck, &mut out);
            let flip = flip % out.len();
            out[flip] ^= 1 << bit;
            out.truncate(out.len() - cut % out.len());
            if let Some(read) = decode(&out, Codec::Bytemuck) {
                (0..read.len() + 1).for_each(|i| { read.get(i).map(|r| r.values().count()); });
            }
        }
    }
}
