//! Bytes of a file to numbers in memory.

use crate::format::hdf5::{Datatype, Order, half};

/// A value that the wanted type cannot hold exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inexact {
    /// Its place among those converted.
    pub at: usize,
    /// The value.
    pub value: i128,
}

/// A type that numbers of a file are read as.
pub(super) trait Number: Copy {
    /// The name of the type.
    const NAME: &'static str;

    /// The value of a whole number, if it can be held exactly.
    fn of_int(value: i128) -> Option<Self>;

    /// The value of a floating-point number, unless floating-point numbers are not taken at all.
    fn of_float(value: f64) -> Option<Self>;
}

impl Number for f64 {
    const NAME: &'static str = "f64";

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

impl Number for i64 {
    const NAME: &'static str = "i64";

    fn of_int(value: i128) -> Option<Self> {
        Self::try_from(value).ok()
    }

    fn of_float(_: f64) -> Option<Self> {
        None
    }
}

/// Whether elements of `datatype` can be read as `T` at all.
pub(super) fn is_readable<T: Number>(datatype: Datatype) -> bool {
    match datatype {
        Datatype::Int { .. } => true,
        Datatype::Float { .. } => T::of_float(0.0).is_some(),
        Datatype::Text { .. }
        | Datatype::VariableText
        | Datatype::Record { .. }
        | Datatype::Opaque { .. } => false,
    }
}

/// Reads as many elements from `bytes` as `values` has places; one begins every `stride` bytes.
pub(super) fn convert<T: Number>(
    datatype: Datatype,
    bytes: &[u8],
    stride: usize,
    values: &mut [T],
) -> Result<(), Inexact> {
    use Order::{Big, Little};
    macro_rules! ints {
        ($($width:literal, $signed:literal => $int:ty;)*) => {
            match datatype {
                $(Datatype::Int { bytes: $width, signed: $signed, order: Little } => {
                    each(bytes, stride, values, |raw| i128::from(<$int>::from_le_bytes(raw)), T::of_int)
                }
                Datatype::Int { bytes: $width, signed: $signed, order: Big } => {
                    each(bytes, stride, values, |raw| i128::from(<$int>::from_be_bytes(raw)), T::of_int)
                })*
                _ => Ok(()),
            }
        };
    }
    match datatype {
        Datatype::Float { bytes: 8, order: Little } => floats(bytes, stride, values, f64::from_le_bytes),
        Datatype::Float { bytes: 8, order: Big } => floats(bytes, stride, values, f64::from_be_bytes),
        Datatype::Float { bytes: 2, order } => floats(bytes, stride, values, |raw| {
            f64::from(half(if order == Little { u16::from_le_bytes(raw) } else { u16::from_be_bytes(raw) }))
        }),
        Datatype::Float { order: Little, .. } => {
            floats(bytes, stride, values, |raw| f64::from(f32::from_le_bytes(raw)))
        }
        Datatype::Float { order: Big, .. } => {
            floats(bytes, stride, values, |raw| f64::from(f32::from_be_bytes(raw)))
        }
        _ => ints! {
            1, true => i8; 2, true => i16; 4, true => i32; 8, true => i64;
            1, false => u8; 2, false => u16; 4, false => u32; 8, false => u64;
        },
    }
}

fn each<T, const N: usize>(
    bytes: &[u8],
    stride: usize,
    values: &mut [T],
    read: impl Fn([u8; N]) -> i128,
    of: impl Fn(i128) -> Option<T>,
) -> Result<(), Inexact> {
    let set = |at, place: &mut T, raw: [u8; N]| {
        let value = read(raw);
        *place = of(value).ok_or(Inexact { at, value })?;
        Ok(())
    };
    if stride == N {
        let (raws, _) = bytes.as_chunks::<N>();
        return values
            .iter_mut()
            .zip(raws)
            .enumerate()
            .try_for_each(|(at, (place, raw))| set(at, place, *raw));
    }
    let raws = bytes.chunks(stride.max(1)).filter_map(<[u8]>::first_chunk::<N>);
    values.iter_mut().zip(raws).enumerate().try_for_each(|(at, (place, raw))| set(at, place, *raw))
}

fn floats<T: Number, const N: usize>(
    bytes: &[u8],
    stride: usize,
    values: &mut [T],
    read: impl Fn([u8; N]) -> f64,
) -> Result<(), Inexact> {
    // Types that take no floating-point number are turned away by `is_readable` before.
    let set = |place: &mut T, raw: [u8; N]| {
        if let Some(value) = T::of_float(read(raw)) {
            *place = value;
        }
    };
    if stride == N {
        let (raws, _) = bytes.as_chunks::<N>();
        values.iter_mut().zip(raws).for_each(|(place, raw)| set(place, *raw));
    } else {
        let raws = bytes.chunks(stride.max(1)).filter_map(<[u8]>::first_chunk::<N>);
        values.iter_mut().zip(raws).for_each(|(place, raw)| set(place, *raw));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints<T: Number + Default>(bytes: u8, signed: bool, order: Order, raw: &[u8]) -> Result<T, Inexact> {
        let mut value = [T::default()];
        convert(Datatype::Int { bytes, signed, order }, raw, bytes.into(), &mut value).map(|()| value[0])
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
        convert(Datatype::Float { bytes: 4, order: Order::Big }, &raw, 4, &mut values).unwrap();
        assert_eq!(values, [1.5, -0.25]);
    }

    #[test]
    fn one_value_of_each_record() {
        let records = [1.5f32.to_le_bytes(), [0xFF; 4], (-2.0f32).to_le_bytes()].concat();
        let mut values = [0.0; 2];
        convert(Datatype::Float { bytes: 4, order: Order::Little }, &records, 8, &mut values).unwrap();
        assert_eq!(values, [1.5, -2.0]);
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
        assert!(!is_readable::<i64>(Datatype::Float { bytes: 8, order: Order::Little }));
        assert!(!is_readable::<f64>(Datatype::VariableText));
    }
}
