#![allow(clippy::all, missing_docs)]
use std::time::{Duration, Instant};
use strateye_sources::events::{*, kafka::*};
fn cpu() -> f64 { let s = std::fs::read_to_string("/proc/self/stat").unwrap(); let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect(); (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0 }
fn main() {
    let mut c = KafkaConfig::new(&std::env::var("KAFKA").unwrap(), "speed");
    c.start = StartAt::Earliest;
    for _ in 0..3 {
        let mut s = KafkaSource::open(c.clone(), 0, 1, &Default::default()).unwrap();
        let (mut t, mut u) = (Instant::now(), cpu());
        let (mut n, mut b) = (0, 0);
        while n < 1_000_000 { if let Next::Batch(x) = s.next(Duration::from_millis(10)).unwrap() { if n == 0 { t = Instant::now(); u = cpu(); } n += x.records.len(); b += 1; } }
        println!("read: {:.0}/s, {:.2} us CPU each, {:.0} a batch", 1e6 / t.elapsed().as_secs_f64(), cpu() - u, n as f64 / b as f64);
    }
    let mut k = KeyPartitions::new(1 << 20);
    let t = Instant::now();
    for n in 0..10_000_000u64 { k.see(&(n % 300_000).to_le_bytes(), (n % 12) as u32); }
    println!("KeyPartitions: {:.1} ns each, {}", t.elapsed().as_nanos() as f64 / 1e7, k.split());
}
