//! Against a real Redis, and against servers that refuse, stall, cut and talk nonsense.

use harness::Redis;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::*;

/// A real Redis of its own for each test.
pub(crate) fn server(arguments: &[&str]) -> Redis {
    Redis::start(arguments).expect("starts")
}

pub(crate) fn terms() -> Terms {
    Terms {
        blocked: BlockedNetworks::default(),
        connect_timeout: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(5),
        answer_bytes_max: 1024 * 1024,
    }
}

pub(crate) fn at(port: u16) -> Address {
    Address::parse(&format!("redis://127.0.0.1:{port}")).expect("is an address")
}

async fn open(url: &str, terms: &Terms) -> Result<Connection, RedisError> {
    Connection::open(&Address::parse(url).expect("is an address"), terms).await
}

/// A server that answers the first command with `answer` and then does nothing, or closes.
async fn fake(answer: &'static [u8], stays: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("has an address").port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer).await;
            if stays {
                kept.push(stream);
            }
        }
    });
    port
}

#[tokio::test]
async fn many_commands_share_a_connection_and_each_gets_its_answer() {
    let server = server(&[]);
    let connection = Connection::open(&at(server.port()), &terms()).await.expect("connects");
    let asking = (0..2000).map(|number: i32| {
        let connection = &connection;
        async move {
            let text = number.to_string();
            let reply = connection.ask(&[b"ECHO", text.as_bytes()]).await.expect("answers");
            assert_eq!(reply, Reply::Bulk(text.into_bytes()));
        }
    });
    futures::future::join_all(asking).await;
}

#[tokio::test]
async fn logs_in_and_selects_the_database() {
    let server = server(&["--requirepass", "hunter2"]);
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}/3", server.port());
    let connection = open(&url(":hunter2@"), &terms()).await.expect("logs in");
    let reply = connection.ask(&[b"CLIENT", b"INFO"]).await.expect("answers");
    let Reply::Bulk(about) = reply else { panic!("{reply:?}") };
    assert!(String::from_utf8_lossy(&about).contains(" db=3 "));
    for login in ["", ":wrong@"] {
        let refused = open(&url(login), &terms()).await.err();
        assert!(matches!(refused, Some(RedisError::Login(_))), "{login}: {refused:?}");
    }
}

#[tokio::test]
async fn an_error_of_the_server_is_one_commands_own() {
    let server = server(&[]);
    let connection = Connection::open(&at(server.port()), &terms()).await.expect("connects");
    let refused = connection.ask(&[b"NONSENSE"]).await;
    assert!(matches!(refused, Err(RedisError::Server(_))), "{refused:?}");
    assert_eq!(connection.ask(&[b"PING"]).await.expect("answers"), Reply::Status("PONG".into()));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_ends_the_connection() {
    let server = server(&[]);
    let connection = Connection::open(&at(server.port()), &terms()).await.expect("connects");
    let large = vec![b'x'; 2 * 1024 * 1024];
    connection.ask(&[b"SET", b"k", &large]).await.expect("writes");
    assert!(matches!(connection.ask(&[b"GET", b"k"]).await, Err(RedisError::Lost)));
    assert!(connection.is_closed());
}

#[tokio::test]
async fn garbage_and_cuts_lose_the_connection() {
    for answer in [&b""[..], b"$5\r\nab", b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let port = fake(answer, false).await;
        let connection = Connection::open(&at(port), &terms()).await.expect("connects");
        let lost = connection.ask(&[b"PING"]).await;
        assert!(matches!(lost, Err(RedisError::Lost)), "{answer:?}: {lost:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_more_than_it_was_asked_loses_the_connection() {
    let port = fake(b"+PONG\r\n+PONG\r\n", true).await;
    let connection = Connection::open(&at(port), &terms()).await.expect("connects");
    assert!(connection.ask(&[b"PING"]).await.is_ok());
    connection.closed().await;
}

#[tokio::test]
async fn a_silent_server_ends_at_the_deadline() {
    let port = fake(b"", true).await;
    let terms = Terms { answer_timeout: Duration::from_millis(50), ..terms() };
    let connection = Connection::open(&at(port), &terms).await.expect("connects");
    assert!(matches!(connection.ask(&[b"PING"]).await, Err(RedisError::Timeout)));
}

#[tokio::test]
async fn reaches_no_blocked_network() {
    let server = server(&[]);
    let blocked = BlockedNetworks::parse(["private"]).expect("is good");
    let refused = Connection::open(&at(server.port()), &Terms { blocked, ..terms() }).await.err();
    assert!(matches!(refused, Some(RedisError::Dial(DialError::Blocked { .. }))), "{refused:?}");
}
