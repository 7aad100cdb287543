//! In how few bytes the values of a column can stand such that each comes back with its very bits.
//!
//! Whole numbers become the shortest type that holds them, f64 whose values are all f32 become f32, and multiples of a step whole
//! numbers with a divisor ([`Scale`]). Divisors are powers of ten: a decimal text is the f64 nearest to such a fraction, and
//! steps of 0.25 or 1/32 are among them. Numbers that were made by a product, such as 10137 * 0.01, have other bits than the
//! quotient, and stay as they are. So do columns with -0.0, an infinity, or a NaN that is not the usual one.

use super::Kind;
use crate::format::scale::{NAN_BITS, Scale};

/// Bytes of a value in memory.
pub(super) const BYTES: usize = 8;
/// The largest divisor.
const DIVISOR_MAX: u32 = 100_000_000;
/// Adding and subtracting it rounds to a whole number, and its low bits are that number (Warren, Hacker's Delight, section
/// 17-2), up to 2^51 either way.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
const TICKS_MAX: f64 = 2_251_799_813_685_248.0;
/// Values are looked at in groups of so many until one does not fit.
const GROUP: usize = 64;

/// How the values of a column stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As in memory.
    Plain(Kind),
    /// i64 in fewer bytes.
    Short { bytes: usize },
    /// f64 as f32.
    Single,
    /// f64 as whole numbers and a divisor.
    Ticks { bytes: usize, divisor: u32, is_single: bool },
}

/// The largest number of a type, with the least one kept for NaN.
const fn largest(bytes: usize) -> i64 {
    if bytes >= BYTES { i64::MAX } else { (1 << (bytes * 8 - 1)) - 1 }
}

/// The values of a chunk, each eight bytes.
fn words(chunk: &[u8]) -> &[[u8; BYTES]] {
    chunk.as_chunks().0
}

impl Form {
    /// Bytes of a value.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Plain(_) => BYTES,
            Self::Short { bytes } | Self::Ticks { bytes, .. } => bytes,
            Self::Single => 4,
        }
    }

    /// What a number stands for, where it is not the value itself.
    pub fn scale(self) -> Option<Scale> {
        match self {
            Self::Ticks { divisor, is_single, .. } => {
                Some(Scale { divisor: divisor.into(), nan: self.nan() as f64, is_single })
            }
            _ => None,
        }
    }

    /// The number that stands for NaN: the least of its type.
    pub const fn nan(self) -> i64 {
        -largest(self.bytes()) - 1
    }

    /// In words, as [`Column::stored_as`](crate::table::Column::stored_as) says it.
    pub fn name(self) -> String {
        match self {
            Self::Plain(kind) => kind.name().to_owned(),
            Self::Short { bytes } => format!("i{}", bytes * 8),
            Self::Single => "f32".to_owned(),
            Self::Ticks { bytes, divisor, is_single } => {
                format!("i{} / {divisor}{}", bytes * 8, if is_single { " as f32" } else { "" })
            }
        }
    }

    /// Makes `stored` of the values of `chunk`; `None` when one of them would come back as another, else whether NaN is among
    /// them and stands as a number.
    pub fn narrow(self, chunk: &[u8], stored: &mut Vec<u8>) -> Option<bool> {
        stored.clear();
        stored.resize(chunk.len() / BYTES * self.bytes(), 0);
        match self {
            Self::Plain(_) => {
                stored.copy_from_slice(chunk);
                Some(false)
            }
            Self::Short { bytes: 1 } => short::<1>(chunk, stored),
            Self::Short { bytes: 2 } => short::<2>(chunk, stored),
            Self::Short { .. } => short::<4>(chunk, stored),
            Self::Single => single(chunk, stored),
            Self::Ticks { bytes, .. } => {
                let scale = self.scale()?;
                match bytes {
                    1 => ticks::<1>(chunk, scale, stored),
                    2 => ticks::<2>(chunk, scale, stored),
                    4 => ticks::<4>(chunk, scale, stored),
                    _ => ticks::<8>(chunk, scale, stored),
                }
            }
        }
    }

    /// Makes the values of `chunk` from what [`Form::narrow`] made of them.
    pub fn widen(self, stored: &[u8], chunk: &mut Vec<u8>) {
        chunk.clear();
        let numbers = stored.chunks_exact(self.bytes()).map(|raw| {
            let sign = if raw.last().is_some_and(|last| last & 0x80 != 0) { 0xFF } else { 0 };
            let mut word = [sign; BYTES];
            word[..raw.len()].copy_from_slice(raw);
            i64::from_le_bytes(word)
        });
        match self {
            Self::Plain(_) => chunk.extend_from_slice(stored),
            Self::Short { .. } => numbers.for_each(|number| chunk.extend(number.to_le_bytes())),
            Self::Single => {
                let singles = stored.as_chunks().0.iter().map(|raw| f64::from(f32::from_le_bytes(*raw)));
                singles.for_each(|value| chunk.extend(value.to_le_bytes()));
            }
            Self::Ticks { .. } => {
                if let Some(scale) = self.scale() {
                    numbers.for_each(|number| chunk.extend(scale.value(number as f64).to_le_bytes()));
                }
            }
        }
    }

    /// The forms that hold the values of `chunk`, the shortest of each sort, and that may hold those of chunks before it in
    /// the form `before`. The last one is plain, which holds any.
    pub fn all_of(kind: Kind, chunk: &[u8], before: Option<Self>) -> Vec<Self> {
        let mut forms = Vec::new();
        match (kind, before) {
            (_, Some(Self::Plain(_) | Self::Single)) => {}
            (Kind::I64, _) => {
                // The bits that count, of numbers of either sign.
                let most =
                    words(chunk).iter().map(|word| i64::from_le_bytes(*word)).map(|value| value.max(!value));
                let (most, least) = (most.max().unwrap_or(0), before.map_or(1, Self::bytes));
                forms.extend(
                    widths(most, least, before.is_some())
                        .filter(|bytes| *bytes < BYTES)
                        .map(|bytes| Self::Short { bytes }),
                );
            }
            (Kind::F64, _) => {
                let (least, first) = match before {
                    Some(Self::Ticks { bytes, divisor, .. }) => (bytes, divisor),
                    _ => (1, 1),
                };
                let is_single = single(chunk, &mut vec![0; chunk.len() / 2]).is_some();
                for is_single in [false, true].into_iter().take(1 + usize::from(is_single)) {
                    let Some((divisor, most)) = step(words(chunk), is_single, first) else { continue };
                    let widths = widths(most, least, before.is_some());
                    forms.extend(widths.map(|bytes| Self::Ticks { bytes, divisor, is_single }));
                }
                if is_single {
                    forms.push(Self::Single);
                }
            }
        }
        forms.push(Self::Plain(kind));
        forms
    }
}

/// The bytes that hold numbers up to `most`, at least `least`: for a column that begins twice as far, since more rows come; for
/// one that goes on also all longer ones.
fn widths(most: i64, least: usize, goes_on: bool) -> impl Iterator<Item = usize> {
    let holds = move |bytes: &usize| {
        let wanted = if goes_on { most } else { most.saturating_mul(2) };
        *bytes >= least && (wanted <= largest(*bytes) || *bytes == BYTES)
    };
    [1, 2, 4, BYTES].into_iter().filter(holds).take(if goes_on { 4 } else { 1 })
}

/// The least divisor from `first` on of which all values are multiples, and the largest multiple.
fn step(values: &[[u8; BYTES]], is_single: bool, first: u32) -> Option<(u32, i64)> {
    let divisors = std::iter::successors(Some(first), |divisor| divisor.checked_mul(10));
    divisors.take_while(|divisor| *divisor <= DIVISOR_MAX).find_map(|divisor| {
        let scale = Scale { divisor: divisor.into(), nan: f64::NAN, is_single };
        let mut most = 0.0f64;
        for group in values.chunks(GROUP) {
            let mut is_held = true;
            for word in group {
                let value = f64::from_le_bytes(*word);
                let number = value * scale.divisor + ROUNDER - ROUNDER;
                let is_nan = value.to_bits() == NAN_BITS;
                is_held &= is_nan
                    | (scale.quotient(number).to_bits() == value.to_bits()) & (number.abs() <= TICKS_MAX);
                most = if is_nan { most } else { most.max(number.abs()) };
            }
            if !is_held {
                return None;
            }
        }
        Some((divisor, most as i64))
    })
}

fn ticks<const N: usize>(chunk: &[u8], scale: Scale, stored: &mut [u8]) -> Option<bool> {
    let (number_max, nan) = (TICKS_MAX.min(largest(N) as f64), -largest(N) - 1);
    let (mut is_held, mut has_nan) = (true, false);
    for (place, word) in stored.as_chunks_mut::<N>().0.iter_mut().zip(words(chunk)) {
        let value = f64::from_le_bytes(*word);
        let shifted = value * scale.divisor + ROUNDER;
        let number = shifted - ROUNDER;
        let is_nan = value.to_bits() == NAN_BITS;
        is_held &=
            is_nan | (scale.quotient(number).to_bits() == value.to_bits()) & (number.abs() <= number_max);
        has_nan |= is_nan;
        let bits = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).cast_signed();
        *place = low(if is_nan { nan } else { bits });
    }
    is_held.then_some(has_nan)
}

fn short<const N: usize>(chunk: &[u8], stored: &mut [u8]) -> Option<bool> {
    let (mut all, most) = (0, largest(N));
    for (place, word) in stored.as_chunks_mut::<N>().0.iter_mut().zip(words(chunk)) {
        let value = i64::from_le_bytes(*word);
        all |= value.max(!value);
        *place = low(value);
    }
    (all <= most).then_some(false)
}

#[expect(clippy::cast_possible_truncation, reason = "what does not come back is found")]
fn single(chunk: &[u8], stored: &mut [u8]) -> Option<bool> {
    let mut is_held = true;
    for (place, word) in stored.as_chunks_mut().0.iter_mut().zip(words(chunk)) {
        let value = f64::from_le_bytes(*word);
        is_held &= f64::from(value as f32).to_bits() == value.to_bits();
        *place = (value as f32).to_le_bytes();
    }
    is_held.then_some(false)
}

/// The low bytes of a number.
fn low<const N: usize>(number: i64) -> [u8; N] {
    let bytes = number.to_le_bytes();
    std::array::from_fn(|at| bytes[at])
}
