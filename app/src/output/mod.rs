//! A machine's output as lines, without a browser: bytes in, styled text out, in bounded memory.

mod decoder;
mod escape;
mod marked;
mod model;
mod segment;
mod style;

pub use decoder::{Line, MAX_LINE_BYTES, Span};
pub use marked::{Marked, Marking};
pub use model::{Gap, OutputModel, Shown};
pub use style::{Color, Style};
