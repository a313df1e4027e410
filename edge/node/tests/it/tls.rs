//! HTTPS: versions, protocols, certificates that change.
//!
//! Certificates and keys are below `tls/`: self-signed for `edge.test`, valid for a hundred years, and secret to nobody.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::{
    h2_client::{self, Client},
    support::{Answer, Node, manifest, package, refused},
};

fn fixture(name: &str) -> PathBuf {
    package().join("tests/it/tls").join(name)
}

pub(crate) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).expect("is a certificate")
}

pub(crate) fn client(protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for name in ["one.pem", "two.pem"] {
        roots.add(certificate(name)).expect("is a root");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("has versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("edge.test").expect("is a name")
}

type Tls = StreamOwned<ClientConnection, std::net::TcpStream>;

/// Asks for `path` over HTTP/1.1; returns the answer and the node's certificate.
fn ask(node: &Node, path: &str) -> (Answer, CertificateDer<'static>) {
    ask_at(node.address(), path)
}

/// The same of whoever listens on `address`.
pub(crate) fn ask_at(address: &str, path: &str) -> (Answer, CertificateDer<'static>) {
    let client = ClientConnection::new(client(&["http/1.1"]), name()).expect("is set up");
    let stream = std::net::TcpStream::connect(address).expect("connects");
    let mut stream: Tls = StreamOwned::new(client, stream);
    let request = format!("GET {path} HTTP/1.1\r\nhost: edge.test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("ends with a goodbye");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let chain = stream.conn.peer_certificates().expect("has shown a certificate");
    (Answer::parse(&answer), chain[0].clone().into_owned())
}

/// A folder with a copy of certificate and key `name`, and the arguments that name them.
pub(crate) fn files(name: &str) -> (tempfile::TempDir, [String; 4]) {
    let dir = tempfile::tempdir().expect("makes a folder");
    put(dir.path(), name);
    let [certificate, key] = ["cert.pem", "key.pem"].map(|file| dir.path().join(file));
    let text = |path: PathBuf| path.to_str().expect("is text").to_owned();
    let arguments = ["--tls-cert".to_owned(), text(certificate), "--tls-key".to_owned(), text(key)];
    (dir, arguments)
}

pub(crate) fn put(dir: &Path, name: &str) {
    for (from, to) in [(format!("{name}.pem"), "cert.pem"), (format!("{name}.key.pem"), "key.pem")]
    {
        std::fs::copy(fixture(&from), dir.join(to)).expect("copies");
    }
}

fn start(arguments: &[String], more: &[&str]) -> Node {
    let all: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Node::start(&manifest(""), &all)
}

#[test]
fn serves_http1_and_http2_over_tls_as_the_client_asks() {
    let (_files, arguments) = files("one");
    let node = start(&arguments, &[]);
    let (answer, _) = ask(&node, "/headers");
    assert!(answer.text().contains("spin-full-url: https://edge.test/headers\n"), "{answer:?}");

    h2_client::run(async {
        let client = Client::connect_tls(node.address()).await;
        let request = http::Request::get("https://edge.test/headers");
        let asking = client.begin(request.body(()).expect("is a request"), true).await;
        let answer = asking.answered().await.expect("answers");
        assert!(answer.text().contains("spin-full-url: https://edge.test/headers\n"), "{answer:?}");
        drop(client.sender);
        client.ended.await.expect("is driven").expect("ends well");
    });
}

#[test]
fn refuses_clients_older_than_tls_1_2() {
    let (_files, arguments) = files("one");
    let node = start(&arguments, &[]);
    // A hello of TLS 1.1: version, random, no session, one cipher suite, no compression, and the one extension that
    // is asked for first: signature algorithms, of which there is one.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(hello.len()).expect("is short");
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = node.connect();
    stream.write_all(&record).expect("is sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    // A fatal alert: protocol_version.
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
    assert_eq!(answer.get(5..), Some(&[2, 70][..]), "{answer:?}");
}

#[test]
fn ends_a_handshake_that_does_not_come_on() {
    let (_files, arguments) = files("one");
    let node = start(&arguments, &["--handshake-timeout-ms", "300"]);
    for said in [&b""[..], &[22, 3, 1][..]] {
        let started = Instant::now();
        let mut stream = node.connect();
        stream.write_all(said).expect("is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("is closed in time");
        assert!(answer.is_empty() && started.elapsed() >= Duration::from_millis(250));
    }
    assert_eq!(ask(&node, "/hello").0.text(), "hello");
}

#[test]
fn takes_a_new_certificate_on_sighup_and_keeps_the_old_one_if_the_new_one_is_bad() {
    let (files, arguments) = files("one");
    let node = start(&arguments, &[]);
    assert_eq!(ask(&node, "/hello").1, certificate("one.pem"));
    std::fs::write(files.path().join("cert.pem"), "no certificate").expect("writes");
    node.signal("-HUP");
    for _ in 0..5 {
        assert_eq!(ask(&node, "/hello").1, certificate("one.pem"));
    }
    put(files.path(), "two");
    node.signal("-HUP");
    let started = Instant::now();
    while ask(&node, "/hello").1 != certificate("two.pem") {
        assert!(started.elapsed() < Duration::from_secs(60), "the old certificate stays");
    }
}

#[test]
fn refuses_certificates_and_keys_that_cannot_be_used_with_64() {
    let (files, arguments) = files("one");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let check = |word: &str| {
        let (code, said) = refused(&manifest(""), &arguments);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(word) && said.trim().lines().count() == 1, "{said}");
    };
    std::fs::copy(fixture("two.key.pem"), files.path().join("key.pem")).expect("copies");
    check("key.pem");
    std::fs::write(files.path().join("cert.pem"), "").expect("writes");
    check("no certificate");
    std::fs::remove_file(files.path().join("cert.pem")).expect("removes");
    check("cert.pem");
    assert_eq!(refused(&manifest(""), arguments.get(..2).expect("has two")).0, Some(64));
}
