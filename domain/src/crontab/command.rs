//! A line's command as cron would run it.

use std::fmt::Write as _;

/// A command, and what is written to its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) input: Option<String>,
}

/// Splits at the first `%` and takes `\%` for a percent sign, as Vixie cron does.
pub(super) fn split(raw: &str) -> Command {
    let mut text = String::new();
    let mut signs = raw.chars();
    let mut escaped = false;
    let mut has_input = false;
    for sign in signs.by_ref() {
        match (escaped, sign) {
            (true, '%') => {
                text.pop();
                text.push('%');
                escaped = false;
            }
            (false, '%') => {
                has_input = true;
                break;
            }
            (true, _) => {
                text.push(sign);
                escaped = false;
            }
            (false, _) => {
                text.push(sign);
                escaped = sign == '\\';
            }
        }
    }
    let input = has_input
        .then(|| input(signs))
        .filter(|input| !input.is_empty());
    Command { text, input }
}

/// What follows the first `%`: further ones end lines, and the last line is ended where it is not.
fn input(signs: impl Iterator<Item = char>) -> String {
    let mut input = String::new();
    let mut escaped = false;
    for sign in signs {
        if escaped && sign == '%' {
            input.push('%');
            escaped = false;
            continue;
        }
        if escaped {
            input.push('\\');
        }
        escaped = sign == '\\';
        if !escaped {
            input.push(if sign == '%' { '\n' } else { sign });
        }
    }
    if escaped {
        input.push('\\');
    }
    if !input.is_empty() && !input.ends_with('\n') {
        input.push('\n');
    }
    input
}

/// What `/bin/sh -c` is to run for it, where cron would have used `shell`.
pub(super) fn script(command: &Command, shell: Option<&str>) -> String {
    let line = match shell {
        Some(shell) => format!(
            "exec {} -c {}",
            shell_word(shell),
            shell_quote(&command.text)
        ),
        None => command.text.clone(),
    };
    let Some(input) = &command.input else {
        return line;
    };
    let mut end = "END".to_owned();
    while input.lines().any(|line| line == end) {
        end.push('_');
    }
    // First, so that nothing in the command, such as a `\` at its end, can touch it.
    format!("exec <<'{end}'\n{input}{end}\n{line}")
}

fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        shell_quote(text)
    }
}

fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What is to be known of its redirections.
pub(super) fn redirection(text: &str) -> Option<&'static str> {
    let mut quote = None;
    let mut escaped = false;
    let mut bare = String::new();
    for sign in text.chars() {
        let hidden = quote.is_some() || escaped;
        match (quote, sign) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(sign),
            (Some(open), _) if open == sign => quote = None,
            _ => {}
        }
        if !hidden {
            bare.push(sign);
        }
    }
    let joined: String = bare.split_whitespace().collect();
    if joined.contains(">/dev/null") {
        Some(
            "the redirection to /dev/null is kept; Saltpeter keeps each run's output, so without it you would see what the command says",
        )
    } else if bare.replace("2>&1", "").contains('>') {
        Some(
            "the redirection to a file is kept; what goes there does not reach Saltpeter, which would keep it",
        )
    } else {
        None
    }
}

/// `text` as a value of a job's key, indented as a value of a job is.
pub(super) fn yaml(text: &str) -> String {
    let printable = text
        .chars()
        .all(|c| matches!(c, '\n' | '\t') || !super::yaml::is_unprintable(c));
    let simple = !text.starts_with([' ', '\n', '\t']) && !text.ends_with('\n');
    if printable && simple && text.contains(['\n', '\'']) {
        let mut block = "|-".to_owned();
        for line in text.split('\n') {
            let indent = if line.is_empty() { "" } else { "    " };
            // Writing into a String cannot fail.
            let _ = write!(block, "\n{indent}{line}");
        }
        block
    } else if printable && !text.contains(['\n', '\t']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        crate::config::quote(text)
    }
}
