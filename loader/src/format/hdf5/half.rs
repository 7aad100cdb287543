//! IEEE 754 half precision, which the language has no stable type for.

/// The value of the bits of a half-precision number; every one is a single-precision number too.
#[must_use]
pub fn half(bits: u16) -> f32 {
    const TWO_TO_MINUS_24: f32 = 1.0 / 16_777_216.0;
    let (sign, exponent, mantissa) =
        (u32::from(bits >> 15), u32::from(bits >> 10 & 0x1F), u32::from(bits & 0x3FF));
    let magnitude = match exponent {
        #[expect(clippy::cast_precision_loss, reason = "ten bits are held exactly")]
        0 => return if sign == 1 { -TWO_TO_MINUS_24 } else { TWO_TO_MINUS_24 } * mantissa as f32,
        0x1F => 0xFF << 23 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign << 31 | magnitude)
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn values_from_the_standard() {
        // IEEE 754-2019, binary16: largest, smallest normal, smallest subnormal, one third.
        let cases = [
            (0x7BFF, 65_504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83FF, -6.097_555e-5),
            (0x3555, 0.333_251_95),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7C00, f32::INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7E00).is_nan());
        assert!(half(0x8000).is_sign_negative());
    }
}
