//! The settings of the clusters that documents are sent to, Elasticsearch and `OpenSearch`.

/// How a cluster is reached, beside its address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SinkAccess {
    /// PEM file of the authority that signed its certificate; `None`: the host's authorities alone.
    pub ca: Option<String>,
    /// File with an API key, which then goes before a password in the address; `None`: none.
    pub api_key_file: Option<String>,
    /// Whether the index template is created where there is none.
    pub template: bool,
}

/// The address of a cluster as people write it, made whole: without a scheme it is `http://`, and without a port
/// `http` is on 9200, as the programs around these clusters have it. The message says what is wrong, and never the
/// address, which may have a password in it.
pub(crate) fn cluster_url(written: &str) -> Result<String, &'static str> {
    const WHAT: &str =
        "expected an address such as https://elastic:password@search.example.org:9200";
    let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
    if !matches!(scheme, "http" | "https") {
        return Err("expected an address that begins with http:// or https://");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if host.is_empty() || host.contains(char::is_whitespace) || path.contains(['?', '#']) {
        return Err(WHAT);
    }
    let port = match host.rsplit_once(':') {
        // What stands in brackets is an IPv6 address.
        Some((_, port)) if !port.ends_with(']') => Some(port),
        _ => None,
    };
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err(WHAT),
        None if scheme == "http" => Ok(format!("{scheme}://{authority}:9200{path}")),
        _ => Ok(format!("{scheme}://{authority}{path}")),
    }
}

/// What is wrong with `prefix` as the beginning of an index's name.
pub(crate) fn check_index(prefix: &str) -> Result<(), &'static str> {
    // The longest name is 255 bytes, and a date is yet to come.
    let fits = !prefix.is_empty() && prefix.len() <= 200;
    let plain = |c: char| !c.is_uppercase() && !c.is_whitespace() && !"\\/*?\"<>|,#:".contains(c);
    if fits && prefix.chars().all(plain) && !prefix.starts_with(['-', '_', '+', '.']) {
        Ok(())
    } else {
        Err(
            "expected a prefix of small letters, digits, '-', '_' and '.', beginning with a letter or a digit",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_whole() {
        for (written, whole) in [
            ("es", "http://es:9200"),
            ("es:9201", "http://es:9201"),
            ("http://es", "http://es:9200"),
            ("http://es/", "http://es:9200/"),
            ("http://es:80/", "http://es:80/"),
            ("https://es", "https://es"),
            ("https://u:p:q@es:9243/es", "https://u:p:q@es:9243/es"),
            ("http://u:p@[::1]", "http://u:p@[::1]:9200"),
            ("http://[::1]:9201", "http://[::1]:9201"),
        ] {
            assert_eq!(cluster_url(written).as_deref(), Ok(whole), "{written}");
        }
        for wrong in [
            "",
            "ftp://es",
            "http://",
            "http://es:port",
            "http://es?pretty",
            "e s",
            "http://u:p@",
        ] {
            let message = cluster_url(wrong).unwrap_err();
            assert!(message.starts_with("expected"), "{wrong}: {message}");
        }
    }

    #[test]
    fn an_index_has_a_name_that_clusters_take() {
        for good in ["saltpeter", "saltpeter-prod", "a.b_c", "1st"] {
            assert_eq!(check_index(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Saltpeter",
            "_x",
            "-x",
            ".x",
            "a b",
            "a*",
            "a,b",
            "a:b",
            &"x".repeat(201),
        ] {
            assert!(check_index(bad).is_err(), "{bad}");
        }
    }
}
