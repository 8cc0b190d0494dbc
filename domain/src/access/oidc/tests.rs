use super::*;
use serde_json::json;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const EXPECTED: Expected<'static> = Expected {
    issuer: "https://sso.example/realm",
    client_id: "saltpeter",
    nonce: "n-1",
    now: NOW,
};

/// A good token's claims, with some of them replaced; `null` takes one away.
fn claims(changes: &Value) -> Map<String, Value> {
    let mut all = json!({
        "iss": "https://sso.example/realm",
        "aud": "saltpeter",
        "sub": "f3-1",
        "nonce": "n-1",
        "iat": 1_699_999_990,
        "exp": 1_700_000_290,
        "groups": ["ops"],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => all.as_object_mut().unwrap().remove(name),
            value => all
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    all.as_object().unwrap().clone()
}

#[test]
fn a_token_of_this_login_is_believed_and_no_other() {
    for good in [
        json!({}),
        json!({"aud": ["saltpeter"], "azp": "saltpeter"}),
        json!({"exp": 1_699_999_941, "iat": 1_699_990_000}),
        json!({"iat": 1_700_000_059.5, "nbf": 1_700_000_060}),
    ] {
        let checked = Claims::check(claims(&good), &EXPECTED);
        assert_eq!(checked.unwrap().subject, "f3-1", "{good}");
    }
    let mut sentences = Vec::new();
    for bad in [
        json!({"iss": "https://sso.example/realm/"}),
        json!({"iss": null}),
        json!({"aud": "wiki"}),
        json!({"aud": ["wiki", "saltpeter"]}),
        json!({"aud": ["wiki", "saltpeter"], "azp": "saltpeter"}),
        json!({"aud": []}),
        json!({"aud": 7}),
        json!({"azp": "wiki"}),
        json!({"exp": 1_699_999_940}),
        json!({"exp": null}),
        json!({"exp": "1700000290"}),
        json!({"exp": 1e300}),
        json!({"iat": 1_700_000_061}),
        json!({"iat": null}),
        json!({"nbf": 1_700_000_100}),
        json!({"nonce": "n-2"}),
        json!({"nonce": null}),
        json!({"sub": ""}),
        json!({"sub": 7}),
        json!({"sub": "x".repeat(256)}),
    ] {
        let shown: String = bad.to_string().chars().take(60).collect();
        let refused = Claims::check(claims(&bad), &EXPECTED).expect_err(&shown);
        sentences.push(format!("{shown}\n  {refused}"));
    }
    insta::assert_snapshot!(sentences.join("\n"));
}

#[test]
fn claims_are_found_by_name_and_in_mappings() {
    let all = json!({
        "realm_access": {"roles": ["a", 7, "b"]},
        "https://example.net/groups": "one",
        "email_verified": false,
    });
    let claims = Claims::check(claims(&all), &EXPECTED).unwrap();
    assert_eq!(claims.list("groups").unwrap(), ["ops"]);
    assert_eq!(claims.list("realm_access.roles").unwrap(), ["a", "b"]);
    assert_eq!(claims.list("https://example.net/groups").unwrap(), ["one"]);
    for missing in ["roles", "realm_access.none", "realm_access", "sub.x", ""] {
        assert_eq!(claims.list(missing), None, "{missing}");
    }
    assert_eq!(claims.text("sub"), Some("f3-1"));
    assert!(claims.is_email_unverified());
}

#[test]
fn the_greatest_role_counts_and_an_operators_groups_add_up() {
    let rule = |group: Option<&str>, role, groups: &[&str]| RoleRule {
        group: group.map(str::to_owned),
        access: Access {
            role,
            groups: Groups::of(groups.iter().copied()),
        },
    };
    let mut provider = OidcProvider {
        name: "SSO".to_owned(),
        issuer: EXPECTED.issuer.to_owned(),
        client_id: EXPECTED.client_id.to_owned(),
        client_secret: None,
        url: "https://sp.example".to_owned(),
        ca: None,
        scopes: Vec::new(),
        user_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        roles: vec![
            rule(Some("admins"), Role::Admin, &[]),
            rule(Some("dba"), Role::Operator, &["db"]),
            rule(Some("web"), Role::Operator, &["web", "cdn"]),
            rule(Some("ops"), Role::Operator, &[]),
            rule(Some("staff"), Role::Viewer, &[]),
        ],
    };
    let shown = |provider: &OidcProvider, groups: &[&str]| {
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        provider.access(&groups).map(|access| access.to_string())
    };
    for (groups, access) in [
        (&["staff"][..], Some("viewer")),
        (&["staff", "dba"], Some("operator of db")),
        (&["web", "dba"], Some("operator of cdn, db, web")),
        (&["web", "ops"], Some("operator of all groups")),
        (&["web", "admins"], Some("admin")),
        (&["Admins", "admins "], None),
        (&[], None),
    ] {
        assert_eq!(shown(&provider, groups).as_deref(), access, "{groups:?}");
    }
    provider.roles.push(rule(None, Role::Viewer, &[]));
    assert_eq!(shown(&provider, &[]).as_deref(), Some("viewer"));
}
