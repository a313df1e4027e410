//! The other yardstick: gateway and cores without WebAssembly, behind hyper, in a process of its own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use native::{Native, Settings};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::pair;

/// Which application is served natively.
#[derive(Debug, Args)]
pub(crate) struct NativeArgs {
    /// The clone.
    #[arg(long)]
    root: PathBuf,
    /// The origin.
    #[arg(long)]
    origin: String,
    /// File with the secret that the origin's edges sign with.
    #[arg(long)]
    secret_file: PathBuf,
    /// An empty folder for the replica.
    #[arg(long)]
    folder: PathBuf,
    /// Variables of the application.
    #[arg(long = "variable", value_parser = pair)]
    variables: Vec<(String, String)>,
}

/// Serves on one thread until the process is killed.
pub(crate) async fn serve(args: NativeArgs) -> Result<()> {
    let secret = std::fs::read_to_string(&args.secret_file)
        .with_context(|| format!("read {}", args.secret_file.display()))?;
    let settings = Settings {
        root: args.root,
        origin_url: args.origin,
        secret: secret.trim().to_owned(),
        variables: args.variables,
        folder: args.folder,
        node_id: "native".to_owned(),
    };
    let native = Rc::new(Native::start(settings).await?);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("listen for the native server")?;
    let address = listener.local_addr().context("listen for the native server")?;
    writeln!(std::io::stdout(), "listening http://{address}").context("say where it listens")?;
    // Gateway and cores keep their state in cells, as in a component: nothing leaves the thread.
    LocalSet::new().run_until(accept(listener, native)).await
}

async fn accept(listener: TcpListener, native: Rc<Native>) -> Result<()> {
    loop {
        let (stream, peer) = listener.accept().await.context("accept a connection")?;
        stream.set_nodelay(true).context("set up a connection")?;
        let native = Rc::clone(&native);
        let client = HeaderValue::try_from(peer.to_string()).context("name a client")?;
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(&native, &client, request));
            // The client closes connections when its turn is over; that is no error here.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    native: &Native,
    client: &HeaderValue,
    request: Request<Incoming>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let (mut head, body) = request.into_parts();
    head.headers.append("spin-client-addr", client.clone());
    let body = body.collect().await?.to_bytes();
    Ok(match native.answer(&head, body).await {
        Ok(answer) => answer.map(Full::new),
        Err(_) => {
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        }
    })
}
