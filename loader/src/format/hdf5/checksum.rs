//! The check sum of HDF5 metadata: Bob Jenkins' lookup3 `hashlittle` with a start value of 0 (HDF5 File Format
//! Specification, "Checksum"; Jenkins, lookup3.c, 2006, public domain).

/// The check sum of `bytes`.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xDEAD_BEEFu32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8], at: usize| {
        let mut word = [0; 4];
        let rest = bytes.get(at..).unwrap_or_default();
        let count = rest.len().min(4);
        word[..count].copy_from_slice(&rest[..count]);
        u32::from_le_bytes(word)
    };
    let mut rest = bytes;
    while rest.len() > 12 {
        a = a.wrapping_add(word(rest, 0));
        b = b.wrapping_add(word(rest, 4));
        c = c.wrapping_add(word(rest, 8));
        (a, b, c) = mix(a, b, c);
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return c;
    }
    a = a.wrapping_add(word(rest, 0));
    b = b.wrapping_add(word(rest, 4));
    c = c.wrapping_add(word(rest, 8));
    for (step, turn) in [14, 11, 25, 16, 4, 14, 24].into_iter().enumerate() {
        // The three words take turns: c from b, a from c, b from a.
        match step % 3 {
            0 => c = (c ^ b).wrapping_sub(b.rotate_left(turn)),
            1 => a = (a ^ c).wrapping_sub(c.rotate_left(turn)),
            _ => b = (b ^ a).wrapping_sub(a.rotate_left(turn)),
        }
    }
    c
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    for turns in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(turns[0]);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(turns[1]);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(turns[2]);
        b = b.wrapping_add(a);
    }
    (a, b, c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values() {
        // From driver5() of lookup3.c.
        assert_eq!(lookup3(b""), 0xDEAD_BEEF);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }
}
