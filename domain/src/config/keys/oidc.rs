//! The value of `oidc`: the provider at which people log in, and what each of its groups may do here.

use super::Effect::Restart;
use super::Key;
use super::plain::setting;
use super::secrets::read_source;
use crate::access::oidc::{OidcProvider, RoleRule, is_safe_address};
use crate::access::{Access, Groups, Role};
use crate::config::raw::{Entry, Node, Value};
use crate::config::reader::Reader;
use crate::config::settings::Settings;
use crate::secret::SecretSource;
use std::fmt::Display;

/// The longest name of a provider, in characters: it stands on a button.
const LONGEST_NAME: usize = 40;
/// Rules there may be at most.
const MAX_RULES: usize = 1000;
/// Scopes there may be at most.
const MAX_SCOPES: usize = 32;

const ROLES: [(&str, Role); 3] = [
    ("viewer", Role::Viewer),
    ("operator", Role::Operator),
    ("admin", Role::Admin),
];

pub(super) const PROVIDER: Key<Settings> = setting(
    "oidc",
    "mapping",
    "none",
    Restart,
    "A provider of OpenID Connect at which people log in, beside those who have a password here. Needed are `issuer`, its identifier (`https://…`); `client_id`, what it knows this server as; `url`, the address under which browsers reach the dashboard (`https://…`; the provider has to allow `URL/login/oidc/callback` as a redirect URI); and `roles`, a list of `{group: NAME, role: ROLE, groups: [JOB GROUPS]}` (the roles are `viewer`, `operator` and `admin`): without `group` it is about everybody whom the provider lets in, without `groups` an operator sees to all. Who is in none of the groups is not let in; the greatest role counts. Further `name`, for the button (`SSO`); `client_secret`, read from `{file: PATH}` or `{env: NAME}` (none: a public client); `ca`, a PEM file of authorities besides the host's; `scopes` (`[profile, email]`), asked for besides `openid`; `user_claim` (`preferred_username`), the name of a new account; `groups_claim` (`groups`), in the ID token; a dot leads into a mapping, as in `realm_access.roles`.",
    read_provider,
    show_provider,
);

fn show_provider(settings: &Settings) -> String {
    let Some(provider) = &settings.oidc else {
        return String::new();
    };
    let or_none =
        |value: Option<&dyn Display>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
    let secret = provider.client_secret.as_ref().map(|s| s as &dyn Display);
    let ca = provider.ca.as_ref().map(|ca| ca as &dyn Display);
    let roles: Vec<String> = provider.roles.iter().map(RoleRule::to_string).collect();
    format!(
        "{} at {}, client_id {}, client_secret {}, url {}, ca {}, scopes {}, user_claim {}, groups_claim {}, roles {}",
        provider.name,
        provider.issuer,
        provider.client_id,
        or_none(secret),
        provider.url,
        or_none(ca),
        provider.scopes.join(" "),
        provider.user_claim,
        provider.groups_claim,
        roles.join("; "),
    )
}

/// What has been read so far.
#[derive(Default)]
struct Draft {
    name: Option<String>,
    issuer: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretSource>,
    url: Option<String>,
    ca: Option<String>,
    scopes: Option<Vec<String>>,
    user_claim: Option<String>,
    groups_claim: Option<String>,
    roles: Vec<RoleRule>,
}

fn read_provider(settings: &mut Settings, node: &Node, reader: &mut Reader) {
    // What is wrong with it must not leave an earlier one in force.
    settings.oidc = None;
    let Value::Map(entries) = &node.value else {
        reader.expected(
            node,
            "a mapping with `issuer`, `client_id`, `url` and `roles`",
        );
        return;
    };
    let before = reader.error_count();
    let mut draft = Draft::default();
    for entry in entries {
        read_entry(&mut draft, entry, reader);
    }
    if reader.error_count() > before {
        return;
    }
    let Draft {
        issuer: Some(issuer),
        client_id: Some(client_id),
        url: Some(url),
        roles,
        ..
    } = draft
    else {
        let message = "oidc: needs `issuer`, `client_id`, `url` and `roles`";
        reader.error(&node.place, message);
        return;
    };
    if roles.is_empty() {
        let message = "oidc: needs `roles`, or nobody may come in: a list such as [{group: staff, role: viewer}]";
        reader.error(&node.place, message);
        return;
    }
    settings.oidc = Some(OidcProvider {
        name: draft.name.unwrap_or_else(|| "SSO".to_owned()),
        issuer,
        client_id,
        client_secret: draft.client_secret,
        url,
        ca: draft.ca,
        scopes: draft
            .scopes
            .unwrap_or_else(|| ["profile", "email"].map(str::to_owned).into()),
        user_claim: draft
            .user_claim
            .unwrap_or_else(|| "preferred_username".to_owned()),
        groups_claim: draft.groups_claim.unwrap_or_else(|| "groups".to_owned()),
        roles,
    });
}

fn read_entry(draft: &mut Draft, entry: &Entry, reader: &mut Reader) {
    let value = &entry.value;
    match entry.key.as_str() {
        "name" => draft.name = read_name(value, reader),
        "issuer" => draft.issuer = read_address("issuer", value, reader),
        "client_id" => draft.client_id = reader.word(value),
        "client_secret" => {
            draft.client_secret = read_source("oidc.client_secret", value, reader);
        }
        "url" => {
            let url = read_address("url", value, reader);
            draft.url = url.map(|url| url.trim_end_matches('/').to_owned());
        }
        "ca" => draft.ca = reader.word(value),
        "scopes" => draft.scopes = read_scopes(value, reader),
        "user_claim" => draft.user_claim = reader.word(value),
        "groups_claim" => draft.groups_claim = reader.word(value),
        "roles" => draft.roles = read_rules(value, reader),
        other => {
            let message = format!(
                "oidc: there is no key {other:?}; it has name, issuer, client_id, client_secret, url, ca, scopes, user_claim, groups_claim and roles"
            );
            reader.error(&entry.key_place, message);
        }
    }
}

fn read_name(node: &Node, reader: &mut Reader) -> Option<String> {
    let name = reader.word(node)?;
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let message =
            format!("oidc.name: stands on a button, so it has {LONGEST_NAME} characters at most");
        reader.error(&node.place, message);
        return None;
    }
    Some(name)
}

/// An address over TLS. Plain HTTP is for this host alone: nobody listens in between.
fn read_address(key: &str, node: &Node, reader: &mut Reader) -> Option<String> {
    let text = reader.word(node)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#']);
    if is_plain && is_safe_address(&text) {
        return Some(text);
    }
    let message = format!(
        "oidc.{key}: {text:?} is no address that begins with https:// and has neither '?' nor '#' (http:// is for this host alone: http://localhost, http://127.0.0.1)"
    );
    reader.error(&node.place, message);
    None
}

fn read_scopes(node: &Node, reader: &mut Reader) -> Option<Vec<String>> {
    let texts = reader.texts(node, "a list of scopes")?;
    if texts.len() > MAX_SCOPES {
        let message = format!("oidc.scopes: there are {MAX_SCOPES} at most");
        reader.error(&node.place, message);
        return None;
    }
    let mut scopes = Vec::with_capacity(texts.len());
    for (scope, place) in texts {
        if scope.is_empty() || !scope.bytes().all(|byte| byte.is_ascii_graphic()) {
            reader.error(place, format!("oidc.scopes: {scope:?} is no scope"));
        } else if scope != "openid" {
            scopes.push(scope);
        }
    }
    Some(scopes)
}

fn read_rules(node: &Node, reader: &mut Reader) -> Vec<RoleRule> {
    const WHAT: &str = "a list such as [{group: dba, role: operator, groups: [db]}]";
    let Value::List(items) = &node.value else {
        reader.error(&node.place, format!("oidc.roles: expected {WHAT}"));
        return Vec::new();
    };
    if items.len() > MAX_RULES {
        let message = format!("oidc.roles: there are {MAX_RULES} at most");
        reader.error(&node.place, message);
        return Vec::new();
    }
    items
        .iter()
        .filter_map(|item| read_rule(item, reader))
        .collect()
}

fn read_rule(node: &Node, reader: &mut Reader) -> Option<RoleRule> {
    const HOW: &str = "a rule is a mapping such as {group: dba, role: operator, groups: [db]}";
    let Value::Map(entries) = &node.value else {
        reader.error(&node.place, format!("oidc.roles: {HOW}"));
        return None;
    };
    let (mut group, mut role, mut groups) = (None, None, None);
    let before = reader.error_count();
    for entry in entries {
        match entry.key.as_str() {
            "group" => group = reader.word(&entry.value),
            "role" => role = reader.choice(&entry.value, &ROLES),
            "groups" => groups = read_groups(&entry.value, reader),
            other => {
                let message = format!("oidc.roles: there is no key {other:?}; {HOW}");
                reader.error(&entry.key_place, message);
            }
        }
    }
    if reader.error_count() > before {
        return None;
    }
    let Some(role) = role else {
        reader.error(&node.place, format!("oidc.roles: without a role; {HOW}"));
        return None;
    };
    if groups.is_some() && role != Role::Operator {
        let message = format!("oidc.roles: `groups` are an operator's, and a {role} sees to all");
        reader.error(&node.place, message);
        return None;
    }
    let groups = groups.unwrap_or_default();
    let access = Access { role, groups };
    Some(RoleRule { group, access })
}

/// Groups of jobs. An empty list would stand for all of them elsewhere, and hardly be meant so here.
fn read_groups(node: &Node, reader: &mut Reader) -> Option<Groups> {
    let texts = reader.texts(node, "a list of groups of jobs")?;
    let groups = Groups::of(texts.iter().map(|(text, _)| text.as_str()));
    if groups == Groups::All {
        let message = "oidc.roles: an empty `groups` grants nothing; leave it out to grant all";
        reader.error(&node.place, message);
        return None;
    }
    Some(groups)
}
