//! Where an escape sequence begins and ends. Only colours are obeyed; the rest is swallowed.

/// Longest sequence that is read as one; a longer one is dropped up to its end.
const MAX_PARAMETERS: usize = 64;

/// How far into a sequence the text is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Escape {
    /// Not in one.
    #[default]
    Outside,
    /// After `ESC`.
    Begun,
    /// After `ESC (` and the like: one more character follows.
    Charset,
    /// After `ESC [`, with the parameters so far.
    Control(String),
    /// In a title or a link, up to `BEL` or `ESC \`.
    Text,
    /// In a title or a link, after an `ESC`.
    TextEnding,
}

/// What a character did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It belongs to a sequence that has no effect here, or is not over.
    Swallowed,
    /// It ends `ESC [ … m`; here are the parameters.
    Graphics(String),
    /// It ends `ESC [ … K`, which erases the line or what follows on it.
    EraseLine(String),
    /// The sequence was broken off; the character stands for itself.
    Broken,
}

impl Escape {
    /// Whether the next character belongs to a sequence.
    pub(super) fn is_inside(&self) -> bool {
        *self != Self::Outside
    }

    /// An `ESC` has come.
    pub(super) fn begin(&mut self) {
        *self = Self::Begun;
    }

    /// The next character, of a sequence that has begun.
    pub(super) fn step(&mut self, c: char) -> Step {
        match std::mem::take(self) {
            Self::Outside => Step::Broken,
            Self::Begun => {
                match c {
                    '[' => *self = Self::Control(String::new()),
                    ']' | 'P' | 'X' | '^' | '_' => *self = Self::Text,
                    '(' | ')' | '*' | '+' | '#' | '%' => *self = Self::Charset,
                    '\n' | '\r' => return Step::Broken,
                    _ => {}
                }
                Step::Swallowed
            }
            Self::Charset => match c {
                '\n' | '\r' => Step::Broken,
                _ => Step::Swallowed,
            },
            Self::Control(mut parameters) => match c {
                'm' => Step::Graphics(parameters),
                'K' => Step::EraseLine(parameters),
                '\x40'..='\x7e' => Step::Swallowed,
                '\x20'..='\x3f' => {
                    if parameters.len() < MAX_PARAMETERS {
                        parameters.push(c);
                    }
                    *self = Self::Control(parameters);
                    Step::Swallowed
                }
                _ => Step::Broken,
            },
            Self::Text => {
                match c {
                    '\x07' => {}
                    '\x1b' => *self = Self::TextEnding,
                    // A program that never closes its title must not swallow the rest of the log.
                    '\n' => return Step::Broken,
                    _ => *self = Self::Text,
                }
                Step::Swallowed
            }
            Self::TextEnding => match c {
                '\n' => Step::Broken,
                _ => Step::Swallowed,
            },
        }
    }
}
