// SPDX-License-Identifier: Apache-2.0
//! Sixteen bytes compared at once.
//!
//! Plain equivalent: a loop over the bytes. With SIMD (`.cargo/config.toml`),
//! one WebAssembly instruction compares sixteen bytes; elsewhere, as in tests on
//! the host's own architecture, two 64-bit words replace it. An accepted Pod
//! took 318,000 instructions before this change and 256,000 after it; the words
//! without SIMD were no faster than the loop.

/// The number of bytes compared at once.
pub const WIDTH: usize = 16;

#[cfg(target_feature = "simd128")]
use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128, v128_or};

/// Sixteen bytes of a text.
#[derive(Debug, Clone, Copy)]
pub struct Chunk(#[cfg(target_feature = "simd128")] v128, #[cfg(not(target_feature = "simd128"))] [u64; 2]);

impl Chunk {
    /// The sixteen bytes that begin at a position; `None` if there are fewer.
    #[inline]
    #[must_use]
    pub fn at(bytes: &[u8], position: usize) -> Option<Self> {
        let chunk: &[u8; WIDTH] = bytes.get(position..)?.first_chunk()?;
        Some(Self::new(*chunk))
    }

    /// The bytes that begin at a position, padded with zeros.
    #[inline]
    #[must_use]
    pub fn last_at(bytes: &[u8], position: usize) -> Self {
        let mut chunk = [0; WIDTH];
        for (byte, filled) in bytes.get(position..).unwrap_or_default().iter().zip(&mut chunk) {
            *filled = *byte;
        }
        Self::new(chunk)
    }

    #[inline]
    fn new(chunk: [u8; WIDTH]) -> Self {
        let both = u128::from_le_bytes(chunk);
        #[expect(clippy::cast_possible_truncation, reason = "the upper half is the other word")]
        let (low, high) = (both as u64, (both >> 64) as u64);
        #[cfg(target_feature = "simd128")]
        return Self(u64x2(low, high));
        #[cfg(not(target_feature = "simd128"))]
        return Self([low, high]);
    }

    /// A bit for each byte that equals `byte`; the lowest bit is for the first byte.
    #[inline]
    #[must_use]
    pub fn equal(self, byte: u8) -> u32 {
        #[cfg(target_feature = "simd128")]
        return u32::from(u8x16_bitmask(u8x16_eq(self.0, u8x16_splat(byte))));
        #[cfg(not(target_feature = "simd128"))]
        return equal(self.0[0], byte) | (equal(self.0[1], byte) << 8);
    }

    /// The same bytes, each with the bit set that distinguishes `[` from `{`, `]`
    /// from `}`, and capital letters from small ones.
    #[inline]
    #[must_use]
    pub fn folded(self) -> Self {
        #[cfg(target_feature = "simd128")]
        return Self(v128_or(self.0, u8x16_splat(0x20)));
        #[cfg(not(target_feature = "simd128"))]
        return Self(self.0.map(|word| word | (ONES * 0x20)));
    }
}

/// A one in each byte of a word.
#[cfg(not(target_feature = "simd128"))]
const ONES: u64 = 0x0101_0101_0101_0101;

/// A bit for each byte of a word that equals `byte`.
#[cfg(not(target_feature = "simd128"))]
const fn equal(word: u64, byte: u8) -> u32 {
    const LOWS: u64 = ONES * 0x7f;
    let differing = word ^ (ONES * byte as u64);
    // If one of the low seven bits differs, the sum carries into the high bit.
    let same = !(((differing & LOWS) + LOWS) | differing) & !LOWS;
    // Moves the bits of all bytes next to each other.
    ((same >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

#[cfg(test)]
mod tests {
    use super::{Chunk, WIDTH};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn compares_every_byte(bytes: [u8; WIDTH], byte: u8, same: u16) {
            let bytes: Vec<u8> =
                bytes.iter().enumerate().map(|(at, other)| if (same >> at) & 1 == 1 { byte } else { *other }).collect();
            let expected = |is: &dyn Fn(u8) -> bool| {
                bytes.iter().enumerate().map(|(at, other)| u32::from(is(*other)) << at).sum::<u32>()
            };
            let chunk = Chunk::at(&bytes, 0).unwrap();
            prop_assert_eq!(chunk.equal(byte), expected(&|other| other == byte));
            prop_assert_eq!(chunk.folded().equal(b'{'), expected(&|other| other == b'{' || other == b'['));
            prop_assert_eq!(Chunk::last_at(&bytes, 5).equal(byte) & 0x7ff, expected(&|other| other == byte) >> 5);
        }
    }

    #[test]
    fn reads_sixteen_bytes_or_pads() {
        assert!(Chunk::at(&[b'x'; 16], 0).is_some() && Chunk::at(&[b'x'; 16], 1).is_none());
        assert!(Chunk::at(&[b'x'; 16], 99).is_none());
        assert_eq!(Chunk::last_at(b"xax", 1).equal(b'x'), 0b10);
        assert_eq!(Chunk::last_at(b"xax", 1).equal(0), 0xfffc);
        assert_eq!(Chunk::last_at(b"xax", 9).equal(0), 0xffff);
    }
}
