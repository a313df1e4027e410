//! The stand-in as a process of its own, which also delivers its webhooks. For `cargo xtask up --stripe`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use fake_stripe::{Delivery, FakeStripe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Plays Stripe on this machine: API, Stripe.js and the pages of banks. No money moves.
#[derive(Debug, Parser)]
struct Cli {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Where webhooks go, as host:port; each to the next one.
    #[arg(long = "webhook-host", required = true)]
    webhook_hosts: Vec<String>,
    /// The path that takes them.
    #[arg(long, default_value = "/internal/payments/webhook")]
    webhook_path: String,
    /// Folder for its keys, `key`, `webhook-secret` and `publishable-key`: the same each time, and no secrets.
    #[arg(long)]
    data: PathBuf,
}

/// How often it looks for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Longest delivery of one webhook.
const DELIVERY_LIMIT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    for (name, text) in [
        ("key", fake_stripe::SECRET_KEY),
        ("webhook-secret", fake_stripe::WEBHOOK_SECRET),
        ("publishable-key", fake_stripe::PUBLISHABLE_KEY),
    ] {
        let file = cli.data.join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let stripe = FakeStripe::start_at(cli.listen).await.context("start the stand-in")?;
    let (mut told, mut turn) = (0, 0_usize);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for delivery in stripe.deliveries().into_iter().skip(told) {
            let host = &cli.webhook_hosts[turn % cli.webhook_hosts.len()];
            turn += 1;
            let sent = deliver(host, &cli.webhook_path, &delivery);
            if !matches!(tokio::time::timeout(DELIVERY_LIMIT, sent).await, Ok(Ok(()))) {
                // The same again at the next look, in its order.
                break;
            }
            told += 1;
        }
    }
}

async fn deliver(host: &str, path: &str, delivery: &Delivery) -> Result<()> {
    let mut stream = TcpStream::connect(host).await.context("connect")?;
    let Delivery { signature, body } = delivery;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nstripe-signature: {signature}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.context("send")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.context("read the answer")?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "the shop refused a webhook");
    Ok(())
}
