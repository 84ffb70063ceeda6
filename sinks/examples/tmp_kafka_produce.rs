#![allow(clippy::all, missing_docs)]
use std::time::{Duration, Instant};
use strateye_sinks::produce::*;
fn cpu() -> f64 { let s = std::fs::read_to_string("/proc/self/stat").unwrap(); let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect(); (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0 }
fn main() {
    let mut c = ProduceConfig::new(&std::env::var("KAFKA").unwrap(), "speed");
    c.timestamps = Timestamps::Event;
    let mut p = Producer::open(c).unwrap();
    let (t, u) = (Instant::now(), cpu());
    for n in 0..1_000_000u64 {
        let l = format!("{{\"guid\": {}, \"device_id\": \"d-{}\", \"ip\": \"10.0.{}.7\", \"event_id\": \"search\", \"event_time\": {}, \"properties\": {{\"keyword\": \"重庆民宿\", \"page\": \"homestay-list\", \"n\": {n}, \"item\": \"chongqing-homestay-{}\", \"price\": 299.5, \"pad\": \"xxxxxxxxxxxx\"}}}}", n % 100_000, n % 100_000, n % 250, 1766000000000u64 + n, n % 5000);
        if n == 0 { println!("{} bytes", l.len()); }
        p.send_line(l.as_bytes()).unwrap();
    }
    let s = p.flush(Duration::from_secs(120)).unwrap();
    let (e, v) = (t.elapsed().as_secs_f64(), cpu() - u);
    println!("{s:?}\nproduce: {:.0}/s, {:.2} us CPU each", 1e6 / e, v);
}
