//! What the columns are: from the names in a header, or from the values where there is none.
//!
//! Two of open, high and low without a close are bars that lost it, which is an error: nothing can be worked out from
//! bars without one. One of them alone, or `min` and `max` without a close, are numbers like any others.

use super::dialect::Dialect;

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Open,
    High,
    Low,
    Close,
    Volume,
    Bid,
    Ask,
    BidSize,
    AskSize,
    Price,
    Size,
    /// A number of which nothing is known.
    Other,
}

/// Names that are understood, in lower case without anything but letters and digits, best first.
const NAMES: &[(Role, &str, &[&str])] = &[
    (Role::Open, "open", &["open", "o", "openprice", "priceopen", "first"]),
    (Role::High, "high", &["high", "h", "highprice", "pricehigh", "max"]),
    (Role::Low, "low", &["low", "l", "lowprice", "pricelow", "min"]),
    (Role::Close, "close", &["close", "c", "closeprice", "priceclose"]),
    (
        Role::Volume,
        "volume",
        &["volume", "v", "vol", "basevolume", "volumebase", "volumefrom", "tickvolume", "tickvol"],
    ),
    (Role::Bid, "bid", &["bid", "bidprice", "bestbid", "bestbidprice"]),
    (Role::Ask, "ask", &["ask", "askprice", "bestask", "bestaskprice", "offer"]),
    (Role::BidSize, "bid_size", &["bidsize", "bidvolume", "bidvol", "bidqty", "bidquantity", "bidamount"]),
    (Role::AskSize, "ask_size", &["asksize", "askvolume", "askvol", "askqty", "askquantity", "askamount"]),
    (Role::Price, "price", &["price", "p", "px", "tradeprice", "last", "lastprice"]),
    (Role::Size, "size", &["size", "qty", "quantity", "amount", "tradesize", "lastsize"]),
];

const TIME_NAMES: &[&str] = &[
    "timestamp",
    "timestamputc",
    "datetime",
    "datetimeutc",
    "time",
    "timeutc",
    "date",
    "dateutc",
    "ts",
    "t",
    "opentime",
    "eventtime",
    "tsevent",
    "unix",
    "unixtime",
    "unixtimestamp",
    "epoch",
    "gmttime",
    "utc",
    "utctime",
];

impl Role {
    /// The word for the role, which is also the name of the column in the output.
    pub(super) fn word(self) -> &'static str {
        NAMES.iter().find(|(role, ..)| *role == self).map_or("other", |(_, word, _)| word)
    }

    pub(super) const fn is_price(self) -> bool {
        matches!(
            self,
            Self::Open | Self::High | Self::Low | Self::Close | Self::Bid | Self::Ask | Self::Price
        )
    }

    pub(super) const fn is_amount(self) -> bool {
        matches!(self, Self::Volume | Self::BidSize | Self::AskSize | Self::Size)
    }

    /// What a value counts.
    pub(super) const fn unit(self) -> &'static str {
        if self.is_price() {
            "price, in the quote currency of the source"
        } else if self.is_amount() {
            "amount traded or offered, in the unit of the source"
        } else {
            "as in the source"
        }
    }
}

/// Where the time of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// In one field.
    Field(usize),
    /// The day in one field, the time of day in the other.
    DayAndTime(usize, usize),
}

/// One column of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// The number of the field.
    pub field: usize,
    pub role: Role,
    /// The name in the output.
    pub name: String,
    /// The name in the input, or the number of the field from 1.
    pub source: String,
}

/// What the fields of each row are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many fields a row has.
    pub fields: usize,
    pub time: Time,
    pub values: Vec<Value>,
}

/// Why no layout is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// No column of times.
    NoTime,
    /// No column of values.
    NoValues,
    /// Two columns would have the same name.
    Twice(String),
    /// A column to be left out does not exist.
    NoSuch(String),
    /// Values that may be several things, in words.
    Ambiguous(&'static str),
    /// Bars without a close: the columns of them that are there.
    NoClose(Vec<String>),
}

impl Layout {
    /// The field numbers of a role, if it is there.
    pub(super) fn place(&self, role: Role) -> Option<usize> {
        self.values.iter().position(|value| value.role == role)
    }

    /// Whether rows are bars, of which there is one for each time.
    pub(super) fn is_bars(&self) -> bool {
        [Role::Open, Role::High, Role::Low, Role::Close].iter().any(|&role| self.place(role).is_some())
    }

    /// The layout that `names` tell. `first` is the first row of values, to tell a day from a moment.
    pub(super) fn of_names(
        names: &[String],
        first: &[&[u8]],
        skip: &[String],
        dialect: Dialect,
    ) -> Result<Self, Problem> {
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        if let Some(missing) = skip.iter().find(|name| !names.contains(name)) {
            return Err(Problem::NoSuch(missing.clone()));
        }
        let is_kept = |field: &usize| !skip.contains(&names[*field]);
        let times = TIME_NAMES.iter().filter_map(|name| plain.iter().position(|plain| plain == name));
        let times: Vec<usize> = times.filter(is_kept).collect();
        let time = match times.first() {
            None => return Err(Problem::NoTime),
            Some(_) => day_and_time(&plain, &times, first, dialect).unwrap_or(Time::Field(times[0])),
        };
        let timed = Self { fields: names.len(), time, values: Vec::new() };
        let mut values: Vec<Value> = Vec::new();
        for field in (0..names.len()).filter(is_kept).filter(|&field| !timed.is_time(field)) {
            let role = role_of(&plain, &values, field);
            let name = match role {
                // HDF5 calls the group itself by a dot, and parts names at slashes.
                Role::Other if matches!(names[field].as_str(), "" | ".") => format!("column_{}", field + 1),
                Role::Other => names[field].replace('/', "_"),
                role => role.word().to_owned(),
            };
            values.push(Value { field, role, name, source: names[field].clone() });
        }
        let of_bars = values.iter().filter(|value| matches!(value.role, Role::Open | Role::High | Role::Low));
        let of_bars: Vec<String> = of_bars.map(|value| value.source.clone()).collect();
        // A close that is there and left out is left out on purpose.
        if of_bars.len() > 1 && !has_close(&plain) {
            return Err(Problem::NoClose(of_bars));
        }
        Self { values, ..timed }.checked()
    }

    /// The layout of a file without names, from the shape of its `rows`. `skip` has numbers of fields from 1, or words
    /// for what they are found to be.
    pub(super) fn of_shape(rows: &[Vec<&[u8]>], skip: &[String], dialect: Dialect) -> Result<Self, Problem> {
        let fields = rows.first().map_or(0, Vec::len);
        let number = |name: &String| name.parse().ok().filter(|number| (1..=fields).contains(number));
        let skipped: Vec<usize> = skip.iter().filter_map(number).map(|number| number - 1).collect();
        let all = Self::of_fields(rows, &(0..fields).collect::<Vec<_>>(), dialect);
        // Some fields are only understood without those that are left out.
        let mut layout = match all {
            Ok(layout) if !skipped.iter().any(|&field| layout.is_time(field)) => layout,
            other if skipped.is_empty() => other?,
            _ => {
                let kept: Vec<usize> = (0..fields).filter(|field| !skipped.contains(field)).collect();
                Self::of_fields(rows, &kept, dialect)?
            }
        };
        let words = || skip.iter().filter(|name| number(name).is_none());
        if let Some(missing) = words().find(|word| layout.values.iter().all(|value| value.name != **word)) {
            return Err(Problem::NoSuch(missing.clone()));
        }
        layout
            .values
            .retain(|value| !skipped.contains(&value.field) && !words().any(|word| *word == value.name));
        layout.checked()
    }

    fn is_time(&self, field: usize) -> bool {
        match self.time {
            Time::Field(at) => field == at,
            Time::DayAndTime(day, of_day) => field == day || field == of_day,
        }
    }

    /// The layout of `fields` alone, from their shape.
    fn of_fields(rows: &[Vec<&[u8]>], fields: &[usize], dialect: Dialect) -> Result<Self, Problem> {
        let first = rows.first().map_or(&[][..], |row| &row[..]);
        let kept: Vec<&[u8]> = fields.iter().filter_map(|&field| first.get(field).copied()).collect();
        let is_time = |text: &[u8]| dialect.clock(text).is_some();
        let (time, fields) = match kept[..] {
            [day, of_day, ..] if of_day.contains(&b':') && is_time(&[day, b" ", of_day].concat()) => {
                (Time::DayAndTime(fields[0], fields[1]), &fields[2..])
            }
            [time, ..] if is_time(time) => (Time::Field(fields[0]), &fields[1..]),
            _ => return Err(Problem::NoTime),
        };
        // Rows of other lengths, or with other things than numbers, say nothing; reading them will name their line.
        let numbers = |row: &Vec<&[u8]>| -> Option<Vec<f64>> {
            let number = |&field: &usize| dialect.number(row[field]).filter(|number| number.is_finite());
            if row.len() == first.len() { fields.iter().map(number).collect() } else { None }
        };
        let numbers: Vec<Vec<f64>> = rows.iter().filter_map(numbers).collect();
        let values = shape(&numbers, fields.len())?.into_iter().zip(fields).map(|(role, &field)| Value {
            field,
            role,
            name: role.word().to_owned(),
            source: (field + 1).to_string(),
        });
        Self { fields: first.len(), time, values: values.collect() }.checked()
    }

    fn checked(self) -> Result<Self, Problem> {
        if self.values.is_empty() {
            return Err(Problem::NoValues);
        }
        // Names that differ in capitals alone are one column to most people, in whichever order they come.
        let name = |value: &Value| (value.name.to_lowercase(), value.source.clone());
        let time = ("timestamp".to_owned(), "timestamp".to_owned());
        let mut names: Vec<(String, String)> = self.values.iter().map(name).chain([time]).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Problem::Twice(pair[0].1.clone())),
            None => Ok(self),
        }
    }
}

/// Whether the first row names its columns: no field of it is a number or a time.
pub(super) fn is_header(row: &[&[u8]], dialect: Dialect) -> bool {
    !row.iter().any(|text| dialect.number(text).is_some() || dialect.clock(text).is_some())
}

/// What a column called `name` is for by that name alone, and what its values count: only the word of a role itself is
/// understood, in any letters (`Close`, `bidSize`).
pub(crate) fn role_by_word(name: &str) -> (&'static str, &'static str) {
    let wanted = plain(name);
    let found =
        NAMES.iter().find(|(_, word, _)| plain(word) == wanted).map_or(Role::Other, |(role, ..)| *role);
    (found.word(), found.unit())
}

/// Whether a column called `name` holds the time of a row.
pub(crate) fn is_time_name(name: &str) -> bool {
    TIME_NAMES.contains(&plain(name).as_str())
}

/// Letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A day and a time of day in two columns, when the best column of times holds only one of them.
fn day_and_time(plain: &[String], times: &[usize], first: &[&[u8]], dialect: Dialect) -> Option<Time> {
    let named = |name: &str| times.iter().copied().find(|&field| plain[field] == name);
    let (day, of_day) = (named("date")?, named("time")?);
    let both = [first.get(day)?, &b" "[..], first.get(of_day)?].concat();
    dialect.clock(&both).map(|_| Time::DayAndTime(day, of_day))
}

/// Whether one of the names is one for `role`.
fn has(plain: &[String], role: Role) -> bool {
    let names = NAMES.iter().filter(|(of, ..)| *of == role).flat_map(|(_, _, names)| names.iter());
    names.into_iter().any(|name| plain.iter().any(|plain| plain == name))
}

/// Whether one of the names is that of a close; "last" is one where there is an open.
fn has_close(plain: &[String]) -> bool {
    has(plain, Role::Close) || (plain.iter().any(|plain| plain == "last") && has(plain, Role::Open))
}

/// The role of a field by its name; each role is given once, to the first that has a name for it.
fn role_of(plain: &[String], taken: &[Value], field: usize) -> Role {
    let name = plain[field].as_str();
    let found = NAMES.iter().find(|(_, _, names)| names.contains(&name)).map(|(role, ..)| *role);
    let found = match (found, name) {
        // "last" is the price of the last trade, and the close where there are bars without one.
        (Some(Role::Price), "last") if has(plain, Role::Open) && !has(plain, Role::Close) => {
            Some(Role::Close)
        }
        (_, "first" | "min" | "max") if !has_close(plain) => None,
        (found, _) => found,
    };
    found.filter(|role| taken.iter().all(|value| value.role != *role)).unwrap_or(Role::Other)
}

/// The roles of columns without names, from `rows` of numbers.
///
/// A few rows may be broken, or quotes crossed, without hiding what the others are: one in ten. What fits two readings
/// is an error, since a wrong guess would go unnoticed.
fn shape(rows: &[Vec<f64>], columns: usize) -> Result<Vec<Role>, Problem> {
    use Role::{Ask, AskSize, Bid, BidSize, Close, High, Low, Open, Price, Size, Volume};
    let count = |rule: &dyn Fn(&[f64]) -> bool| rows.iter().filter(|row| rule(row)).count();
    let most = |rule: &dyn Fn(&[f64]) -> bool| !rows.is_empty() && count(rule) * 10 >= rows.len() * 9;
    let is_bar = |row: &[f64]| row[1] >= row[0].max(row[3]) && row[2] <= row[0].min(row[3]);
    // Sizes beside a quote can look like low and close, but are seldom near the price.
    let is_narrow_bar = |row: &[f64]| is_bar(row) && row[2] >= row[1] / 2.0;
    // A spread of a tenth of the price or more is not a quote.
    let is_near =
        |row: &[f64]| row[0] > 0.0 && row[1] > 0.0 && row[1].max(row[0]) <= row[0].min(row[1]) * 1.1;
    let is_quote = |row: &[f64]| is_near(row) && row[1] >= row[0];
    let is_whole = |column: usize| rows.iter().all(|row| row[column].fract() == 0.0);
    let quotes = columns >= 2 && count(&is_near) == rows.len() && most(&is_quote);
    match columns {
        0 => Err(Problem::NoValues),
        1 => Ok(vec![Price]),
        2 if quotes && (is_whole(0) || !is_whole(1)) => Ok(vec![Bid, Ask]),
        2 if !rows.is_empty() && count(&is_near) * 10 <= rows.len() => Ok(vec![Price, Size]),
        2 => Err(Problem::Ambiguous("bid,ask or price,size")),
        3 if quotes => Ok(vec![Bid, Ask, Volume]),
        3 => Err(Problem::Ambiguous("bid,ask,volume or price,size and something else")),
        4 if most(&is_narrow_bar) || (most(&is_bar) && !quotes) => Ok(vec![Open, High, Low, Close]),
        4 if quotes && !most(&is_bar) => Ok(vec![Bid, Ask, BidSize, AskSize]),
        4 => Err(Problem::Ambiguous("open,high,low,close or bid,ask,bid_size,ask_size")),
        5 if most(&is_bar) => Ok(vec![Open, High, Low, Close, Volume]),
        _ => Err(Problem::Ambiguous("several things")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str, row: &str) -> Result<Layout, Problem> {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let row: Vec<&[u8]> = row.split(',').map(str::as_bytes).collect();
        Layout::of_names(&names, &row, &[], Dialect::default())
    }

    fn words(layout: &Layout) -> Vec<&str> {
        layout.values.iter().map(|value| value.name.as_str()).collect()
    }

    #[test]
    fn names_of_many_houses() {
        let bars = ["open", "high", "low", "close", "volume"];
        for header in [
            "timestamp,open,high,low,close,volume",
            "Date,Open,High,Low,Close,Volume",
            "T,O,H,L,C,V",
            "open_time,Open Price,High Price,Low Price,Last,Vol",
        ] {
            let layout = names(header, "2020-01-01,1,1,1,1,1");
            assert_eq!(words(&layout.unwrap()), bars, "{header}");
        }
        let quotes = names("time,Bid,Ask,BidVolume,AskVolume", "2020-01-01 00:00:00,1,1,1,1").unwrap();
        assert_eq!(words(&quotes), ["bid", "ask", "bid_size", "ask_size"]);
        assert!(!quotes.is_bars());
        let more =
            names("<DATE>,<TIME>,<OPEN>,<TICKVOL>,<VOL>,<SPREAD>", "2020.01.01,00:00:00,1,2,3,4").unwrap();
        assert_eq!(more.time, Time::DayAndTime(0, 1));
        assert_eq!(words(&more), ["open", "volume", "<VOL>", "<SPREAD>"]);
    }

    #[test]
    fn shapes() {
        let of = |rows: &[&str]| {
            let rows: Vec<Vec<&[u8]>> =
                rows.iter().map(|row| row.split(',').map(str::as_bytes).collect()).collect();
            Layout::of_shape(&rows, &[], Dialect::default()).map(|layout| words(&layout).join(","))
        };
        assert_eq!(of(&["20200101 170000065,1.1212,1.12172,0"]).unwrap(), "bid,ask,volume");
        assert_eq!(of(&["2020-01-01,1,3,1,2,9"]).unwrap(), "open,high,low,close,volume");
        assert_eq!(of(&["2020-01-01,00:05,1,3,1,2"]).unwrap(), "open,high,low,close");
        assert_eq!(of(&["1577836800,100,3"]).unwrap(), "price,size");
        assert_eq!(of(&["1577836800,100,100.1"]).unwrap(), "bid,ask");
        assert_eq!(of(&["2020-01-01,1,3,1,2,9,9"]), Err(Problem::Ambiguous("several things")));
        assert_eq!(of(&["2020-01-01,3,1,3,2,9"]), Err(Problem::Ambiguous("several things")));
        assert_eq!(of(&["x,3,1"]), Err(Problem::NoTime));
        assert_eq!(of(&["2020-01-01"]), Err(Problem::NoValues));
    }

    /// The names found for `rows`, or what they may be.
    fn shaped(rows: &[&str], skip: &[&str]) -> Result<String, Problem> {
        let rows: Vec<Vec<&[u8]>> =
            rows.iter().map(|row| row.split(',').map(str::as_bytes).collect()).collect();
        let skip: Vec<String> = skip.iter().map(|name| (*name).to_owned()).collect();
        Layout::of_shape(&rows, &skip, Dialect::default()).map(|layout| words(&layout).join(","))
    }

    #[test]
    fn a_few_odd_rows_do_not_change_what_the_others_are() {
        let most = |odd: &'static str, usual: &'static str| shaped(&[&[odd][..], &[usual; 50]].concat(), &[]);
        let bars = "open,high,low,close";
        assert_eq!(most("1577836800,100,99.9", "1577836800,100,100.1").unwrap(), "bid,ask");
        assert_eq!(most("1577836800,100,99.9,5", "1577836800,100,100.1,5").unwrap(), "bid,ask,volume");
        assert_eq!(most("1577836800,2,1,2,2", "1577836800,2,2.1,1.9,2").unwrap(), bars);
        assert_eq!(
            most("1577836800,2,1,2,2,7", "1577836800,2,2.1,1.9,2,7").unwrap(),
            format!("{bars},volume")
        );
        assert_eq!(most("1577836800,100,x", "1577836800,100,100.1").unwrap(), "bid,ask");
        assert_eq!(most("1577836800,100", "1577836800,100,100.1"), Ok("price".to_owned()));
        assert_eq!(most("1577836800,100,100", "1577836800,100,3").unwrap(), "price,size");
        let quotes = "1577836800,100,100.1,7,3";
        assert_eq!(most("1577836800,100,100.1,3,7", quotes).unwrap(), "bid,ask,bid_size,ask_size");
    }

    #[test]
    fn what_may_be_two_things_is_refused() {
        let two = Problem::Ambiguous("bid,ask or price,size");
        assert_eq!(shaped(&["1577836800,100,99.9"], &[]), Err(two.clone()));
        assert_eq!(shaped(&["1577836800,0.95,1", "1577836800,0.96,1"], &[]), Err(two.clone()));
        assert_eq!(shaped(&["1577836800,100,100.1", "1577836800,100,3"], &[]), Err(two.clone()));
        assert_eq!(shaped(&["1577836800,x,3"], &[]), Err(two));
        let four = Problem::Ambiguous("open,high,low,close or bid,ask,bid_size,ask_size");
        assert_eq!(shaped(&["1577836800,100,100.1,3,7"], &[]), Err(four));
    }

    #[test]
    fn fields_without_names_are_left_out_by_number_or_by_word() {
        let row = "2020-01-01,2,3,1,2,9";
        assert_eq!(shaped(&[row], &["6"]).unwrap(), "open,high,low,close");
        assert_eq!(shaped(&[row], &["volume", "3"]).unwrap(), "open,low,close");
        assert_eq!(shaped(&["2020-01-01,EURUSD,2,3,1,2,9"], &["2"]).unwrap(), "open,high,low,close,volume");
        assert_eq!(shaped(&["17,2020-01-01,100,3"], &["1"]).unwrap(), "price,size");
        for wrong in ["7", "0", "bid"] {
            assert_eq!(shaped(&[row], &[wrong]), Err(Problem::NoSuch(wrong.to_owned())));
        }
    }

    #[test]
    fn bars_need_a_close() {
        let without = Problem::NoClose(vec!["open".into(), "high".into(), "low".into()]);
        assert_eq!(names("time,open,high,low", "1,1,1,1"), Err(without));
        assert_eq!(words(&names("time,min,max", "1,1,1").unwrap()), ["min", "max"]);
        assert_eq!(words(&names("time,open", "1,1").unwrap()), ["open"]);
        let row: [&[u8]; 5] = [b"1"; 5];
        let all: Vec<String> = ["time", "open", "high", "low", "close"].map(str::to_owned).to_vec();
        assert_eq!(
            words(&Layout::of_names(&all, &row, &["close".into()], Dialect::default()).unwrap()),
            ["open", "high", "low"]
        );
    }

    #[test]
    fn names_that_hdf5_cannot_take() {
        assert_eq!(words(&names("time,.,a/b,/,..", "1,1,1,1,1").unwrap()), ["column_2", "a_b", "_", ".."]);
        assert_eq!(names("time,Close,close", "1,1,1"), Err(Problem::Twice("Close".to_owned())));
        assert_eq!(names("time,close,Close", "1,1,1"), Err(Problem::Twice("Close".to_owned())));
    }

    #[test]
    fn refusals() {
        assert_eq!(names("a,b", "1,2"), Err(Problem::NoTime));
        assert_eq!(names("time", "1"), Err(Problem::NoValues));
        assert_eq!(names("time,x,x", "1,2,3"), Err(Problem::Twice("x".to_owned())));
        let skipped =
            Layout::of_names(&["time".into(), "x".into()], &[b"1", b"2"], &["y".into()], Dialect::default());
        assert_eq!(skipped, Err(Problem::NoSuch("y".to_owned())));
    }

    #[test]
    fn headers() {
        let row = |text: &'static str| text.split(',').map(str::as_bytes).collect::<Vec<_>>();
        assert!(is_header(&row("timestamp,open"), Dialect::default()));
        assert!(!is_header(&row("20200101 170000065,1.1"), Dialect::default()));
        assert!(!is_header(&row("2020-01-01,EURUSD,x"), Dialect::default()));
    }
}
