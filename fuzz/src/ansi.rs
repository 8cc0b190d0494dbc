//! A command's output on its way to a page. The first byte says how the rest is cut into pieces.
//!
//! The lines are the same however the bytes are cut. None has a control character but tabs, none is longer than its limit, and
//! its spans cover its text. The memory held follows from the number of bytes.

use saltpeter_app::output::{Line, MAX_LINE_BYTES, OutputModel};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{ChunkMark, OutputLength, OutputSlice};
use saltpeter_protocol::machine::Stream;

/// Memory for one byte of output at most, in bytes: a line of its own for every byte.
const WEIGHT_OF_A_BYTE: usize = 200;

/// One output.
pub fn check(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    let cut = usize::from(cut).max(1);
    let mut whole = OutputModel::new(&slice(0, bytes, &[bytes.len()], false));
    assert!(whole.weight() <= bytes.len() * WEIGHT_OF_A_BYTE);
    let lines = lines(&mut whole);
    for line in &lines {
        is_safe(line);
    }

    let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
    let mut pieced = OutputModel::new(&slice(0, &[], &[], false));
    let mut offset = 0;
    for piece in &pieces {
        let appended = pieced.append(&slice(offset, piece, &[piece.len()], false));
        assert!(appended.is_ok(), "a gap at {offset}");
        offset += piece.len();
    }
    assert_eq!(self::lines(&mut pieced), lines, "cut every {cut} bytes");

    // Two streams that write in turn, in one slice and from the middle of a line.
    let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
    let mut mixed = OutputModel::new(&slice(7, bytes, &lengths, true));
    for line in self::lines(&mut mixed) {
        is_safe(&line);
    }
}

fn slice(offset: usize, bytes: &[u8], lengths: &[usize], two_streams: bool) -> OutputSlice {
    let chunk = |(index, len): (usize, &usize)| ChunkMark {
        len: *len as u32,
        stream: if two_streams && index % 2 == 1 {
            Stream::Stderr
        } else {
            Stream::Stdout
        },
        at: UnixMillis(0),
    };
    OutputSlice {
        offset: offset as u64,
        line: 0,
        total: OutputLength::default(),
        chunks: lengths.iter().enumerate().map(chunk).collect(),
        bytes: bytes.to_vec(),
    }
}

fn lines(model: &mut OutputModel) -> Vec<Line> {
    let all = model.view(0, model.lines());
    all.into_iter()
        .map(|shown| {
            shown
                .line
                .unwrap_or_else(|| panic!("line {} is not here", shown.number))
        })
        .collect()
}

fn is_safe(line: &Line) {
    let is_control = |c: char| c.is_ascii_control() && c != '\t';
    assert!(!line.text.contains(is_control), "{:?}", line.text);
    assert!(line.text.len() <= MAX_LINE_BYTES);
    let pieces: String = line.pieces().map(|(_, text)| text).collect();
    assert_eq!(pieces, line.text);
    for (style, text) in line.pieces() {
        assert!(!text.is_empty(), "{line:?}");
        // What goes into a page's attributes.
        let declarations = style.declarations().unwrap_or_default();
        for attribute in [style.classes(), declarations] {
            let plain = |c: char| c.is_ascii_alphanumeric() || " -:;#".contains(c);
            assert!(attribute.chars().all(plain), "{attribute:?}");
        }
    }
}
