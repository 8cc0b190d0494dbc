//! Pages that are plain HTML: no script brings them to life, and they have the dashboard's looks.
//!
//! What stands in them is put together by [`Html`], which takes markup from this program's text alone and
//! escapes everything else, so that no name, output or message can ever become markup.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

/// Their own policy: the style sheet, the script that chooses the theme before anything is drawn, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// HTML in the making.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of this program.
    pub(super) fn markup(&mut self, text: &'static str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// Anything, as text or as the value of an attribute in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }
}

/// A whole page with this title and content.
pub(super) fn page(title: &str, content: &Html) -> Response {
    let mut page = Html::default();
    page.markup(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\
         <script src=\"/theme.js\"></script><link rel=\"stylesheet\" href=\"/pkg/saltpeter.css\"><title>",
    )
    .text(title)
    .markup(
        " · Saltpeter</title></head><body><header class=\"bar\"><a class=\"brand\" href=\"/\">\
         <img src=\"/favicon.svg\" width=\"20\" height=\"20\" alt=\"\"><span>Saltpeter</span></a>\
         <nav aria-label=\"Pages\"><a href=\"/\">Jobs</a><a href=\"/maintenance\">Maintenance</a>\
         <a href=\"/config\">Config</a></nav></header><main>",
    );
    page.0.push_str(&content.0);
    page.markup("</main></body></html>");
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, page.0).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        let mut html = Html::default();
        html.markup("<b title=\"")
            .text("\" onload='x'")
            .markup("\">")
            .text("</b><script>&amp;")
            .markup("</b>");
        assert_eq!(
            html.0,
            "<b title=\"&quot; onload=&#39;x&#39;\">&lt;/b&gt;&lt;script&gt;&amp;amp;</b>"
        );
    }
}
