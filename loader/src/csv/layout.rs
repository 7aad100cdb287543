//! What the columns are: from the names in a header, or from the values where there is none.

use super::number;
use super::time::Clock;

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
    /// Values that may be several things.
    Ambiguous,
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
    pub(super) fn of_names(names: &[String], first: &[&[u8]], skip: &[String]) -> Result<Self, Problem> {
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        if let Some(missing) = skip.iter().find(|name| !names.contains(name)) {
            return Err(Problem::NoSuch(missing.clone()));
        }
        let is_kept = |field: &usize| !skip.contains(&names[*field]);
        let times = TIME_NAMES.iter().filter_map(|name| plain.iter().position(|plain| plain == name));
        let times: Vec<usize> = times.filter(is_kept).collect();
        let time = match times.first() {
            None => return Err(Problem::NoTime),
            Some(_) => day_and_time(&plain, &times, first).unwrap_or(Time::Field(times[0])),
        };
        let is_time = |field: usize| match time {
            Time::Field(at) => field == at,
            Time::DayAndTime(day, of_day) => field == day || field == of_day,
        };
        let mut values: Vec<Value> = Vec::new();
        for field in (0..names.len()).filter(is_kept).filter(|&field| !is_time(field)) {
            let role = role_of(&plain, &values, field);
            let name = match role {
                // A slash would make a group of the file.
                Role::Other if names[field].is_empty() => format!("column_{}", field + 1),
                Role::Other => names[field].replace('/', "_"),
                role => role.word().to_owned(),
            };
            values.push(Value { field, role, name, source: names[field].clone() });
        }
        Self { fields: names.len(), time, values }.checked()
    }

    /// The layout of a file without names, from the shape of its `rows`.
    pub(super) fn of_shape(rows: &[Vec<&[u8]>]) -> Result<Self, Problem> {
        let first = rows.first().map_or(&[][..], |row| &row[..]);
        let is_time = |text: &[u8]| Clock::detect(text).is_some();
        let time = match first {
            [day, of_day, ..] if of_day.contains(&b':') && is_time(&[day, &b" "[..], of_day].concat()) => {
                Time::DayAndTime(0, 1)
            }
            [time, ..] if is_time(time) => Time::Field(0),
            _ => return Err(Problem::NoTime),
        };
        let before = if matches!(time, Time::Field(_)) { 1 } else { 2 };
        let numbers: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| row.iter().skip(before).map(|text| number::parse(text).unwrap_or(f64::NAN)).collect())
            .collect();
        let roles = shape(&numbers, first.len() - before)?;
        let values = roles.iter().enumerate().map(|(place, &role)| Value {
            field: before + place,
            role,
            name: role.word().to_owned(),
            source: (before + place + 1).to_string(),
        });
        Self { fields: first.len(), time, values: values.collect() }.checked()
    }

    fn checked(self) -> Result<Self, Problem> {
        if self.values.is_empty() {
            return Err(Problem::NoValues);
        }
        let name = |value: &Value| value.name.clone();
        let mut names: Vec<String> = self.values.iter().map(name).chain(["timestamp".to_owned()]).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Problem::Twice(pair[0].clone())),
            None => Ok(self),
        }
    }
}

/// Whether the first row names its columns: no field of it is a number or a time.
pub(super) fn is_header(row: &[&[u8]]) -> bool {
    !row.iter().any(|text| number::parse(text).is_some() || Clock::detect(text).is_some())
}

/// Letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A day and a time of day in two columns, when the best column of times holds only one of them.
fn day_and_time(plain: &[String], times: &[usize], first: &[&[u8]]) -> Option<Time> {
    let named = |name: &str| times.iter().copied().find(|&field| plain[field] == name);
    let (day, of_day) = (named("date")?, named("time")?);
    let both = [first.get(day)?, &b" "[..], first.get(of_day)?].concat();
    Clock::detect(&both).map(|_| Time::DayAndTime(day, of_day))
}

/// The role of a field by its name; each role is given once, to the first that has a name for it.
fn role_of(plain: &[String], taken: &[Value], field: usize) -> Role {
    let named = |name: &str| plain.iter().any(|plain| plain == name);
    let found =
        NAMES.iter().find(|(_, _, names)| names.contains(&plain[field].as_str())).map(|(role, ..)| *role);
    // "last" is the price of the last trade, and the close where there are bars without one.
    let found = match found {
        Some(Role::Price) if plain[field] == "last" && named("open") && !named("close") => Some(Role::Close),
        found => found,
    };
    found.filter(|role| taken.iter().all(|value| value.role != *role)).unwrap_or(Role::Other)
}

/// The roles of columns without names.
fn shape(rows: &[Vec<f64>], columns: usize) -> Result<Vec<Role>, Problem> {
    use Role::{Ask, Bid, Close, High, Low, Open, Price, Size, Volume};
    let all = |rule: &dyn Fn(&[f64]) -> bool| rows.iter().all(|row| row.len() == columns && rule(row));
    let is_bar = |row: &[f64]| row[1] >= row[0].max(row[3]) && row[2] <= row[0].min(row[3]);
    // A spread of a tenth of the price or more is not a quote.
    let is_quote = |row: &[f64]| row[1] >= row[0] && row[1] <= row[0] * 1.1;
    match columns {
        5 if all(&|row| is_bar(row)) => Ok(vec![Open, High, Low, Close, Volume]),
        4 if all(&|row| is_bar(row)) => Ok(vec![Open, High, Low, Close]),
        4 if all(&|row| is_quote(row)) => Ok(vec![Bid, Ask, Role::BidSize, Role::AskSize]),
        3 if all(&|row| is_quote(row)) => Ok(vec![Bid, Ask, Volume]),
        2 if all(&|row| is_quote(row)) => Ok(vec![Bid, Ask]),
        2 => Ok(vec![Price, Size]),
        1 => Ok(vec![Price]),
        0 => Err(Problem::NoValues),
        _ => Err(Problem::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str, row: &str) -> Result<Layout, Problem> {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let row: Vec<&[u8]> = row.split(',').map(str::as_bytes).collect();
        Layout::of_names(&names, &row, &[])
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
            let open = header.starts_with("open_time");
            // "Last" is the close only beside a column that is called open in so many letters.
            assert_eq!(words(&layout.unwrap())[..3], bars[..3], "{header}");
            assert!(!open || names("t,open,last", "1,1,1").unwrap().place(Role::Close).is_some());
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
            Layout::of_shape(&rows).map(|layout| words(&layout).join(","))
        };
        assert_eq!(of(&["20200101 170000065,1.1212,1.12172,0"]).unwrap(), "bid,ask,volume");
        assert_eq!(of(&["2020-01-01,1,3,1,2,9"]).unwrap(), "open,high,low,close,volume");
        assert_eq!(of(&["2020-01-01,00:05,1,3,1,2"]).unwrap(), "open,high,low,close");
        assert_eq!(of(&["1577836800,100,3"]).unwrap(), "price,size");
        assert_eq!(of(&["1577836800,100,100.1"]).unwrap(), "bid,ask");
        assert_eq!(of(&["2020-01-01,1,3,1,2,9,9"]), Err(Problem::Ambiguous));
        assert_eq!(of(&["2020-01-01,3,1,3,2,9"]), Err(Problem::Ambiguous));
        assert_eq!(of(&["x,3,1"]), Err(Problem::NoTime));
        assert_eq!(of(&["2020-01-01"]), Err(Problem::NoValues));
    }

    #[test]
    fn refusals() {
        assert_eq!(names("a,b", "1,2"), Err(Problem::NoTime));
        assert_eq!(names("time", "1"), Err(Problem::NoValues));
        assert_eq!(names("time,x,x", "1,2,3"), Err(Problem::Twice("x".to_owned())));
        let skipped = Layout::of_names(&["time".into(), "x".into()], &[b"1", b"2"], &["y".into()]);
        assert_eq!(skipped, Err(Problem::NoSuch("y".to_owned())));
    }

    #[test]
    fn headers() {
        let row = |text: &'static str| text.split(',').map(str::as_bytes).collect::<Vec<_>>();
        assert!(is_header(&row("timestamp,open")));
        assert!(!is_header(&row("20200101 170000065,1.1")));
        assert!(!is_header(&row("2020-01-01,EURUSD,x")));
    }
}
