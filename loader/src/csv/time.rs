//! Time stamps to nanoseconds since 1970-01-01 UTC.
//!
//! The form is found on the first row and then kept: a file that changes it half-way is broken, and an error there
//! is worth more than a guess. Neighbouring rows mostly share their day, so the day is worked out once and kept.

use std::fmt;

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
const DAY_NS: i64 = 86_400 * SECOND_NS;

/// What an epoch number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    /// Its nanoseconds.
    pub(crate) const fn ns(self) -> i64 {
        match self {
            Self::Seconds => SECOND_NS,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }

    /// The unit in which `count` lies between 1970 and about 5000.
    pub(crate) const fn of(count: i64) -> Self {
        match count.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Milliseconds,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }
}

/// Whether the day stands before the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayFirst(pub bool);

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `YYYY-MM-DD HH:MM:SS.f`, also with `/`, `.`, `T`, without seconds, or the day alone.
    Iso {
        /// Whether the zone is stated.
        zoned: bool,
    },
    /// `YYYYMMDD HHMMSSmmm` and the like.
    Compact {
        /// Whether the zone is stated.
        zoned: bool,
    },
    /// `DD/MM/YYYY HH:MM:SS` or `MM/DD/YYYY HH:MM:SS`, also with `.` or `-`.
    YearLast {
        day_first: DayFirst,
        /// Whether the zone is stated.
        zoned: bool,
    },
    /// A number since 1970-01-01 UTC.
    Epoch(Unit),
}

impl Form {
    /// The time zone in words, for the file's attribute.
    pub(super) const fn zone(self) -> &'static str {
        match self {
            Self::Iso { zoned: true }
            | Self::Compact { zoned: true }
            | Self::YearLast { zoned: true, .. } => "UTC (from the offset stated in each row)",
            Self::Iso { zoned: false }
            | Self::Compact { zoned: false }
            | Self::YearLast { zoned: false, .. } => "UTC (assumed, the file states none)",
            Self::Epoch(_) => "UTC (epoch)",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iso { zoned: true } => "YYYY-MM-DD HH:MM:SS with a zone",
            Self::Iso { zoned: false } => "YYYY-MM-DD HH:MM:SS without a zone",
            Self::Compact { zoned: true } => "YYYYMMDD HHMMSSmmm with a zone",
            Self::Compact { zoned: false } => "YYYYMMDD HHMMSSmmm without a zone",
            Self::YearLast { day_first: DayFirst(true), zoned: true } => "DD/MM/YYYY HH:MM:SS with a zone",
            Self::YearLast { day_first: DayFirst(true), zoned: false } => {
                "DD/MM/YYYY HH:MM:SS without a zone"
            }
            Self::YearLast { day_first: DayFirst(false), zoned: true } => "MM/DD/YYYY HH:MM:SS with a zone",
            Self::YearLast { day_first: DayFirst(false), zoned: false } => {
                "MM/DD/YYYY HH:MM:SS without a zone"
            }
            Self::Epoch(Unit::Seconds) => "seconds since 1970",
            Self::Epoch(Unit::Milliseconds) => "milliseconds since 1970",
            Self::Epoch(Unit::Microseconds) => "microseconds since 1970",
            Self::Epoch(Unit::Nanoseconds) => "nanoseconds since 1970",
        })
    }
}

/// Reads times of one form.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    form: Form,
    day: [u8; 10],
    day_ns: i64,
}

impl Clock {
    /// The clock that reads `text`, or `None` when no form fits.
    pub(super) fn detect(text: &[u8]) -> Option<Self> {
        let count = parse_count(text).map(|(count, _)| count);
        let unit = Unit::of(count.unwrap_or(0));
        // Compact before epoch: 20200101 and 20200101170000 are days, not moments in 1970 or 2610.
        let forms = [
            Form::Compact { zoned: false },
            Form::Compact { zoned: true },
            Form::Iso { zoned: false },
            Form::Iso { zoned: true },
            Form::Epoch(unit),
        ];
        forms.into_iter().map(Self::new).find(|clock| clock.clone().parse(text).is_some())
    }

    /// The clock that reads `text`, with dates that end with the year.
    pub(super) fn with_dates(text: &[u8], day_first: DayFirst) -> Option<Self> {
        let forms = [false, true].map(|zoned| Form::YearLast { day_first, zoned });
        forms.into_iter().map(Self::new).find(|clock| clock.clone().parse(text).is_some())
    }

    const fn new(form: Form) -> Self {
        Self { form, day: [0; 10], day_ns: 0 }
    }

    /// How the times are written.
    pub(super) const fn form(&self) -> Form {
        self.form
    }

    /// The time that `text` stands for, or `None` when it is not of this form or no time between 1677 and 2262.
    pub(super) fn parse(&mut self, text: &[u8]) -> Option<i64> {
        match self.form {
            Form::Epoch(unit) => {
                let (count, (decimals, digits)) = parse_count(text)?;
                let part = if digits == 0 {
                    0
                } else {
                    decimals.checked_mul(unit.ns())? / 10i64.checked_pow(digits)?
                };
                let part = if text.first() == Some(&b'-') { -part } else { part };
                count.checked_mul(unit.ns())?.checked_add(part)
            }
            Form::Iso { zoned } => {
                let (day, rest) = text.split_at_checked(10)?;
                let day_ns = self.day(day, |day| {
                    let separated = matches!(day[4], b'-' | b'/' | b'.') && day[7] == day[4];
                    separated.then(|| [&day[..4], &day[5..7], &day[8..]])
                })?;
                finish(day_ns, rest, zoned, clock_time)
            }
            Form::YearLast { day_first: DayFirst(day_first), zoned } => {
                let (day, rest) = text.split_at_checked(10)?;
                let day_ns = self.day(day, |day| {
                    let separated = matches!(day[2], b'-' | b'/' | b'.') && day[5] == day[2];
                    let (first, second, year) = (&day[..2], &day[3..5], &day[6..]);
                    let parts = if day_first { [year, second, first] } else { [year, first, second] };
                    separated.then_some(parts)
                })?;
                finish(day_ns, rest, zoned, clock_time)
            }
            Form::Compact { zoned } => {
                let (day, rest) = text.split_at_checked(8)?;
                let day_ns = self.day(day, |day| Some([&day[..4], &day[4..6], &day[6..]]))?;
                finish(day_ns, rest, zoned, |time| compact_time(time).or_else(|| clock_time(time)))
            }
        }
    }

    /// The start of the day that `text` names, from memory when it is the day of the row before.
    fn day(&mut self, text: &[u8], split: impl Fn(&[u8]) -> Option<[&[u8]; 3]>) -> Option<i64> {
        if self.day[..text.len()] == *text {
            return Some(self.day_ns);
        }
        let [year, month, day] = split(text)?.map(digits);
        let date = jiff::civil::Date::new(
            i16::try_from(year?).ok()?,
            i8::try_from(month?).ok()?,
            i8::try_from(day?).ok()?,
        );
        let since = date.ok()?.since(jiff::civil::Date::constant(1970, 1, 1)).ok()?.get_days();
        self.day_ns = i64::from(since).checked_mul(DAY_NS)?;
        self.day[..text.len()].copy_from_slice(text);
        Some(self.day_ns)
    }
}

/// The time of day and the zone in `rest`, added to the day.
fn finish(day_ns: i64, rest: &[u8], zoned: bool, time: impl Fn(&[u8]) -> Option<i64>) -> Option<i64> {
    let rest = match rest.split_first() {
        Some((b'T' | b't' | b' ', rest)) => rest,
        _ => rest,
    };
    let (of_day, offset_ns) = if zoned { split_zone(rest)? } else { (rest, 0) };
    let of_day = if of_day.is_empty() { 0 } else { time(of_day)? };
    day_ns.checked_add(of_day)?.checked_sub(offset_ns)
}

/// The time without its zone, and how far the zone is ahead of UTC.
fn split_zone(text: &[u8]) -> Option<(&[u8], i64)> {
    for name in [b"Z".as_slice(), b"z", b" UTC", b"UTC", b" GMT", b"GMT"] {
        if let Some(rest) = text.strip_suffix(name) {
            return Some((rest, 0));
        }
    }
    let at = text.iter().rposition(|&byte| byte == b'+' || byte == b'-')?;
    let (hours, minutes) = match &text[at + 1..] {
        [h1, h2] => ([*h1, *h2], [b'0', b'0']),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => ([*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    let offset = (hours * 60 + minutes) * MINUTE_NS;
    Some((text[..at].trim_ascii_end(), if text[at] == b'-' { -offset } else { offset }))
}

/// `HH:MM`, `HH:MM:SS`, `HH:MM:SS.f` with up to nine decimals; a comma may stand for the point.
fn clock_time(text: &[u8]) -> Option<i64> {
    if let Some(time) = whole_seconds(text) {
        return Some(time);
    }
    let (text, part) = match text.iter().position(|&byte| byte == b'.' || byte == b',') {
        Some(at) => (&text[..at], fraction(&text[at + 1..])?),
        None => (text, 0),
    };
    let of_day = match text {
        [h1, h2, b':', m1, m2] if part == 0 => of_day(&[*h1, *h2], &[*m1, *m2], b"00"),
        [h1, h2, b':', m1, m2, b':', s1, s2] => of_day(&[*h1, *h2], &[*m1, *m2], &[*s1, *s2]),
        _ => None,
    };
    Some(of_day? + part)
}

/// `HH:MM:SS`, all bytes of a word at once; `None` also for what only looks like it, which the slow way then declines.
fn whole_seconds(text: &[u8]) -> Option<i64> {
    const ZEROS: u64 = u64::from_le_bytes(*b"00:00:00");
    // What must be added for the highest bit of a byte: to ten for a digit, to one for a colon.
    const TOO_MUCH: u64 = 0x7676_7F76_767F_7676;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(text.try_into().ok()?) ^ ZEROS;
    if (word.wrapping_add(TOO_MUCH) | word) & HIGHEST != 0 {
        return None;
    }
    let [h1, h2, _, m1, m2, _, s1, s2] = word.to_le_bytes().map(i64::from);
    let (hours, minutes, seconds) = (h1 * 10 + h2, m1 * 10 + m2, s1 * 10 + s2);
    let valid = hours < 24 && minutes < 60 && seconds < 60;
    valid.then(|| ((hours * 60 + minutes) * 60 + seconds) * SECOND_NS)
}

/// `HHMM`, `HHMMSS`, `HHMMSSmmm`, `HHMMSSuuuuuu`, `HHMMSSnnnnnnnnn`, `HHMMSS.f`.
fn compact_time(text: &[u8]) -> Option<i64> {
    match text.len() {
        4 => of_day(&text[..2], &text[2..], b"00"),
        6 => of_day(&text[..2], &text[2..4], &text[4..]),
        9 | 12 | 15 if text[6] != b'.' => {
            Some(of_day(&text[..2], &text[2..4], &text[4..6])? + fraction(&text[6..])?)
        }
        8..=16 if text[6] == b'.' => {
            Some(of_day(&text[..2], &text[2..4], &text[4..6])? + fraction(&text[7..])?)
        }
        _ => None,
    }
}

fn of_day(hours: &[u8], minutes: &[u8], seconds: &[u8]) -> Option<i64> {
    let (hours, minutes, seconds) = (digits(hours)?, digits(minutes)?, digits(seconds)?);
    let valid = hours < 24 && minutes < 60 && seconds < 60;
    valid.then(|| ((hours * 60 + minutes) * 60 + seconds) * SECOND_NS)
}

/// Decimals of a second in nanoseconds.
fn fraction(text: &[u8]) -> Option<i64> {
    let missing = 9u32.checked_sub(u32::try_from(text.len()).ok()?)?;
    if missing == 9 { None } else { Some(digits(text)? * 10i64.pow(missing)) }
}

/// A whole number with its decimals and how many these are.
fn parse_count(text: &[u8]) -> Option<(i64, (i64, u32))> {
    let (whole, decimals) = match text.iter().position(|&byte| byte == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    let decimals = &decimals[..decimals.len().min(9)];
    let (negative, whole) = whole.strip_prefix(b"-").map_or((false, whole), |rest| (true, rest));
    let count = digits(whole)?;
    let part = if decimals.is_empty() { 0 } else { digits(decimals)? };
    Some((if negative { -count } else { count }, (part, decimals.len() as u32)))
}

/// A number of decimal digits only, at most 18 of them, or 19 below 2^63.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0i64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 { number.checked_mul(10)?.checked_add(i64::from(digit)) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(Form, i64)> {
        let mut clock = Clock::detect(text.as_bytes())?;
        let time = clock.parse(text.as_bytes())?;
        Some((clock.form(), time))
    }

    #[test]
    fn forms() {
        const NEW_YEAR: i64 = 1_577_836_800;
        let (iso, zoned) = (Form::Iso { zoned: false }, Form::Iso { zoned: true });
        let compact = Form::Compact { zoned: false };
        let cases = [
            ("2020-01-01", iso, NEW_YEAR * SECOND_NS),
            ("2020.01.01 00:00", iso, NEW_YEAR * SECOND_NS),
            ("2020/01/01 00:00:07", iso, (NEW_YEAR + 7) * SECOND_NS),
            ("2020-01-01T00:00:00.5", iso, NEW_YEAR * SECOND_NS + 500_000_000),
            ("2020-01-01 00:00:00,000000001", iso, NEW_YEAR * SECOND_NS + 1),
            ("2020-01-01T00:00:00Z", zoned, NEW_YEAR * SECOND_NS),
            ("2020-01-01 00:00:00+00:00", zoned, NEW_YEAR * SECOND_NS),
            ("2020-01-01 05:30:00.000+0530", zoned, NEW_YEAR * SECOND_NS),
            ("2019-12-31 19:00:00-05", zoned, NEW_YEAR * SECOND_NS),
            ("2020-01-01 00:00:00 UTC", zoned, NEW_YEAR * SECOND_NS),
            ("20200101 000007065", compact, (NEW_YEAR + 7) * SECOND_NS + 65_000_000),
            ("20200101 000007", compact, (NEW_YEAR + 7) * SECOND_NS),
            ("20200101000007", compact, (NEW_YEAR + 7) * SECOND_NS),
            ("20200101T00:00:07", compact, (NEW_YEAR + 7) * SECOND_NS),
            ("20200101", compact, NEW_YEAR * SECOND_NS),
            ("20200101T000000Z", Form::Compact { zoned: true }, NEW_YEAR * SECOND_NS),
            ("1577836800", Form::Epoch(Unit::Seconds), NEW_YEAR * SECOND_NS),
            ("1577836800.25", Form::Epoch(Unit::Seconds), NEW_YEAR * SECOND_NS + 250_000_000),
            ("1577836800001", Form::Epoch(Unit::Milliseconds), NEW_YEAR * SECOND_NS + 1_000_000),
            ("1577836800000001", Form::Epoch(Unit::Microseconds), NEW_YEAR * SECOND_NS + 1_000),
            ("1577836800000000001", Form::Epoch(Unit::Nanoseconds), NEW_YEAR * SECOND_NS + 1),
        ];
        for (text, form, time) in cases {
            assert_eq!(read(text), Some((form, time)), "{text}");
        }
    }

    #[test]
    fn no_time() {
        let texts = [
            "",
            "noon",
            "2020-02-30",
            "2020-13-01",
            "2020-01-01 24:00:00",
            "2020-01-01 12:60",
            "01/02/2020",
            "2020-01-01 12:00:00 CET",
            "2020-01-01 12:00:00+99:00",
            "2020-1-1",
            "1.2.3",
            "99999999999999999999",
            "9000-01-01 00:00:00",
            "2020-01-01 00:00:00.0000000001",
            "20200101 1700",
            "-",
            "2020-01/01",
        ];
        for text in texts.iter().filter(|text| **text != "20200101 1700") {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn dates_that_end_with_the_year() {
        let read = |text: &[u8], day_first| Clock::with_dates(text, DayFirst(day_first))?.parse(text);
        let wanted = read(b"2020-02-01", true).or_else(|| Clock::detect(b"2020-02-01")?.parse(b"2020-02-01"));
        assert_eq!(read(b"01/02/2020", true), wanted);
        assert_eq!(read(b"02.01.2020 00:00", false), wanted);
        assert_eq!(read(b"01-02-2020 05:30:00+05:30", true), wanted);
        assert_eq!(read(b"13/02/2020", false), None);
        assert_eq!(read(b"2020-02-01", true), None);
        assert_eq!(read(b"01/02-2020", true), None);
    }

    #[test]
    fn a_form_is_kept() {
        let mut clock = Clock::detect(b"2020-01-01 00:00:00").unwrap();
        assert_eq!(clock.parse(b"2020-01-01T00:00:00"), clock.parse(b"2020-01-01 00:00:00"));
        assert_eq!(clock.parse(b"2020-01-01 00:00:00Z"), None);
        assert_eq!(clock.parse(b"1577836800"), None);
        assert_eq!(clock.parse(b"2020-01-02 00:00:00"), Some(1_577_923_200 * SECOND_NS));
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(seconds in -9_000_000_000i64..9_000_000_000, ns in 0i64..SECOND_NS, offset in -64_800i32..64_800) {
            let time = jiff::Timestamp::new(seconds, ns as i32).unwrap();
            let wanted = seconds * SECOND_NS + ns;
            prop_assert_eq!(read(&time.to_string()).unwrap().1, wanted);
            let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(offset / 60 * 60).unwrap());
            let there = time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%.9f%:z").to_string();
            prop_assert_eq!(read(&there).unwrap().1, wanted);
        }

        #[test]
        fn noise_never_panics(text in "[-0-9.:TZ +/]{0,32}") {
            let _ = read(&text);
        }
    }
}
