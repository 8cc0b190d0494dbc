//! The frame of these pages. Whatever is put into a template becomes text, never markup.

use super::super::security::FORM_POLICY;
use crate::people::Caller;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};
use saltpeter_domain::access::{Groups, Role};
use saltpeter_protocol::UnixMillis;

/// A page yet without its content.
pub(super) struct Page<'a> {
    title: &'a str,
    /// Whoever is shown it; `None` at the door.
    caller: Option<&'a Caller>,
    status: StatusCode,
}

impl<'a> Page<'a> {
    pub(super) fn new(title: &'a str, caller: Option<&'a Caller>) -> Self {
        Self {
            title,
            caller,
            status: StatusCode::OK,
        }
    }

    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn render(self, content: &Markup) -> Response {
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Saltpeter" }
                    link rel="icon" href="/favicon.svg" type="image/svg+xml";
                    script src="/theme.js" {}
                    link rel="stylesheet" href="/pkg/saltpeter.css";
                    @if self.caller.is_some() { script src="/plain.js" defer {} }
                }
                body {
                    header class="bar" {
                        a class="brand" href="/" {
                            img src="/favicon.svg" width="20" height="20" alt="";
                            span { "Saltpeter" }
                        }
                        @if let Some(caller) = self.caller { (self.navigation(caller)) (tools()) }
                    }
                    main {
                        div class=(if self.caller.is_some() { "page people" } else { "page door" }) { (content) }
                    }
                }
            }
        };
        let headers = [
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            ),
            // Never kept: a token may be on it, and whoever logs out has it no more.
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (CONTENT_SECURITY_POLICY, FORM_POLICY),
        ];
        (self.status, headers, document.into_string()).into_response()
    }

    fn navigation(&self, caller: &Caller) -> Markup {
        let mut links = vec![
            ("/", "Jobs"),
            ("/runs", "Runs"),
            ("/timeline", "Timeline"),
            ("/machines", "Machines"),
            ("/maintenance", "Maintenance"),
            ("/config", "Config"),
        ];
        // In the order of the dashboard's own pages, and then what only these lead to.
        let is_admin = caller.access.role == Role::Admin;
        if is_admin {
            links.push(("/audit", "Audit"));
        }
        links.push(("/account", "Account"));
        if is_admin {
            links.extend([("/users", "Users"), ("/tokens", "Tokens")]);
        }
        html! {
            nav aria-label="Pages" {
                @for (href, name) in links {
                    a href=(href) aria-current=[(name == self.title).then_some("page")] { (name) }
                }
            }
        }
    }
}

/// The switches for the zone of times and for the theme, as the dashboard's own pages have them. `public/plain.js` brings them
/// to life, and they are not shown without it.
fn tools() -> Markup {
    html! {
        div class="tools with-script" {
            button type="button" class="quiet clock" title="Show times in UTC or in your zone" data-testid="clock-toggle" {
                span {} span class="other-zone" {}
            }
            button type="button" class="quiet theme" data-testid="theme-toggle" {}
        }
    }
}

/// A point in time, for people.
pub(super) fn time(at: UnixMillis) -> Markup {
    let at = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    html! {
        time datetime=(at.to_rfc3339()) { (at.format("%Y-%m-%d %H:%M UTC")) }
    }
}

/// What is chosen of the roles, and of the groups.
pub(super) fn access_fields(role: Role, groups: &Groups) -> Markup {
    let groups = match groups {
        Groups::All => String::new(),
        Groups::Only(_) => groups.to_string(),
    };
    html! {
        label {
            "Role"
            select name="role" {
                @for each in Role::ALL {
                    option value=(each) selected[each == role] { (each) }
                }
            }
        }
        label {
            "Groups, for an operator"
            input name="groups" value=(groups) placeholder="all groups, or db, web …" autocomplete="off";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[tokio::test]
    async fn text_never_becomes_markup_and_nothing_is_kept_or_run() {
        let hostile = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'\u{202e}&amp;";
        let page = Page::new(hostile, None).render(&html! {
            p title=(hostile) { (hostile) }
            (access_fields(Role::Operator, &Groups::Only([hostile.to_owned()].into())))
        });
        assert_eq!(page.headers()[CACHE_CONTROL], "no-store");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
        let body = to_bytes(page.into_body(), 100_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        // The one script of the door is the theme's.
        assert_eq!(body.matches("<script").count(), 1, "{body}");
        assert_eq!(body.matches("<img").count(), 1, "{body}");
        assert!(!body.contains("<script>alert"), "{body}");
    }
}
