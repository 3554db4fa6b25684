//! Compressed bodies.

use flate2::read::MultiGzDecoder;
use std::io::Read;

/// Why there is no uncompressed body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    #[error("gzip: invalid data")]
    Invalid,
    /// More than the bound: a bomb, or a body that is too large to hold.
    #[error("response body too large")]
    TooLarge,
}

/// Uncompresses gzip data, one stream or several in a row, to at most `bytes_max` bytes. An empty
/// body stays one.
///
/// # Errors
/// [`GzipError`]. No more than `bytes_max` bytes are ever held.
pub fn gunzip(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, GzipError> {
    if compressed.is_empty() {
        return Ok(Vec::new());
    }
    let mut body = Vec::new();
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(compressed)
        .take(bound)
        .read_to_end(&mut body)
        .map_err(|_| GzipError::Invalid)?;
    if body.len() > bytes_max { Err(GzipError::TooLarge) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_in_a_row_are_one_body() {
        assert_eq!(gunzip(&[gzip(b"one "), gzip(b"two")].concat(), 100), Ok(b"one two".to_vec()));
        assert_eq!(gunzip(b"", 100), Ok(Vec::new()));
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert_eq!(gunzip(&bomb, 1 << 20), Err(GzipError::TooLarge));
        assert_eq!(gunzip(&gzip(b"12345"), 5), Ok(b"12345".to_vec()));
        assert_eq!(gunzip(&gzip(b"123456"), 5), Err(GzipError::TooLarge));
    }

    #[test]
    fn what_is_cut_or_broken_is_refused() {
        let whole = gzip(b"some text that is long enough to be cut");
        for end in 1..whole.len() {
            assert_eq!(gunzip(&whole[..end], 100), Err(GzipError::Invalid), "{end}");
        }
        let mut broken = whole.clone();
        let checksum = whole.len() - 8;
        broken[checksum] ^= 1;
        assert_eq!(gunzip(&broken, 100), Err(GzipError::Invalid));
        assert_eq!(gunzip(b"no gzip at all", 100), Err(GzipError::Invalid));
    }

    proptest! {
        #[test]
        fn anything_else_is_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = gunzip(&bytes, 1000);
        }
    }
}
