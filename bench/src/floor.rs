//! The floors: one thread reads a file of events and decodes every line with the properties that the rules
//! read, and does nothing else.
//!
//! [`floor`] decodes as the engine does today, so it is the least that the engine pays. [`reference_floor`]
//! decodes as the frozen [`reference`](crate::reference) does, so figures of different machines and versions
//! can be scaled by it.

use std::{
    fs::File,
    hint::black_box,
    io::{BufRead as _, BufReader},
    path::Path,
    time::{Duration, Instant},
};

use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::{Field, Fields, TOP_LEVEL},
};
use rustix::time::{ClockId, clock_gettime};

use crate::{Error, reference};

/// Cost of reading and decoding a file.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Lines decoded.
    pub events: u64,
    /// Bytes read, without line breaks.
    pub bytes: u64,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// CPU time.
    pub cpu: Duration,
}

impl Floor {
    /// Events per second of wall-clock time.
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time per event, µs.
    pub fn cpu_micros_per_event(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }
}

/// Reads a file and decodes every line by the engine's decoder.
///
/// # Errors
/// If the file can't be read, is empty, or contains a line that is no event.
pub fn floor(events: &Path, fields: &Fields) -> Result<Floor, Error> {
    let mut decoder = StreamDecoder::new(Decoder::default(), fields.clone());
    every_line(events, |record| {
        let event = decoder.decode(record).map_err(|error| error.to_string())?;
        decoder.recycle(black_box(event));
        Ok(())
    })
}

/// Reads a file and decodes every line by the frozen reference decoder.
///
/// # Errors
/// If the file can't be read, is empty, or contains a line that is no event.
pub fn reference_floor(events: &Path, fields: &Fields) -> Result<Floor, Error> {
    let decoder = reference::Decoder::default();
    let properties = (TOP_LEVEL.len()..fields.len()).map(|position| fields.name(Field(position as u32)));
    let fields = reference::Fields::new(properties);
    every_line(events, |record| {
        black_box(decoder.decode(&fields, record)?);
        Ok(())
    })
}

/// Reads a file once and calls `decode` with every line.
fn every_line(events: &Path, mut decode: impl FnMut(&[u8]) -> Result<(), String>) -> Result<Floor, Error> {
    let file = File::open(events).map_err(Error::file("open", events))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut line, mut count, mut bytes) = (Vec::with_capacity(4096), 0, 0);
    let (began, cpu_before) = (Instant::now(), thread_cpu());
    while reader.read_until(b'\n', &mut line).map_err(Error::file("read", events))? > 0 {
        count += 1;
        let record = line.strip_suffix(b"\n").unwrap_or(&line);
        bytes += record.len() as u64;
        decode(record).map_err(|reason| Error::Event { path: events.into(), line: count, reason })?;
        line.clear();
    }
    let (elapsed, cpu) = (began.elapsed(), thread_cpu().saturating_sub(cpu_before));
    if count == 0 {
        return Err(Error::Usage(format!(
            "{} is empty; make events with `strateye-bench workload`",
            events.display()
        )));
    }
    Ok(Floor { events: count, bytes, elapsed, cpu })
}

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
