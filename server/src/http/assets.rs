//! The static part of the dashboard: scripts, style and icons, embedded in the binary.
//!
//! Their names have no hash in them, so browsers are told to ask each time (`no-cache`), and get a
//! 304 while their copy is the current one. Compressed copies were made when the site was built.
//! Chunks of the code, which are asked for later, name their build: one of another build would not fit.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::fmt::Write as _;

/// The site as `cargo xtask site` makes it. A debug build reads it from disk at each request.
#[derive(RustEmbed)]
#[folder = "$SALTPETER_SITE"]
#[allow_missing = true]
struct Site;

/// The answer to a request for `path` (with its leading `/`), or `None` if the site has no such
/// file or the method is neither GET nor HEAD.
pub fn respond(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    respond_from::<Site>(method, path, headers)
}

/// The files in `/pkg` that the chunk `name` of the dashboard's code consists of, as the site says it in its list: a line for
/// each chunk, of its name and its files. None if there is no such chunk, or no site.
pub(super) fn chunk(name: &str) -> Vec<String> {
    chunk_from::<Site>(name)
}

fn chunk_from<E: RustEmbed>(name: &str) -> Vec<String> {
    let Some(list) = E::get("pkg/chunks.txt") else {
        return Vec::new();
    };
    let list = String::from_utf8_lossy(&list.data);
    let mut lines = list.lines().map(str::split_ascii_whitespace);
    let line = lines.find_map(|mut line| (line.next() == Some(name)).then_some(line));
    line.map_or_else(Vec::new, |files| files.map(str::to_owned).collect())
}

/// A form in which a file can be sent, best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// The name in `Accept-Encoding` and `Content-Encoding`.
    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// What the compressed copy's file name ends in.
    fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }
}

fn respond_from<E: RustEmbed>(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let name = path.strip_prefix('/')?;
    let plain = E::get(name)?;
    let mime = mime(&plain);
    let (coding, file) = choose::<E>(name, plain, headers);

    let tag = tag(coding, &file);
    let mut answer = HeaderMap::new();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer.insert(ETAG, HeaderValue::from_str(&tag).ok()?);
    if is_current(&tag, headers) {
        return Some(empty(StatusCode::NOT_MODIFIED, answer));
    }
    answer.insert(CONTENT_TYPE, HeaderValue::from_str(&mime).ok()?);
    if coding != Coding::Identity {
        answer.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    // Axum drops the body of an answer to HEAD and keeps its length.
    let mut response = Response::new(Body::from(file.data));
    *response.headers_mut() = answer;
    Some(response)
}

/// The best form of the file that there is and that the client takes.
fn choose<E: RustEmbed>(
    name: &str,
    plain: EmbeddedFile,
    headers: &HeaderMap,
) -> (Coding, EmbeddedFile) {
    for coding in [Coding::Brotli, Coding::Gzip] {
        if accepts(headers, coding)
            && let Some(copy) = E::get(&format!("{name}{}", coding.suffix()))
            // `cargo leptos` writes new files beside the old ones' copies.
            && copy.metadata.last_modified() >= plain.metadata.last_modified()
        {
            return (coding, copy);
        }
    }
    (Coding::Identity, plain)
}

/// Whether `Accept-Encoding` names the coding, or `*`, and not with a weight of zero.
fn accepts(headers: &HeaderMap, coding: Coding) -> bool {
    let mut any = false;
    for item in list(headers, &ACCEPT_ENCODING) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters
            .trim()
            .strip_prefix("q=")
            .and_then(|q| q.parse::<f32>().ok());
        let wanted = weight.unwrap_or(1.0) > 0.0;
        let name = name.trim();
        if name.eq_ignore_ascii_case(coding.name()) {
            return wanted;
        }
        any |= name == "*" && wanted;
    }
    any
}

fn is_current(tag: &str, headers: &HeaderMap) -> bool {
    list(headers, &IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The items of all headers of this name.
fn list<'h>(
    headers: &'h HeaderMap,
    name: &axum::http::HeaderName,
) -> impl Iterator<Item = &'h str> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Names the content and its form: each form is another representation.
fn tag(coding: Coding, file: &EmbeddedFile) -> String {
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..12] {
        // Writing into a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push_str(match coding {
        Coding::Brotli => "-br\"",
        Coding::Gzip => "-gz\"",
        Coding::Identity => "\"",
    });
    tag
}

fn mime(file: &EmbeddedFile) -> String {
    let mime = file.metadata.mimetype();
    if mime.starts_with("text/") {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_owned()
    }
}

fn empty(status: StatusCode, headers: HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use std::borrow::Cow;
    use std::path::Path;
    use std::sync::LazyLock;
    use tempfile::TempDir;

    /// A site of a script with both copies, and an icon with none.
    struct Fixture;

    static DIR: LazyLock<TempDir> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("pkg")).unwrap();
        for (name, content) in [
            ("pkg/a.js", "plain"),
            ("pkg/a.js.br", "br"),
            ("pkg/a.js.gz", "gz"),
            ("i.svg", "<svg/>"),
            (
                "pkg/chunks.txt",
                "config both.1.wasm config.1.wasm\njobs jobs.1.wasm\n",
            ),
        ] {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    });

    impl RustEmbed for Fixture {
        fn get(path: &str) -> Option<EmbeddedFile> {
            let file: &Path = &DIR.path().join(path);
            file.is_file()
                .then(|| rust_embed::utils::read_file_from_fs(file).unwrap())
        }

        fn iter() -> impl Iterator<Item = Cow<'static, str>> + 'static {
            std::iter::empty()
        }
    }

    fn headers(pairs: &[(&axum::http::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| ((*n).clone(), HeaderValue::from_str(v).unwrap()))
            .collect()
    }

    async fn get(path: &str, request: &HeaderMap) -> (StatusCode, HeaderMap, String) {
        let response = respond_from::<Fixture>(&Method::GET, path, request).unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1000).await.unwrap();
        (
            parts.status,
            parts.headers,
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    #[tokio::test]
    async fn the_best_accepted_form_is_sent() {
        let cases = [
            (None, None, "plain"),
            (Some("gzip, deflate, br, zstd"), Some("br"), "br"),
            (Some("gzip"), Some("gzip"), "gz"),
            (Some("br;q=0, *"), Some("gzip"), "gz"),
            (Some("*"), Some("br"), "br"),
            (Some("identity"), None, "plain"),
        ];
        for (accept, encoding, expected) in cases {
            let request = accept.map_or_else(HeaderMap::new, |a| headers(&[(&ACCEPT_ENCODING, a)]));
            let (status, answer, body) = get("/pkg/a.js", &request).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(body, expected, "{accept:?}");
            let sent = answer
                .get(CONTENT_ENCODING)
                .map(|value| value.to_str().unwrap());
            assert_eq!(sent, encoding, "{accept:?}");
            assert_eq!(answer[CONTENT_TYPE], "text/javascript; charset=utf-8");
            assert_eq!(answer[CACHE_CONTROL], "no-cache");
            assert_eq!(answer[VARY], "accept-encoding");
        }
        let (_, answer, _) = get("/i.svg", &headers(&[(&ACCEPT_ENCODING, "br")])).await;
        assert_eq!(answer[CONTENT_TYPE], "image/svg+xml");
        assert!(!answer.contains_key(CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn a_current_copy_is_not_sent_again() {
        let accept = (&ACCEPT_ENCODING, "br");
        let (_, first, _) = get("/pkg/a.js", &headers(&[accept])).await;
        let tag = first[ETAG].to_str().unwrap();
        for known in [
            tag.to_owned(),
            format!("\"other\", W/{tag}"),
            "*".to_owned(),
        ] {
            let request = headers(&[accept, (&IF_NONE_MATCH, &known)]);
            let (status, answer, body) = get("/pkg/a.js", &request).await;
            assert_eq!(status, StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(answer[ETAG], tag);
            assert_eq!(body, "");
        }
        // The same tag does not stand for the same file in another form.
        let (status, ..) = get("/pkg/a.js", &headers(&[(&IF_NONE_MATCH, tag)])).await;
        assert_eq!(status, StatusCode::OK);
    }

    #[test]
    fn a_chunk_has_the_files_of_its_line() {
        assert_eq!(
            chunk_from::<Fixture>("config"),
            ["both.1.wasm", "config.1.wasm"]
        );
        assert_eq!(chunk_from::<Fixture>("jobs"), ["jobs.1.wasm"]);
        assert!(chunk_from::<Fixture>("both").is_empty());
    }

    #[test]
    fn only_the_sites_files_are_answered_for_and_only_reading() {
        let none = HeaderMap::new();
        for path in ["/", "/pkg", "/pkg/", "/pkg/b.js", "pkg/a.js"] {
            assert!(
                respond_from::<Fixture>(&Method::GET, path, &none).is_none(),
                "{path}"
            );
        }
        assert!(respond_from::<Fixture>(&Method::POST, "/pkg/a.js", &none).is_none());
        assert!(respond_from::<Fixture>(&Method::HEAD, "/pkg/a.js", &none).is_some());
    }

    #[test]
    fn the_real_site_never_leaves_its_directory() {
        for path in [
            "/../Cargo.toml",
            "/pkg/../../debug/saltpeter",
            "/no/such/file",
        ] {
            assert!(
                respond(&Method::GET, path, &HeaderMap::new()).is_none(),
                "{path}"
            );
        }
    }
}
