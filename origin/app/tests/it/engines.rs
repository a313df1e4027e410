//! Every test runs over both engines.

use store::{ConnectionUrl, Store, StoreConfig};

/// Where one test keeps its store.
pub(crate) enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres(pgcluster::TestDatabase),
}

impl Engine {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// Nothing where no server is named.
    pub(crate) fn postgres() -> Option<Self> {
        pgcluster::TestDatabase::create().map(Self::Postgres)
    }

    /// Another place of the same kind, with nothing in it.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Postgres(_) => Self::postgres().unwrap(),
        }
    }

    pub(crate) fn config(&self) -> StoreConfig {
        match self {
            Self::Sqlite(folder) => StoreConfig::file(folder.path().join("origin.db")),
            Self::Postgres(database) => StoreConfig::cluster(ConnectionUrl::new(database.url())),
        }
    }

    /// Opens the store, now or again.
    pub(crate) async fn open(&self, epoch: &str) -> Store {
        Store::open(&self.config(), epoch).await.unwrap()
    }
}

/// Makes a test of each function for each engine.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::engines::Engine::sqlite()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(engine) = $crate::engines::Engine::postgres() {
                        super::$name(engine).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_every_engine;
