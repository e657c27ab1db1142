//! What a PNG states of itself, before anything of it is believed.

/// Begins every PNG.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Most bytes that deflate makes of one: a match of 258 bytes takes two bits.
const MAX_INFLATED: u64 = 1032;

/// Whether these are the bytes of a PNG.
pub fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// What is wrong with a PNG that states `n_bits` bits of samples, in words, before a decoder believes
/// it: it fills memory for all of them first, and takes each colour of the palette for whole. `None`
/// for other files.
pub fn png_fault(bytes: &[u8], n_bits: u64) -> Option<&'static str> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    if n_bits / 8 > MAX_INFLATED * bytes.len() as u64 {
        return Some("its end is missing");
    }
    // A chunk is the length of its data, its kind, the data and four bytes of checksum.
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        match &kind {
            b"PLTE" if !length.is_multiple_of(3) => return Some("its palette is cut"),
            b"IDAT" => break,
            _ => rest = after.get(length.saturating_add(4)..).unwrap_or_default(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_png_states_is_held_against_its_bytes() {
        let palette = |length: u32| {
            let chunks = [&13_u32.to_be_bytes()[..], b"IHDR", &[0; 17], &length.to_be_bytes()];
            let data = vec![0; length as usize + 4];
            [SIGNATURE, &chunks.concat(), b"PLTE", &data, b"\0\0\0\0IDAT"].concat()
        };
        assert_eq!(png_fault(&palette(6), 8), None);
        assert_eq!(png_fault(&palette(7), 8), Some("its palette is cut"));
        let n_bits = 8 * MAX_INFLATED * palette(6).len() as u64;
        assert_eq!(png_fault(&palette(6), n_bits), None);
        assert_eq!(png_fault(&palette(6), n_bits + 8), Some("its end is missing"));
        assert_eq!(png_fault(b"GIF89a", n_bits), None);
        for end in 0..palette(7).len() {
            png_fault(&palette(7)[..end], 8);
        }
    }
}
