//! A database that is not to be had.

use domain::ErrorKind;
use engines::Engine;
use store::{ConnectionUrl, Store, StoreConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Leads to a server until it is closed; from then on every connection ends as soon as it is made.
async fn door(server: String) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (close, closed) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (server, mut closed) = (server.clone(), closed.clone());
            tokio::spawn(async move {
                let through = async {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    copy_bidirectional(&mut near, &mut far).await
                };
                tokio::select! {
                    _ = closed.wait_for(|is_closed| *is_closed) => {}
                    _ = through => {}
                }
            });
        }
    });
    (address, close)
}

/// Seed 9028 of the simulator on a busy machine: a job that met nothing but closed connections said `internal`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_meets_closed_connections_alone_is_told_to_come_later() {
    let Some(engine) = Engine::postgres() else { return };
    let Engine::Postgres(database) = &engine else { return };
    let url = database.url();
    let authority = url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let (near, close) = door(authority.clone()).await;
    let config = StoreConfig::cluster(ConnectionUrl::new(url.replace(&authority, &near)));
    let store = Store::open(&config, "first").await.unwrap();
    let sku = || "SKU-1".parse().unwrap();
    assert!(store.stock(sku()).await.unwrap().is_none());
    close.send(true).unwrap();
    let read = store.stock(sku()).await.unwrap_err();
    assert_eq!(read.kind(), ErrorKind::Unavailable, "{read:?}");
    let placed = store.place_order(crate::buying::checkout(1)).await.unwrap_err();
    assert_eq!(placed.kind(), ErrorKind::Unavailable, "{placed:?}");
}
