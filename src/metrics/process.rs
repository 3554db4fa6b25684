//! The process as the kernel sees it, under the names that all Prometheus libraries use.
//!
//! Read from `/proc/self` at scrape time; what cannot be read is left out. Before Linux 6.2 the
//! open descriptors have to be listed one by one: about half a microsecond each.

use super::names;
use super::text::Scrape;
use std::fs;

pub(super) fn collect(scrape: &mut Scrape) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat")
        && let Some(seconds) = cpu_seconds(&stat)
    {
        scrape.number(&names::PROCESS_CPU, &[], seconds);
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (field, family) in [
            ("VmRSS:", &names::PROCESS_MEMORY_RESIDENT),
            ("VmSize:", &names::PROCESS_MEMORY_VIRTUAL),
        ] {
            if let Some(kilobytes) = number_after(&status, field) {
                scrape.number(family, &[], kilobytes * 1024.0);
            }
        }
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits")
        && let Some(files) = number_after(&limits, "Max open files")
    {
        scrape.number(&names::PROCESS_FDS_MAX, &[], files);
    }
    if let Some(open) = descriptors_open() {
        scrape.number(&names::PROCESS_FDS_OPEN, &[], open);
    }
}

fn descriptors_open() -> Option<f64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64),
        open => Some(open as f64),
    }
}

/// User and system time, the 14th and 15th field; the second one, a name in parentheses, may hold
/// anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// The first number on the line that begins with `field`.
fn number_after(text: &str, field: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(field))?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

/// What the kernel shows to programs, whatever it ticks at itself.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "77 (a ) b 9) S 1 77 77 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 200";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("77 (cut) S 1"), None);
    }

    #[test]
    fn numbers_are_found_by_their_line() {
        let status = "Name:\tx\nVmSize:\t  1000 kB\nVmRSS:\t    12 kB\n";
        assert_eq!(number_after(status, "VmRSS:"), Some(12.0));
        assert_eq!(number_after(status, "VmSwap:"), None);
        assert_eq!(
            number_after("Max open files            unlimited  unlimited files", "Max open files"),
            None
        );
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let mut scrape = Scrape::default();
        collect(&mut scrape);
        let text = scrape.render();
        for name in
            ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"]
        {
            assert!(text.contains(&format!("\n{name} ")), "{text}");
        }
    }
}
