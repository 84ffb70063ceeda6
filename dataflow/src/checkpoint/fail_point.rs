//! Fail points: places in the protocol at which a test aborts or stops a process.
//!
//! An abort is like a loss of power, a stop like a hang. Only builds with debug assertions have fail points;
//! in others [`reach`] does nothing. `STRATEYE_FAIL_POINT` lists them as `NAME:NTH` or `NAME:NTH:hang`,
//! separated by commas: at the NTH passage of NAME a process aborts, or stops as by SIGSTOP. They take effect
//! one after the other: a process waits for the first one that is not used up when the process begins; the
//! used ones are recorded by files `PATH.0`, `PATH.1`, .., with the PATH of `STRATEYE_FAIL_POINT_USED`. So
//! each fails one process of the cluster once over all its restarts. Without a PATH every process waits for
//! the first one only.
//!
//! **Limits**: a list that can't be read is taken as empty.

/// Marks the passage of the fail point of this name; does nothing in this build.
#[cfg(not(debug_assertions))]
pub(super) fn reach(_name: &str) {}

#[cfg(debug_assertions)]
pub(super) use armed::reach;

#[cfg(debug_assertions)]
mod armed {
    use std::{
        env,
        fs::File,
        path::{Path, PathBuf},
        process::abort,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    use signal_hook::{consts::SIGSTOP, low_level::raise};

    /// The fail point that a process waits for.
    #[derive(Debug, PartialEq)]
    struct Point {
        name: String,
        nth: u64,
        hangs: bool,
        /// File that records that the point is used up; it can be created once.
        used: Option<PathBuf>,
    }

    static ARMED: LazyLock<Option<(Point, AtomicU64)>> = LazyLock::new(|| {
        let list = env::var("STRATEYE_FAIL_POINT").ok()?;
        let used = env::var_os("STRATEYE_FAIL_POINT_USED").map(PathBuf::from);
        Some((first_unused(&list, used.as_deref())?, AtomicU64::new(0)))
    });

    fn first_unused(list: &str, used: Option<&Path>) -> Option<Point> {
        let points = list.split(',').map(|text| {
            let (text, hangs) = text.strip_suffix(":hang").map_or((text, false), |text| (text, true));
            let (name, nth) = text.rsplit_once(':')?;
            Some(Point { name: name.to_owned(), nth: nth.parse().ok()?, hangs, used: None })
        });
        let points: Vec<Point> = points.collect::<Option<_>>()?;
        let file = |i: usize| used.map(|path| PathBuf::from(format!("{}.{i}", path.display())));
        points
            .into_iter()
            .enumerate()
            .map(|(i, point)| Point { used: file(i), ..point })
            .find(|point| point.used.as_deref().is_none_or(|file| !file.exists()))
    }

    /// Marks the passage of the fail point of this name; aborts or stops the process if it is due.
    pub(crate) fn reach(name: &str) {
        let Some((point, passed)) = &*ARMED else { return };
        if point.name != name || passed.fetch_add(1, Ordering::SeqCst) + 1 != point.nth {
            return;
        }
        if point.used.as_deref().is_some_and(|file| File::create_new(file).is_err()) {
            // Another process used it up first.
            return;
        }
        tracing::error!(name, hangs = point.hangs, "a fail point is reached");
        if point.hangs {
            // Raised in this thread, so that it gets no further; a process may always stop itself.
            let _ = raise(SIGSTOP);
        } else {
            #[expect(clippy::disallowed_methods, reason = "it ends the process as a power failure would")]
            abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn points_come_one_after_the_other() {
            let folder = tempfile::tempdir().unwrap();
            let used = folder.path().join("used");
            let (list, first) = ("commit:before:2,fold:after:1:hang", folder.path().join("used.0"));
            let of = |name: &str, nth, hangs, file: &str| {
                let used = Some(folder.path().join(file));
                Some(Point { name: name.into(), nth, hangs, used })
            };
            assert_eq!(first_unused(list, Some(&used)), of("commit:before", 2, false, "used.0"));
            File::create_new(first).unwrap();
            assert_eq!(first_unused(list, Some(&used)), of("fold:after", 1, true, "used.1"));
            File::create_new(folder.path().join("used.1")).unwrap();
            assert_eq!(first_unused(list, Some(&used)), None);
            assert_eq!(first_unused(list, None).map(|point| point.used), Some(None));
            assert_eq!(first_unused("commit:before", None), None);
        }
    }
}
