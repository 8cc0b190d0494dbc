//! Binary frames of version 2: output.
//!
//! A frame that is taken is within its limits and is, written anew, the same bytes. Its payload is not looked into here: a
//! compressed one is opened by zstd with room for what the header announces and no more, which the output log's own tests show.

use saltpeter_protocol::machine::v2::{Encoding, HEADER_LEN, MAX_CHUNK, OutputFrame};

/// One binary frame.
pub fn check(data: &[u8]) {
    let Ok(frame) = OutputFrame::decode(data) else {
        return;
    };
    assert!((1..=MAX_CHUNK).contains(&(frame.raw_len as usize)));
    assert_eq!(frame.payload.len() + HEADER_LEN, data.len());
    if frame.encoding == Encoding::Raw {
        assert_eq!(frame.payload.len(), frame.raw_len as usize);
    }
    assert_eq!(frame.encode(), data);
}
