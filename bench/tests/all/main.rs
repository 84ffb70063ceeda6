//! Tests of the workload and of the `strateye-bench` command, in one program: it is linked once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(unix)]
mod command_line;
mod workload;
