//! A client that speaks HTTP/2 by a library: what arrives is what a browser would see.

use std::future::{Future, poll_fn};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::{proxied::PATIENCE, tls};

/// A connection that is driven.
pub(crate) struct Client {
    pub(crate) sender: SendRequest<Bytes>,
    /// Ends with the connection.
    pub(crate) ended: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, wholly read.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answered {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the first value of `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("is text"))
    }
}

/// A request that is on its way.
pub(crate) struct Asking {
    pub(crate) response: ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        let (sender, connection) = client::handshake(stream).await.expect("shakes hands");
        Self { sender, ended: tokio::spawn(connection) }
    }

    pub(crate) async fn connect_tls(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        let connector = tokio_rustls::TlsConnector::from(tls::client(&["h2", "http/1.1"]));
        let stream = connector.connect(tls::name(), stream).await.expect("shakes hands");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = client::handshake(stream).await.expect("shakes hands");
        Self { sender, ended: tokio::spawn(connection) }
    }

    /// Sends a head; `is_whole` says that no body follows.
    pub(crate) async fn begin(&self, request: Request<()>, is_whole: bool) -> Asking {
        let mut sender = self.sender.clone().ready().await.expect("is ready");
        let (response, body) = sender.send_request(request, is_whole).expect("is sent");
        Asking { response, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.begin(get(path), true).await.answered().await.expect("answers")
    }
}

impl Asking {
    /// Waits for a head that comes before the answer; `None` when the answer is there.
    pub(crate) async fn ahead(&mut self) -> Option<Response<()>> {
        let ahead = poll_fn(|cx| self.response.poll_informational(cx)).await;
        ahead.map(|head| head.expect("is whole"))
    }

    /// Sends some of the body, as the node makes room for it.
    pub(crate) async fn put(&mut self, mut data: Bytes, is_last: bool) {
        while !data.is_empty() {
            self.body.reserve_capacity(data.len());
            let room = poll_fn(|cx| self.body.poll_capacity(cx)).await;
            let room = room.expect("is open").expect("is open").min(data.len());
            let piece = data.split_to(room);
            self.body.send_data(piece, is_last && data.is_empty()).expect("is sent");
        }
    }

    /// Reads the answer to its end.
    pub(crate) async fn answered(self) -> Result<Answered, h2::Error> {
        let (parts, mut stream) = self.response.await?.into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data?;
            body.extend_from_slice(&data);
            stream.flow_control().release_capacity(data.len())?;
        }
        let trailers = stream.trailers().await?;
        let status = parts.status.as_u16();
        Ok(Answered { status, headers: parts.headers, body, trailers })
    }
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://edge.test{path}")).body(()).expect("is a request")
}

/// Runs a test that has to end in time.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("starts").block_on(async {
        timeout(PATIENCE, test).await.expect("ends in time");
    });
}
