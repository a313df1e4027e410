//! The tables past the store: what somebody else's program, or a person, does to them.

use engines::Engine;
use tokio_postgres::{Client, NoTls};

/// Connects to a test's PostgreSQL.
pub(crate) async fn connect(engine: &Engine) -> Client {
    let Engine::Postgres(database) = engine else { panic!("not on PostgreSQL") };
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs statements in the words of each engine.
pub(crate) async fn run(engine: &Engine, sqlite: &str, postgres: &str) {
    match engine {
        Engine::Sqlite(folder) => {
            let path = folder.path().join("origin.db");
            rusqlite::Connection::open(path).unwrap().execute_batch(sqlite).unwrap();
        }
        Engine::Postgres(_) => connect(engine).await.batch_execute(postgres).await.unwrap(),
    }
}
