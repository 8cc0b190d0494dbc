//! Select Graphic Rendition: what an escape sequence says about the look of the text after it.

use std::fmt::Write as _;

/// A colour as a sequence names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// The page's own.
    #[default]
    Default,
    /// One of the sixteen that the theme defines, 0 to 15.
    Theme(u8),
    /// A fixed one.
    Rgb(u8, u8, u8),
}

/// The look of a stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Colour of the letters.
    pub front: Color,
    /// Colour behind them.
    pub back: Color,
    /// Heavier.
    pub bold: bool,
    /// Weaker.
    pub dim: bool,
    /// Slanted.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Front and back exchanged.
    pub inverse: bool,
    /// Struck through.
    pub strike: bool,
}

impl Style {
    /// Whether it is the page's own look.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in the parameters of one `ESC [ … m`: numbers between `;` or `:`.
    pub fn apply(&mut self, parameters: &str) {
        let numbers: Vec<u16> = parameters
            .split([';', ':'])
            .map(|text| text.parse().unwrap_or(0))
            .collect();
        let mut rest = numbers.as_slice();
        while let [code, tail @ ..] = rest {
            rest = tail;
            match *code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                9 => self.strike = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.strike = false,
                n @ 30..=37 => self.front = Color::Theme((n - 30) as u8),
                38 => (self.front, rest) = extended(rest, self.front),
                39 => self.front = Color::Default,
                n @ 40..=47 => self.back = Color::Theme((n - 40) as u8),
                48 => (self.back, rest) = extended(rest, self.back),
                49 => self.back = Color::Default,
                n @ 90..=97 => self.front = Color::Theme((n - 82) as u8),
                n @ 100..=107 => self.back = Color::Theme((n - 92) as u8),
                _ => {}
            }
        }
    }

    /// The classes of the style sheet that draw it.
    pub fn classes(&self) -> String {
        let mut classes = String::new();
        let mut add = |class: &str| {
            if !classes.is_empty() {
                classes.push(' ');
            }
            classes.push_str(class);
        };
        for (set, class) in [
            (self.bold, "sgr-bold"),
            (self.dim, "sgr-dim"),
            (self.italic, "sgr-italic"),
            (self.underline, "sgr-underline"),
            (self.strike, "sgr-strike"),
            (self.inverse, "sgr-inverse"),
        ] {
            if set {
                add(class);
            }
        }
        if let Color::Theme(n) = self.front {
            add(&format!("sgr-front-{n}"));
        }
        if let Color::Theme(n) = self.back {
            add(&format!("sgr-back-{n}"));
        }
        classes
    }

    /// What the classes cannot say: fixed colours, as declarations.
    pub fn declarations(&self) -> Option<String> {
        let mut text = String::new();
        for (name, color) in [("--front", self.front), ("--back", self.back)] {
            if let Color::Rgb(r, g, b) = color {
                // Writing into a String cannot fail.
                let _ = write!(text, "{name}:#{r:02x}{g:02x}{b:02x};");
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// The colour after a 38 or 48, and what follows it.
fn extended(rest: &[u16], old: Color) -> (Color, &[u16]) {
    match rest {
        [5, n, tail @ ..] => (indexed((*n).min(255) as u8), tail),
        [2, r, g, b, tail @ ..] => {
            let byte = |n: &u16| (*n).min(255) as u8;
            (Color::Rgb(byte(r), byte(g), byte(b)), tail)
        }
        _ => (old, &[]),
    }
}

/// A colour of the 256: sixteen of the theme, a cube of 6×6×6, 24 greys.
fn indexed(n: u8) -> Color {
    match n {
        0..=15 => Color::Theme(n),
        16..=231 => {
            let n = n - 16;
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            Color::Rgb(level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (n - 232);
            Color::Rgb(grey, grey, grey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(parameters: &str) -> Style {
        let mut style = Style::default();
        style.apply(parameters);
        style
    }

    #[test]
    fn sixteen_colours_are_the_themes() {
        assert_eq!(after("31").front, Color::Theme(1));
        assert_eq!(after("97").front, Color::Theme(15));
        assert_eq!(after("104").back, Color::Theme(12));
        assert_eq!(after("38;5;9").front, Color::Theme(9));
    }

    #[test]
    fn cube_greys_and_true_colours_are_fixed() {
        assert_eq!(after("38;5;16").front, Color::Rgb(0, 0, 0));
        assert_eq!(after("38;5;208").front, Color::Rgb(255, 135, 0));
        assert_eq!(after("48;5;255").back, Color::Rgb(238, 238, 238));
        assert_eq!(after("38;2;1;2;3").front, Color::Rgb(1, 2, 3));
        assert_eq!(after("38:2:1:2:3").front, Color::Rgb(1, 2, 3));
    }

    #[test]
    fn several_in_one_sequence_and_reset() {
        let style = after("1;4;38;5;208;7");
        assert!(style.bold && style.underline && style.inverse);
        assert_eq!(after("1;31;0"), Style::default());
        assert_eq!(after("1;31;"), Style::default());
        assert!(!after("1;2;22").bold);
    }

    #[test]
    fn a_cut_or_absurd_sequence_harms_nothing() {
        assert_eq!(after("38;5"), Style::default());
        assert_eq!(after("38"), Style::default());
        assert_eq!(after("99999999"), Style::default());
        assert_eq!(after("38;5;999").front, Color::Rgb(238, 238, 238));
    }

    #[test]
    fn css_names_what_is_set() {
        assert_eq!(after("1;31").classes(), "sgr-bold sgr-front-1");
        assert_eq!(
            after("38;2;255;0;16").declarations().as_deref(),
            Some("--front:#ff0010;")
        );
        assert_eq!(after("31").declarations(), None);
    }
}
