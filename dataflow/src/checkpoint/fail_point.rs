//! Fail points: places in the protocol at which a test has a process end, as if the power had gone, or stop
//! as if it hung.
//!
//! Builds with debug assertions alone have them; elsewhere [`reach`] is nothing. `STRATEYE_FAIL_POINT` lists
//! them as `NAME:NTH` or `NAME:NTH:hang`, with commas: at the NTH passage of NAME a process aborts, or stops
//! as SIGSTOP makes it. They come one after the other: a process watches for the first that is not used up
//! when the process begins, and which those are is kept in files `PATH.0`, `PATH.1`, .., with the PATH of
//! `STRATEYE_FAIL_POINT_USED`. So each fails one process of the cluster once over all its restarts. Without a
//! PATH only the first is watched for, in every process anew.
//!
//! **Limits**: a list that can't be read is taken as empty.

/// The process passes a place of this name.
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

    /// What a process watches for.
    #[derive(Debug, PartialEq)]
    struct Point {
        name: String,
        nth: u64,
        hangs: bool,
        /// The file that says it is used up; it can be made once.
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

    /// The process passes a place of this name.
    pub(crate) fn reach(name: &str) {
        let Some((point, passed)) = &*ARMED else { return };
        if point.name != name || passed.fetch_add(1, Ordering::SeqCst) + 1 != point.nth {
            return;
        }
        if point.used.as_deref().is_some_and(|file| File::create_new(file).is_err()) {
            // Another process was first.
            return;
        }
        tracing::error!(name, hangs = point.hangs, "a fail point is reached");
        if point.hangs {
            // Sent to this thread, so that it comes no further; a process may always stop itself.
            let _ = raise(SIGSTOP);
        } else {
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
