//! What salt-api's errors mean.

use crate::salt::answers::shortened;
use reqwest::StatusCode;
use serde_json::Value;

/// Whether an answer 401 may be due to the token; else it is the function that is not permitted.
pub(super) fn blames_token(explanation: &str) -> bool {
    !explanation.contains("Authorization error")
}

/// Whether another try may go better.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The one sentence that matters of an error's body, which is a page of HTML, JSON or plain text.
pub(super) fn explanation(body: &str) -> String {
    if let Ok(Value::Object(answer)) = serde_json::from_str(body)
        && let Some(Value::String(text)) = answer.get("return")
    {
        return shortened(text);
    }
    let paragraph = body
        .split_once("<p>")
        .and_then(|(_, rest)| rest.split_once("</p>"))
        .map(|(text, _)| text);
    let text = match paragraph {
        Some(text) => text.replace("&#x27;", "'").replace("&quot;", "\""),
        None if body.trim_start().starts_with('<') => String::new(),
        None => body.to_owned(),
    };
    shortened(text.trim())
}

#[cfg(test)]
mod tests {
    use super::{blames_token, explanation};

    #[test]
    fn an_error_page_is_one_sentence() {
        let page =
            "<!DOCTYPE html><h2>401</h2>\n <p>Authorization error occurred.</p>\n<pre></pre>";
        assert_eq!(explanation(page), "Authorization error occurred.");
        assert!(!blames_token(page));
        assert!(blames_token(
            "<p>No permission -- see authorization schemes</p>"
        ));
        assert_eq!(
            explanation(r#"{"status": 500, "return": "An error"}"#),
            "An error"
        );
        assert_eq!(explanation("<html>nothing</html>"), "");
        assert_eq!(explanation(&"x".repeat(500)).chars().count(), 301);
    }
}
