//! Time zones by name, and what they say about a moment.
//!
//! A zone's rules are read from disk when it is first used and kept by the process (the crate's
//! cache).

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {0}")]
pub(super) struct Unknown(String);

/// The zone of that name: IANA's, `UTC` (also as an empty text) or `Local`.
pub(super) fn named(name: &str) -> Result<TimeZone, Unknown> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(local()),
        _ => TimeZone::get(name).map_err(|_| Unknown(name.to_owned())),
    }
}

/// The process' zone.
pub(super) fn local() -> TimeZone {
    TimeZone::system()
}

/// Seconds since 1970 of the moment at which clocks in `zone` show what clocks in UTC show at
/// `utc_seconds`. Of an hour that comes twice and of one that is left out, whichever the reference
/// picks: it looks up the offset twice.
///
pub(super) fn from_local(zone: &TimeZone, utc_seconds: i64) -> i64 {
    let first = offset_at(zone, utc_seconds);
    let second = offset_at(zone, utc_seconds.saturating_sub(first));
    utc_seconds.saturating_sub(second)
}

/// East of Greenwich, in seconds.
fn offset_at(zone: &TimeZone, seconds: i64) -> i64 {
    zone.to_offset(timestamp(seconds)).seconds().into()
}

/// Outside the years -9999 to 9999, the nearest moment inside.
fn timestamp(seconds: i64) -> Timestamp {
    let bound = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(bound)
}

/// The offset that the abbreviation `name` means in `zone` around `utc_seconds`; `None` if the zone
/// does not know it.
pub(super) fn abbreviated(zone: &TimeZone, name: &[u8], utc_seconds: i64) -> Option<i64> {
    let at = timestamp(utc_seconds);
    let is_it = |abbreviation: &str, offset: Offset| {
        (abbreviation.as_bytes() == name).then(|| i64::from(offset.seconds()))
    };
    let now = zone.to_offset_info(at);
    is_it(now.abbreviation(), now.offset())
        .or_else(|| {
            zone.following(at)
                .take(CHANGES_LOOKED_AT)
                .find_map(|change| is_it(change.abbreviation(), change.offset()))
        })
        .or_else(|| {
            zone.preceding(at)
                .take(CHANGES_LOOKED_AT)
                .find_map(|change| is_it(change.abbreviation(), change.offset()))
        })
}

/// Summer and winter time each way, and one more in case a rule changed.
const CHANGES_LOOKED_AT: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name() {
        assert_eq!(named(""), Ok(TimeZone::UTC));
        assert_eq!(
            named("Europe/Berlin").map(|zone| zone.iana_name().map(str::to_owned)),
            Ok(Some("Europe/Berlin".into()))
        );
        assert_eq!(named("Foo/Bar").unwrap_err().to_string(), "unknown time zone Foo/Bar");
        assert!(named("../../etc/passwd").is_err());
    }

    #[test]
    fn clock_changes_are_read_as_the_reference_reads_them() {
        let berlin = named("Europe/Berlin").unwrap();
        // 2018-03-25 02:30 does not exist, 2018-10-28 02:30 comes twice.
        assert_eq!(from_local(&berlin, 1_521_945_000), 1_521_941_400);
        assert_eq!(from_local(&berlin, 1_540_693_800), 1_540_690_200);
        assert_eq!(from_local(&berlin, i64::MAX), i64::MAX - 3600);
    }

    #[test]
    fn abbreviations_mean_what_the_zone_says() {
        let berlin = named("Europe/Berlin").unwrap();
        assert_eq!(abbreviated(&berlin, b"CET", 1_540_690_200), Some(3600));
        assert_eq!(abbreviated(&berlin, b"CEST", 1_543_721_585), Some(7200));
        assert_eq!(abbreviated(&berlin, b"PST", 1_543_721_585), None);
        assert_eq!(abbreviated(&TimeZone::UTC, b"CET", 0), None);
    }
}
