//! What is logged, for tests to read.

use std::{
    io,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `act` and returns the log of this thread meanwhile, as lines without a time.
pub(crate) fn logged(act: impl FnOnce()) -> String {
    let written = Written::default();
    let to = written.clone();
    let log = tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false);
    tracing::subscriber::with_default(log.with_writer(move || to.clone()).finish(), act);
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}
