//! What is the same is known to be, without being read.

use super::*;

async fn write(f: &Fixture, machine_name: &str, pieces: &[&[u8]], zstd: bool) {
    let stream = f
        .log
        .stream(&run("a_1"), &machine(machine_name))
        .await
        .unwrap();
    let mut at = 0;
    for piece in pieces {
        let piece = if zstd {
            compressed(at, piece)
        } else {
            chunk(at, piece)
        };
        at = stream.submit(piece).await.unwrap();
    }
    stream.wait_durable(at).await.unwrap();
}

async fn fingerprint(f: &Fixture, machine_name: &str) -> Fingerprint {
    let ends = f.log.ends(&run("a_1")).await.unwrap();
    let end = ends[&(machine(machine_name), Attempt::FIRST)];
    assert!(end.fingerprint.is_known());
    end.fingerprint
}

#[tokio::test]
async fn the_same_bytes_are_known_however_they_came() {
    let mut f = Fixture::new().await;
    let long = b"much the same ".repeat(40);
    write(&f, "web1", &[&long, b"one\n", b"two\n"], false).await;
    write(
        &f,
        "web2",
        &[&long[..100], &long[100..], b"one\ntwo\n"],
        true,
    )
    .await;
    write(&f, "web3", &[&long, b"one\nTwo\n"], false).await;
    for after_death in [false, true] {
        if after_death {
            f = f.after_death().await;
        }
        let web1 = fingerprint(&f, "web1").await;
        assert_eq!(web1, fingerprint(&f, "web2").await);
        assert_ne!(web1, fingerprint(&f, "web3").await);
    }
    // It goes on from what was there before.
    let at = long.len() as u64 + 8;
    let (run, web1) = (run("a_1"), machine("web1"));
    let last = f.log.append(&run, &web1, chunk(at, b"three\n"));
    last.await.unwrap();
    write(&f, "web4", &[&long, b"one\ntwo\nthree\n"], false).await;
    assert_eq!(fingerprint(&f, "web1").await, fingerprint(&f, "web4").await);
}

#[tokio::test]
async fn another_file_has_other_fingerprints() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    for f in [&one, &other] {
        write(f, "web1", &[b"the same\n"], false).await;
    }
    assert_ne!(
        fingerprint(&one, "web1").await,
        fingerprint(&other, "web1").await
    );
}
