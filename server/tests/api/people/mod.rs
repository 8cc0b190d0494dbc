//! People, programs, and what each may do, on a server to which one has to log in.

mod audit;
mod bind;
mod browser;
mod commands;
mod door;
mod editing;
mod forgery;
mod hostile;
mod oidc;
mod provider;
mod proxy;
mod remote;
mod roles;
mod sessions;
mod tokens;

use crate::world::World;
use browser::Browser;
use std::path::Path;

/// A password as good as any.
const PASSWORD: &str = "correct horse battery staple";

const JOBS: &str = "
hello~:
  schedule: '@yearly'
  command: 'echo hello'
  targets: web1
long~:
  schedule: '@yearly'
  command: 'echo begun; sleep 600'
  targets: web1
";

/// A server whose first admin, `ana`, has just logged in. Its jobs are of the groups `db` and `web`.
async fn with_admin() -> (World, Browser) {
    let web = JOBS.replace("hello~", "web~").replace("long~", "long-web~");
    let world = World::guarded(&[("db.yaml", JOBS), ("web.yaml", &web)]).await;
    let mut ana = Browser::new();
    ana.open_first_link(&world).await;
    let made = ana
        .submit(
            &world,
            "/welcome",
            &[("name", "ana"), ("password", PASSWORD), ("again", PASSWORD)],
        )
        .await;
    assert_eq!(
        (made.status, made.header("location")),
        (303, Some("/")),
        "{made:?}"
    );
    (world, ana)
}

/// Adds a user and logs in as them.
async fn another(
    world: &World,
    admin: &mut Browser,
    name: &str,
    role: &str,
    groups: &str,
) -> Browser {
    let fields = [
        ("name", name),
        ("role", role),
        ("groups", groups),
        ("password", PASSWORD),
    ];
    let added = admin.submit(world, "/users", &fields).await;
    assert_eq!(added.status, 303, "{}", added.text());
    let mut browser = Browser::new();
    let answer = browser.log_in(world, name, PASSWORD).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    browser
}

/// Adds a token and gives the header that programs send.
async fn token(world: &World, admin: &mut Browser, name: &str, role: &str, groups: &str) -> String {
    let fields = [
        ("name", name),
        ("role", role),
        ("groups", groups),
        ("days", "30"),
    ];
    let answer = admin.submit(world, "/tokens", &fields).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let page = answer.text();
    let begin = page.find("saltpeter_").unwrap();
    let token: String = page[begin..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    format!("Bearer {token}")
}

/// Whether any file under `dir` holds `needle`.
fn is_anywhere(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_anywhere(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}
