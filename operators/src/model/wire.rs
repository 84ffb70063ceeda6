//! The wire codecs of routed batches.
//!
//! Layout of a message: magic (u64), layout hash (u64), payload length (u64), payload, zeros up to a multiple
//! of 8.
//!
//! Two codecs fill the same struct. [`Codec::Abomonation`] copies the arrays as they lie in memory; it is
//! sound only between equal binaries that have authenticated each other, because bytes are believed: hence
//! the layout hash, which is compared before anything is decoded, the private aligned copy, and that nothing
//! leaves the decoded struct but clones of its arrays. [`Codec::Bytemuck`] writes lengths and arrays and
//! believes nothing. `evaluate` checks the arrays' ends in both cases.
//!
//! **Invariants**: the flat struct has no padding, no nesting and only arrays whose elements are plain
//! integers; all `unsafe` of this crate is in this module.
#![allow(
    unsafe_code,
    reason = "abomonation writes and reads memory images; the invariants above say why that holds here"
)]
#![allow(
    deprecated,
    reason = "the derive that replaces the macro expands to impls that the compiler warns of"
)]

use std::{
    io::Write,
    sync::atomic::{AtomicU8, Ordering},
};

use abomonation::{Abomonation, unsafe_abomonate};
use bytemuck::Pod;
use timely::{bytes::arc::Bytes, dataflow::channels::ContainerBytes};

use super::routed::Routed;

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
    /// Chooses the codec with which this process writes; either is read. Timely's trait has no place to pass
    /// it by.
    pub fn choose(self) {
        CODEC.store(self as u8, Ordering::Relaxed);
    }

    fn chosen() -> Codec {
        if CODEC.load(Ordering::Relaxed) == 0 { Codec::Abomonation } else { Codec::Bytemuck }
    }
}

/// The image that is written: the arrays of a batch, widest elements first.
#[repr(C)]
struct Image {
    wide: Vec<u64>,
    signed: Vec<i64>,
    narrow: Vec<u32>,
    bytes: Vec<u8>,
}

unsafe_abomonate!(Image: wide, signed, narrow, bytes);

const MAGIC: [u64; 2] = [u64::from_le_bytes(*b"strateye"), u64::from_le_bytes(*b"strateyf")];
const HEADER: usize = 24;

/// Changes whenever the image's layout does.
fn layout() -> u64 {
    let shape = format!("{} {} wide4 signed2 narrow4+targets", size_of::<Image>(), align_of::<Image>());
    xxhash_rust::xxh3::xxh3_64(shape.as_bytes())
}

fn image(batch: &Routed) -> Image {
    let Routed {
        hash,
        offset,
        guid,
        now,
        time,
        seen,
        partition,
        flags,
        targets_end,
        blob_end,
        targets,
        blob,
    } = batch;
    Image {
        wide: [&hash[..], offset, guid, seen].concat(),
        signed: [&now[..], time].concat(),
        narrow: [&partition[..], flags, targets_end, blob_end, targets].concat(),
        bytes: blob.clone(),
    }
}

fn batch(image: &Image) -> Option<Routed> {
    let n = image.signed.len() / 2;
    let mut wide = image.wide.chunks_exact(n.max(1)).map(<[u64]>::to_vec);
    let (signed_now, signed_time) = image.signed.split_at_checked(n)?;
    let (fixed, targets) = image.narrow.split_at_checked(4 * n)?;
    if image.wide.len() != 4 * n || image.signed.len() != 2 * n {
        return None;
    }
    let mut narrow = fixed.chunks_exact(n.max(1)).map(<[u32]>::to_vec);
    let mut wide = || wide.next().unwrap_or_default();
    let mut narrow = || narrow.next().unwrap_or_default();
    Some(Routed {
        hash: wide(),
        offset: wide(),
        guid: wide(),
        seen: wide(),
        now: signed_now.to_vec(),
        time: signed_time.to_vec(),
        partition: narrow(),
        flags: narrow(),
        targets_end: narrow(),
        blob_end: narrow(),
        targets: targets.to_vec(),
        blob: image.bytes.clone(),
    })
}

/// Writes a batch's payload with a codec.
pub fn encode(batch: &Routed, codec: Codec, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC[codec as usize].to_le_bytes());
    out.extend_from_slice(&layout().to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    let image = image(batch);
    match codec {
        // SAFETY: `encode` reads the struct as bytes; `Image` has no padding (checked by a test), so all are
        // initialised. Writing into a vector does not fail.
        Codec::Abomonation => {
            let _ = unsafe { abomonation::encode(&image, out) };
        }
        Codec::Bytemuck => {
            put(&image.wide, out);
            put(&image.signed, out);
            put(&image.narrow, out);
            put(&image.bytes, out);
        }
    }
    let length = (out.len() - start - HEADER) as u64;
    out[start + 16..start + 24].copy_from_slice(&length.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
}

/// How many bytes `encode` writes.
pub fn encoded_length(batch: &Routed, codec: Codec) -> usize {
    let arrays = batch.len() * (4 * 8 + 2 * 8 + 4 * 4) + batch.targets.len() * 4 + batch.blob.len();
    let frame = match codec {
        Codec::Abomonation => size_of::<Image>(),
        Codec::Bytemuck => 4 * 8,
    };
    (HEADER + frame + arrays).next_multiple_of(8)
}

/// Reads a batch; `None` if the bytes are of another build or do not hold together.
pub fn decode(bytes: &[u8]) -> Option<Routed> {
    let word = |i: usize| bytes.get(i * 8..i * 8 + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let payload = bytes.get(HEADER..HEADER.checked_add(usize::try_from(word(2)?).ok()?)?)?;
    if word(1)? != layout() {
        return None;
    }
    match MAGIC.iter().position(|m| Some(*m) == word(0))? {
        0 => {
            let mut aligned = vec![0u64; payload.len().div_ceil(8)];
            bytemuck::cast_slice_mut(&mut aligned)[..payload.len()].copy_from_slice(payload);
            let bytes = bytemuck::cast_slice_mut::<u64, u8>(&mut aligned);
            // SAFETY: the layout hash above says that an equal binary wrote these bytes with `encode`, and
            // peers are authenticated before they may send; the copy is aligned for `Image`; the arrays are
            // cloned out of the decoded struct, which is never moved or dropped.
            let (image, _) = unsafe { abomonation::decode::<Image>(&mut bytes[..payload.len()]) }?;
            batch(image)
        }
        _ => {
            let mut rest = payload;
            let image = Image {
                wide: take(&mut rest)?,
                signed: take(&mut rest)?,
                narrow: take(&mut rest)?,
                bytes: take(&mut rest)?,
            };
            batch(&image)
        }
    }
}

fn put<T: Pod>(items: &[T], out: &mut Vec<u8>) {
    out.extend_from_slice(&(items.len() as u64).to_le_bytes());
    out.extend_from_slice(bytemuck::cast_slice(items));
}

fn take<T: Pod>(rest: &mut &[u8]) -> Option<Vec<T>> {
    let (length, behind) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?.checked_mul(size_of::<T>())?;
    let (items, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(bytemuck::pod_collect_to_vec(items))
}

impl ContainerBytes for Routed {
    fn from_bytes(bytes: Bytes) -> Self {
        // A peer of another build is refused when the cluster forms, so this does not happen; an empty batch
        // would hide it.
        match decode(&bytes) {
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
        let mut out = Vec::with_capacity(self.length_in_bytes());
        encode(self, Codec::chosen(), &mut out);
        // Timely hands out a buffer of `length_in_bytes`.
        let _ = writer.write_all(&out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        field::Field,
        ids::{Offset, PartitionId},
        routed::RoutedRecord,
        value::Value,
    };

    fn sample(records: &[(u64, i64, String, Vec<u32>)]) -> Routed {
        let mut batch = Routed::default();
        for (hash, now, key, targets) in records {
            let head = RoutedRecord {
                hash: *hash,
                partition: PartitionId(3),
                offset: Offset(hash / 2),
                guid: (hash % 2 == 0).then_some(*hash),
                now: *now,
                time: now + 1,
                seen: 7,
                key_group: 1,
                targets,
                key,
                event_id: "search",
                encoded: &[],
            };
            let value = Value::Text(key.as_str().into());
            batch.push(&head, [(Field(6), &value), (Field(9), &Value::Float(1.5))].into_iter());
        }
        batch
    }

    #[test]
    fn the_image_has_no_padding() {
        assert_eq!(size_of::<Image>(), 4 * size_of::<Vec<u8>>());
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
                prop_assert_eq!(decode(&out), Some(batch.clone()));
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
            if out.len() > 8 && u64::from_le_bytes(out[..8].try_into().unwrap()) == MAGIC[1]
                && let Some(read) = decode(&out)
            {
                (0..read.len() + 1).for_each(|i| { read.get(i).map(|r| r.values().count()); });
            }
        }
    }
}
