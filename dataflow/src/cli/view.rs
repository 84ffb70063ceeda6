//! The view of the demo: live on a terminal, or plain lines.

use std::{
    collections::VecDeque,
    io::{self, Write},
    time::Instant,
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    queue,
    terminal::{Clear, ClearType},
};

use super::summary::Summary;
use crate::protocol::numbers::{Latency, LatestTrigger, TriggerCount};

const NOTES: usize = 8;
const RULES: usize = 12;

/// A live view, or plain lines.
pub(super) struct View {
    plain: bool,
    json: bool,
    notes: VecDeque<String>,
    /// Time and number of events at the last drawing.
    last: (Instant, u64),
    began: Instant,
}

impl View {
    /// Plain lines, or a live view on the terminal. With `json` the summary is one JSON object.
    pub(super) fn new(plain: bool, json: bool) -> Self {
        let now = Instant::now();
        View { plain, json, notes: VecDeque::new(), last: (now, 0), began: now }
    }

    /// Adds a note to the view.
    pub(super) fn note(&mut self, text: &str) {
        let line = format!("[{:5.1} s] {text}", self.began.elapsed().as_secs_f64());
        if self.plain {
            eprintln!("{line}");
            return;
        }
        if self.notes.len() == NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(line);
    }

    /// Shows the latest numbers.
    pub(super) fn show(&mut self, summary: &Summary, rate: f64) {
        let events = summary.sum(|w| w.records);
        let speed =
            events.saturating_sub(self.last.1) as f64 / self.last.0.elapsed().as_secs_f64().max(0.001);
        self.last = (Instant::now(), events);
        let sink = summary.sink();
        let lag = summary.workers().map(|w| w.waiting_bytes).sum::<usize>();
        let head = format!(
            "{speed:>8.0} events/s of {rate:.0}   {} events   {} keys   {} triggers   latency {}   waiting {} KiB   CPU {:.2} cores",
            events,
            summary.sum(|w| w.keys as u64),
            sink.triggers,
            latency(&sink.latency),
            lag >> 10,
            summary.cpu_seconds() / summary.elapsed().as_secs_f64().max(0.001),
        );
        if self.plain {
            eprintln!("{head}");
            return;
        }
        // A terminal that can't be written to shows nothing; the demo continues.
        let _ = self.draw(&head, summary);
    }

    fn draw(&self, head: &str, summary: &Summary) -> io::Result<()> {
        let sink = summary.sink();
        let mut out = io::stdout().lock();
        queue!(out, Hide, MoveTo(0, 0), Clear(ClearType::All))?;
        writeln!(out, "战略之眼 strateye\r\n\r\n{head}\r\n")?;
        let mut by_rule: Vec<_> = sink.by_rule().collect();
        by_rule.sort_by_key(|rule| (std::cmp::Reverse(rule.triggers), rule.rule_id));
        writeln!(out, "触发最多的规则 (triggers by rule, {} of {}):\r", by_rule.len(), summary.rules.len())?;
        for TriggerCount { rule_id, name, triggers } in by_rule.iter().take(RULES) {
            writeln!(out, "{triggers:>8}  {name}  ({rule_id})\r")?;
        }
        writeln!(out, "\r\n最新触发 (latest triggers):\r")?;
        for LatestTrigger { rule, key, held_out } in &sink.latest {
            writeln!(out, "          {rule}  ← {key}{}\r", if *held_out { "  (held out)" } else { "" })?;
        }
        writeln!(out, "\r\n动态 (events):\r")?;
        for note in &self.notes {
            writeln!(out, "{note}\r")?;
        }
        out.flush()
    }

    /// Shows the final summary.
    #[expect(clippy::print_stdout, reason = "the summary is what the command was asked for")]
    pub(super) fn end(&mut self, summary: &Summary) {
        if !self.plain {
            let _ = queue!(io::stdout(), Show).and_then(|()| io::stdout().flush());
        }
        let all = summary.json(true);
        if self.json {
            println!("{all}");
            return;
        }
        println!(
            "\n{} events in {:.1} s ({:.0} events/s) on {} processes, {} triggers of {} rules, latency p50 {:.1} ms p99 {:.1} ms, {:.2} cores, {} MiB",
            all["events"],
            all["seconds"].as_f64().unwrap_or(0.0),
            all["events_per_second"].as_f64().unwrap_or(0.0),
            all["processes"],
            all["triggers"],
            summary.sink().by_rule().count(),
            all["latency_ms"]["p50"].as_f64().unwrap_or(0.0),
            all["latency_ms"]["p99"].as_f64().unwrap_or(0.0),
            all["cpu_cores"].as_f64().unwrap_or(0.0),
            all["peak_memory_bytes"].as_u64().unwrap_or(0) >> 20,
        );
        let sink = summary.sink();
        let mut by_rule: Vec<_> = sink.by_rule().collect();
        by_rule.sort_by_key(|rule| (std::cmp::Reverse(rule.triggers), rule.rule_id));
        for TriggerCount { rule_id, name, triggers } in by_rule {
            println!("{triggers:>8}  {name}  ({rule_id})");
        }
    }
}

/// Latency for people; a dash while there is none, as during start-up.
fn latency(Latency { p50, p99, count, .. }: &Latency) -> String {
    if *count == 0 { "-".to_owned() } else { format!("p50 {p50:.1} ms p99 {p99:.1} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_a_dash_until_there_is_one() {
        assert_eq!(latency(&Latency::default()), "-");
        let measured = Latency { p50: 20.04, p99: 31.0, max: 50.0, count: 3 };
        assert_eq!(latency(&measured), "p50 20.0 ms p99 31.0 ms");
    }
}
