use super::{CertificateFiles, Entered, Gate, MachinesTls};
use rustls::pki_types::{CertificateDer, ServerName};
use saltpeter_domain::Plaintext;
use saltpeter_protocol::machine::PINNED_NAME;
use saltpeter_testkit::{client_trusting, renew_certificate};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

fn renew(dir: &Path) -> CertificateDer<'static> {
    renew_certificate(dir, "localhost").unwrap()
}

fn files(dir: &TempDir) -> CertificateFiles {
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    CertificateFiles::named(("tls_cert", cert.to_str()), ("tls_key", key.to_str()))
        .unwrap()
        .unwrap()
}

/// Lets a client in that trusts `root`, and asks for `name`; whether it was content.
async fn trusts(gate: &Gate, root: &CertificateDer<'static>, name: &str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connector = client_trusting(root).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = async {
        let stream = TcpStream::connect(address).await.unwrap();
        connector.connect(name, stream).await.is_ok()
    };
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        gate.enter(stream).await
    };
    let (content, entered) = tokio::join!(client, server);
    assert!(!content || matches!(entered, Ok(Entered::Tls(_))));
    content
}

fn own(dir: &TempDir) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_file(dir.path().join("machines.pem")).unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_connection_on() {
    for machines in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let first = renew(dir.path());
        let files = Some(files(&dir));
        let gate = if machines {
            let tls = MachinesTls::load(dir.path(), files, Plaintext::Refuse).unwrap();
            tls.gate().clone()
        } else {
            Gate::of_api(files).unwrap()
        };
        assert!(trusts(&gate, &first, "localhost").await);
        let second = renew(dir.path());
        assert!(trusts(&gate, &second, "localhost").await);
        assert!(!trusts(&gate, &first, "localhost").await);
        // Half of a renewal: the last good one stays, until the other half is there.
        let pem = fs::read(dir.path().join("cert.pem")).unwrap();
        fs::write(dir.path().join("cert.pem"), &pem[..pem.len() / 2]).unwrap();
        assert!(trusts(&gate, &second, "localhost").await);
        let third = renew(dir.path());
        assert!(trusts(&gate, &third, "localhost").await);
    }
}

#[test]
fn a_certificate_and_its_key_need_each_other() {
    let half = |cert, key| {
        let named = CertificateFiles::named(("tls_cert", cert), ("tls_key", key));
        named.unwrap_err().to_string()
    };
    assert_eq!(
        half(Some("/c"), None),
        "tls_cert needs tls_key beside it; set both or neither"
    );
    assert!(half(None, Some("/k")).starts_with("tls_key needs tls_cert"));
    let neither = CertificateFiles::named(("tls_cert", None), ("tls_key", None));
    assert_eq!(neither.unwrap(), None);
}

#[tokio::test]
async fn whoever_has_pinned_the_servers_own_certificate_gets_that() {
    let dir = tempfile::tempdir().unwrap();
    let given = renew(dir.path());
    let security = MachinesTls::load(dir.path(), Some(files(&dir)), Plaintext::Refuse).unwrap();
    assert!(security.is_vouched());
    assert!(trusts(security.gate(), &own(&dir), PINNED_NAME).await);
    assert!(!trusts(security.gate(), &given, PINNED_NAME).await);
    let without = MachinesTls::load(dir.path(), None, Plaintext::Refuse).unwrap();
    assert_eq!(without.pin(), security.pin());
}

#[test]
fn a_certificate_that_does_not_do_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = || {
        let loaded = MachinesTls::load(dir.path(), Some(files(&dir)), Plaintext::Refuse);
        loaded.err().unwrap().to_string()
    };
    assert!(error().contains("tls_cert"), "{}", error());
    renew(dir.path());
    let key = fs::read(dir.path().join("key.pem")).unwrap();
    renew(dir.path());
    fs::write(dir.path().join("key.pem"), key).unwrap();
    assert!(error().contains("key.pem"), "{}", error());
    fs::write(dir.path().join("key.pem"), "").unwrap();
    assert!(error().contains("tls_key"), "{}", error());
}

#[tokio::test]
async fn plain_text_comes_in_where_it_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    for (plaintext, is_let_in) in [(Plaintext::Allow, true), (Plaintext::Refuse, false)] {
        let security = MachinesTls::load(dir.path(), None, plaintext).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.write_all(b"GET").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let entered = security.gate().enter(stream).await.unwrap();
        assert_eq!(matches!(entered, Entered::Plain(_)), is_let_in);
        assert_eq!(matches!(entered, Entered::Refused(_)), !is_let_in);
    }
}
