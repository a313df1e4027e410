//! Where a test keeps its store: a file, or a database of its own in a PostgreSQL server.
//!
//! Layer: dev (L5). For the integration tests of `store` and `app`, each of which runs on both.
//! Not here: the server (`pgcluster`, `cargo xtask test`).
//! Start at [`on_every_engine!`].
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

use store::{ConnectionUrl, Store, StoreConfig};

/// Where one test keeps its store; gone with it.
#[derive(Debug)]
pub enum Engine {
    /// In a file of this folder.
    Sqlite(tempfile::TempDir),
    /// In this database.
    Postgres(pgcluster::TestDatabase),
}

impl Engine {
    /// A place for a file.
    ///
    /// # Panics
    /// When the machine gives no folder.
    #[must_use]
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A database; nothing where no server is named.
    #[must_use]
    pub fn postgres() -> Option<Self> {
        pgcluster::TestDatabase::create().map(Self::Postgres)
    }

    /// Another place of the same kind, with nothing in it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn another(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Postgres(_) => Self::postgres().unwrap(),
        }
    }

    /// How the store is opened.
    #[must_use]
    pub fn config(&self) -> StoreConfig {
        match self {
            Self::Sqlite(folder) => StoreConfig::file(folder.path().join("origin.db")),
            Self::Postgres(database) => StoreConfig::cluster(ConnectionUrl::new(database.url())),
        }
    }

    /// Opens the store, now or again.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open(&self, epoch: &str) -> Store {
        Store::open(&self.config(), epoch).await.unwrap()
    }
}

/// Makes a test of each function for each engine.
#[macro_export]
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::Engine::sqlite()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(engine) = $crate::Engine::postgres() {
                        super::$name(engine).await;
                    }
                }
            )*
        }
    };
}
