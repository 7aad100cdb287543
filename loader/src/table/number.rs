//! Bytes of a file to numbers in memory, one column of rows to one column of rows.

use crate::format::hdf5::{Datatype, Order, half};
use crate::format::scale::Scale;

/// A value that the wanted type cannot hold exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inexact {
    /// Its place among those converted.
    pub at: usize,
    /// The value.
    pub value: i128,
}

mod sealed {
    use crate::format::scale::Scale;

    pub trait Sealed {
        /// The type as files of ours hold it.
        const NATIVE: super::Datatype;

        /// What the whole number `number` of a scale stands for; only of types that floating-point numbers are read as.
        fn of_short(number: i16, scale: Scale) -> Option<Self>
        where
            Self: Sized,
        {
            Self::of_float(scale.value(f64::from(number)))
        }

        /// The value of a whole number, if it can be held.
        fn of_int(value: i128) -> Option<Self>
        where
            Self: Sized;

        /// The value of a floating-point number, unless floating-point numbers are not taken at all.
        fn of_float(value: f64) -> Option<Self>
        where
            Self: Sized;
    }
}

/// A type that numbers of a file are read as: `f64` and `i64` hold every value exactly or refuse it, `f32` rounds to
/// the nearest.
pub trait Number: sealed::Sealed + bytemuck::Pod + Send + Sync {
    /// The name of the type.
    const NAME: &'static str;

    /// What stands for a value that cannot be had; `None` when the type has no such value.
    const MISSING: Option<Self>;
}

impl Number for f64 {
    const NAME: &'static str = "f64";
    const MISSING: Option<Self> = Some(Self::NAN);
}

impl sealed::Sealed for f64 {
    const NATIVE: Datatype = Datatype::Float { bytes: 8, order: Order::Little };

    fn of_int(value: i128) -> Option<Self> {
        const EXACT_MAX: u128 = 1 << 53;
        #[expect(clippy::cast_precision_loss, reason = "compared with the largest exact value")]
        let exact = value as Self;
        (value.unsigned_abs() <= EXACT_MAX).then_some(exact)
    }

    fn of_float(value: f64) -> Option<Self> {
        Some(value)
    }
}

impl Number for f32 {
    const NAME: &'static str = "f32";
    const MISSING: Option<Self> = Some(Self::NAN);
}

impl sealed::Sealed for f32 {
    const NATIVE: Datatype = Datatype::Float { bytes: 4, order: Order::Little };

    #[expect(clippy::cast_precision_loss, reason = "f32 rounds, as its documentation says")]
    fn of_int(value: i128) -> Option<Self> {
        Some(value as Self)
    }

    /// In single precision, where twice as many are divided at once: a quotient that is rounded to f64 and then to f32 is the one
    /// that is rounded to f32 at once, as f64 has more than twice the digits and two (Figueroa, "When is double rounding
    /// innocuous?", SIGNUM Newsletter 30(3), 1995), and number and divisor are f32.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a power of ten up to 10^8 is an f32, others are not taken"
    )]
    fn of_short(number: i16, scale: Scale) -> Option<Self> {
        let divisor = scale.divisor as Self;
        if f64::from(divisor) != scale.divisor {
            return Self::of_float(scale.value(f64::from(number)));
        }
        let quotient = Self::from(number) / divisor;
        Some(if f64::from(number) == scale.nan { Self::NAN } else { quotient })
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 rounds, as its documentation says")]
    fn of_float(value: f64) -> Option<Self> {
        Some(value as Self)
    }
}

impl Number for i64 {
    const NAME: &'static str = "i64";
    const MISSING: Option<Self> = None;
}

impl sealed::Sealed for i64 {
    const NATIVE: Datatype = Datatype::Int { bytes: 8, signed: true, order: Order::Little };

    fn of_int(value: i128) -> Option<Self> {
        Self::try_from(value).ok()
    }

    fn of_float(_: f64) -> Option<Self> {
        None
    }
}

/// Whether elements of `datatype`, which may be divided, can be read as `T` at all.
pub(super) fn is_readable<T: Number>(datatype: Datatype, is_divided: bool) -> bool {
    match datatype {
        Datatype::Int { .. } if !is_divided => true,
        Datatype::Int { .. } | Datatype::Float { .. } => T::of_float(0.0).is_some(),
        Datatype::Text { .. }
        | Datatype::VariableText
        | Datatype::Record { .. }
        | Datatype::Opaque { .. } => false,
    }
}

/// Whether elements of `datatype` have the bits of a `T` in memory.
pub(super) fn is_native<T: Number>(datatype: Datatype) -> bool {
    cfg!(target_endian = "little") && datatype == T::NATIVE
}

/// Elements in rows of bytes: one in each `stride` bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    /// Begins at the first element.
    pub bytes: &'a [u8],
    /// Bytes from one element to the next.
    pub stride: usize,
}

/// Reads `rows` elements into every `stride`th of `values`, from the first on.
pub(super) fn convert<T: Number>(
    (datatype, scale): (Datatype, Option<Scale>),
    column: Column<'_>,
    rows: usize,
    (values, stride): (&mut [T], usize),
) -> Result<(), Inexact> {
    use Order::{Big, Little};
    let target = Target { rows, values, stride };
    if let Some(scale) = scale {
        return divide(datatype, scale, column, target);
    }
    macro_rules! numbers {
        ($($pattern:pat => $from:expr, $of:expr;)*) => {
            match datatype {
                $($pattern => each(column, target, $from, $of),)*
                // Turned away by `is_readable` before.
                _ => Ok(()),
            }
        };
    }
    // Types that take no floating-point number are turned away by `is_readable` before as well.
    fn float<T: Number>(value: impl Into<f64>) -> Result<T, i128> {
        T::of_float(value.into()).ok_or(0)
    }
    fn int<T: Number>(value: impl Into<i128>) -> Result<T, i128> {
        let value = value.into();
        T::of_int(value).ok_or(value)
    }
    numbers! {
        Datatype::Float { bytes: 8, order: Little } => f64::from_le_bytes, float;
        Datatype::Float { bytes: 8, order: Big } => f64::from_be_bytes, float;
        Datatype::Float { bytes: 2, order: Little } => |raw| half(u16::from_le_bytes(raw)), float;
        Datatype::Float { bytes: 2, order: Big } => |raw| half(u16::from_be_bytes(raw)), float;
        Datatype::Float { order: Little, .. } => f32::from_le_bytes, float;
        Datatype::Float { order: Big, .. } => f32::from_be_bytes, float;
        Datatype::Int { bytes: 1, signed: true, .. } => i8::from_le_bytes, int;
        Datatype::Int { bytes: 2, signed: true, order: Little } => i16::from_le_bytes, int;
        Datatype::Int { bytes: 2, signed: true, order: Big } => i16::from_be_bytes, int;
        Datatype::Int { bytes: 4, signed: true, order: Little } => i32::from_le_bytes, int;
        Datatype::Int { bytes: 4, signed: true, order: Big } => i32::from_be_bytes, int;
        Datatype::Int { bytes: 8, signed: true, order: Little } => i64::from_le_bytes, int;
        Datatype::Int { bytes: 8, signed: true, order: Big } => i64::from_be_bytes, int;
        Datatype::Int { bytes: 1, signed: false, .. } => u8::from_le_bytes, int;
        Datatype::Int { bytes: 2, signed: false, order: Little } => u16::from_le_bytes, int;
        Datatype::Int { bytes: 2, signed: false, order: Big } => u16::from_be_bytes, int;
        Datatype::Int { bytes: 4, signed: false, order: Little } => u32::from_le_bytes, int;
        Datatype::Int { bytes: 4, signed: false, order: Big } => u32::from_be_bytes, int;
        Datatype::Int { bytes: 8, signed: false, order: Little } => u64::from_le_bytes, int;
        Datatype::Int { bytes: 8, signed: false, order: Big } => u64::from_be_bytes, int;
    }
}

/// As [`convert`], of numbers that stand for a quotient.
fn divide<T: Number>(
    datatype: Datatype,
    scale: Scale,
    column: Column<'_>,
    target: Target<'_, T>,
) -> Result<(), Inexact> {
    use Order::{Big, Little};
    let of = |number: f64| T::of_float(scale.value(number)).ok_or(0);
    let short = |number: i16| T::of_short(number, scale).ok_or(0);
    match datatype {
        Datatype::Int { bytes: 1, .. } => {
            each(column, target, |raw| i16::from(i8::from_le_bytes(raw)), short)
        }
        Datatype::Int { bytes: 2, order: Little, .. } => each(column, target, i16::from_le_bytes, short),
        Datatype::Int { bytes: 2, order: Big, .. } => each(column, target, i16::from_be_bytes, short),
        Datatype::Int { bytes: 4, order: Little, .. } => {
            each(column, target, |raw| f64::from(i32::from_le_bytes(raw)), of)
        }
        Datatype::Int { bytes: 4, order: Big, .. } => {
            each(column, target, |raw| f64::from(i32::from_be_bytes(raw)), of)
        }
        Datatype::Int { order: Little, .. } => each(column, target, |raw| i64::from_le_bytes(raw) as f64, of),
        Datatype::Int { order: Big, .. } => each(column, target, |raw| i64::from_be_bytes(raw) as f64, of),
        // Only signed whole numbers are divided, as `super::stored` says.
        _ => Ok(()),
    }
}

struct Target<'a, T> {
    rows: usize,
    values: &'a mut [T],
    stride: usize,
}

fn each<T: Number, R, const N: usize>(
    column: Column<'_>,
    target: Target<'_, T>,
    read: impl Fn([u8; N]) -> R,
    of: impl Fn(R) -> Result<T, i128>,
) -> Result<(), Inexact> {
    let Target { rows, values, stride } = target;
    let one = |at: usize, place: &mut T, raw: [u8; N]| {
        *place = of(read(raw)).map_err(|value| Inexact { at, value })?;
        Ok(())
    };
    if column.stride == N && stride == 1 {
        // The common case, in a form that the compiler turns into vector instructions.
        let (raws, _) = column.bytes.as_chunks::<N>();
        return values
            .iter_mut()
            .zip(raws)
            .take(rows)
            .enumerate()
            .try_for_each(|(at, (p, raw))| one(at, p, *raw));
    }
    let raws = column.bytes.chunks(column.stride).filter_map(<[u8]>::first_chunk::<N>);
    let places = values.iter_mut().step_by(stride);
    places.zip(raws).take(rows).enumerate().try_for_each(|(at, (place, raw))| one(at, place, *raw))
}

#[cfg(test)]
mod tests {
    use super::sealed::Sealed;
    use super::*;
    use crate::format::scale::NAN_BITS;

    fn ints<T: Number + Default>(bytes: u8, signed: bool, order: Order, raw: &[u8]) -> Result<T, Inexact> {
        let mut value = [T::default()];
        let column = Column { bytes: raw, stride: usize::from(bytes) };
        let datatype = Datatype::Int { bytes, signed, order };
        convert((datatype, None), column, 1, (&mut value, 1)).map(|()| value[0])
    }

    #[test]
    fn widths_signs_and_orders() {
        assert_eq!(ints::<i64>(1, true, Order::Little, &[0xFF]), Ok(-1));
        assert_eq!(ints::<i64>(1, false, Order::Little, &[0xFF]), Ok(255));
        assert_eq!(ints::<i64>(2, true, Order::Big, &[0xFF, 0xFE]), Ok(-2));
        assert_eq!(ints::<f64>(4, false, Order::Big, &[0, 0, 1, 0]), Ok(256.0));
        assert_eq!(ints::<i64>(8, true, Order::Little, &i64::MIN.to_le_bytes()), Ok(i64::MIN));
        let mut values = [0.0; 2];
        let raw = [1.5f32.to_be_bytes(), (-0.25f32).to_be_bytes()].concat();
        let datatype = Datatype::Float { bytes: 4, order: Order::Big };
        convert((datatype, None), Column { bytes: &raw, stride: 4 }, 2, (&mut values, 1)).unwrap();
        assert_eq!(values, [1.5, -0.25]);
    }

    #[test]
    fn a_column_out_of_rows_into_rows() {
        // Rows of 3 bytes with an i16 at byte 1, into rows of 2 values.
        let rows = [[9, 1, 0], [9, 2, 0], [9, 0xFF, 0xFF]].concat();
        let mut values = [0.5f32; 6];
        let datatype = Datatype::Int { bytes: 2, signed: true, order: Order::Little };
        convert((datatype, None), Column { bytes: &rows[1..], stride: 3 }, 3, (&mut values, 2)).unwrap();
        assert_eq!(values, [1.0, 0.5, 2.0, 0.5, -1.0, 0.5]);
        let (wide, mut exact) = ((1i64 << 40 | 1).to_le_bytes(), [0i64; 1]);
        let datatype = Datatype::Int { bytes: 8, signed: true, order: Order::Little };
        convert((datatype, None), Column { bytes: &wide, stride: 8 }, 1, (&mut exact, 1)).unwrap();
        assert_eq!(exact, [1 << 40 | 1]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(
            ints::<i64>(8, false, Order::Little, &[0xFF; 8]),
            Err(Inexact { at: 0, value: u64::MAX.into() })
        );
        let large = (1i64 << 53) + 1;
        assert_eq!(
            ints::<f64>(8, true, Order::Little, &large.to_le_bytes()),
            Err(Inexact { at: 0, value: large.into() })
        );
        assert_eq!(
            ints::<f64>(8, true, Order::Little, &(large - 1).to_le_bytes()),
            Ok(9_007_199_254_740_992.0)
        );
        assert!(!is_readable::<i64>(Datatype::Float { bytes: 8, order: Order::Little }, false));
        assert!(!is_readable::<f64>(Datatype::VariableText, false));
        assert!(!is_readable::<i64>(Datatype::Int { bytes: 2, signed: true, order: Order::Little }, true));
    }

    #[test]
    fn quotients_in_single_precision_are_those_of_double_precision() {
        for divisor in (0..=8).map(|digits| 10f64.powi(digits)).chain([7.0, 16_777_217.0, 123_456_789.0]) {
            let scale = Scale { divisor, nan: -5.0, is_single: false };
            for number in i16::MIN..=i16::MAX {
                let (found, expected) = (f32::of_short(number, scale), scale.value(f64::from(number)) as f32);
                assert_eq!(found.map(f32::to_bits), Some(expected.to_bits()), "{number} / {divisor}");
            }
        }
    }

    #[test]
    fn quotients_in_every_width_and_order() {
        let scale = |nan, is_single| Some(Scale { divisor: 100.0, nan, is_single });
        let numbers = [10_137i16, -5, i16::MIN];
        for order in [Order::Little, Order::Big] {
            for bytes in [2u8, 4, 8] {
                let raw: Vec<u8> = numbers
                    .iter()
                    .flat_map(|number| {
                        let number = i64::from(*number);
                        let bytes = usize::from(bytes);
                        match order {
                            Order::Little => number.to_le_bytes()[..bytes].to_vec(),
                            Order::Big => number.to_be_bytes()[8 - bytes..].to_vec(),
                        }
                    })
                    .collect();
                let (column, datatype) = (
                    Column { bytes: &raw, stride: usize::from(bytes) },
                    Datatype::Int { bytes, signed: true, order },
                );
                let (mut wide, mut single, mut none) = ([0.0f64; 3], [0.0f32; 3], [0.0f64; 3]);
                convert((datatype, scale(-32768.0, false)), column, 3, (&mut wide, 1)).unwrap();
                assert_eq!((wide[..2].to_vec(), wide[2].to_bits()), (vec![101.37, -0.05], NAN_BITS));
                convert((datatype, scale(-32768.0, true)), column, 3, (&mut single, 1)).unwrap();
                assert_eq!((single[..2].to_vec(), single[2].to_bits()), (vec![101.37, -0.05], 0x7FC0_0000));
                convert((datatype, scale(f64::NAN, true)), column, 3, (&mut none, 1)).unwrap();
                assert_eq!(none, [f64::from(101.37f32), f64::from(-0.05f32), f64::from(-327.68f32)]);
            }
        }
    }
}
