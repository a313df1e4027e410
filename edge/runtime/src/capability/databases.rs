//! Which SQLite databases there are: those of the runtime configuration, and `default`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use manifest::{BlockedNetworks, RuntimeConfig, SqliteDatabase};

use crate::{
    DatabaseSource, Limits, LoadError,
    capability::database::{Database, StatementError, remote::RemoteDatabase},
    outbound,
};

/// The database that every node has: the replica, or a local file.
const DEFAULT: &str = "default";
/// The local file of `default`, in the state directory: named as in Spin, so that its directory can be taken over.
const DEFAULT_FILE: &str = "sqlite_db.db";

/// Opens every database. The replica keeps its label, whatever the file says: it cannot be written.
pub(crate) fn open(
    config: &RuntimeConfig,
    replica: Option<&Arc<dyn DatabaseSource>>,
    state_dir: &Path,
    limits: &Arc<Limits>,
) -> Result<BTreeMap<String, Arc<Database>>, LoadError> {
    let default = match replica {
        Some(source) => Database::replica(Arc::clone(source), Arc::clone(limits)),
        None => Database::local(state_dir.join(DEFAULT_FILE), Arc::clone(limits)),
    };
    let mut databases = BTreeMap::from([(DEFAULT.to_owned(), Arc::new(default))]);
    // The operator chose the servers: no network is blocked on the way to them.
    let client = outbound::client(limits, &BlockedNetworks::default());
    for (label, configured) in config.sqlite_databases() {
        let refused = |error: StatementError| LoadError::OpenDatabase {
            label: label.clone(),
            reason: error.to_string(),
        };
        if label == DEFAULT && replica.is_some() {
            return Err(refused(StatementError("the replica has this label".to_owned())));
        }
        let database = match configured {
            SqliteDatabase::Spin { path: None } => {
                Database::memory(Arc::clone(limits)).map_err(refused)?
            }
            SqliteDatabase::Spin { path: Some(path) } => {
                let unfit = |cause: std::io::Error| refused(StatementError(cause.to_string()));
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(unfit)?;
                }
                let database = Database::local(path.clone(), Arc::clone(limits));
                database.try_open().map_err(refused)?;
                database
            }
            SqliteDatabase::Libsql { url, token } => {
                let remote = RemoteDatabase::new(url, token, client.clone(), limits);
                Database::remote(remote.map_err(refused)?, Arc::clone(limits))
            }
        };
        databases.insert(label.clone(), Arc::new(database));
    }
    Ok(databases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatabaseFile;

    struct Nothing;

    impl DatabaseSource for Nothing {
        fn current(&self) -> Option<DatabaseFile> {
            None
        }
    }

    fn opened(
        text: &str,
        replica: Option<&Arc<dyn DatabaseSource>>,
        dir: &Path,
    ) -> Result<BTreeMap<String, Arc<Database>>, LoadError> {
        let config = RuntimeConfig::parse(text, dir).expect("is good");
        open(&config, replica, dir, &Arc::new(Limits::default()))
    }

    #[tokio::test]
    async fn opens_what_the_file_says_and_default() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("folder/own.db");
        let text = format!(
            "[sqlite_database.own]\ntype = 'spin'\npath = {path:?}\n[sqlite_database.scratch]\ntype = 'spin'\n\
             [sqlite_database.far]\ntype = 'libsql'\nurl = 'http://127.0.0.1:1'\ntoken = ''"
        );
        let databases = opened(&text, None, dir.path()).expect("opens");
        assert!(databases.keys().eq(["default", "far", "own", "scratch"]));
        for label in ["default", "own", "scratch"] {
            let ran = Arc::clone(&databases[label]).execute("CREATE TABLE t (n)".into(), vec![]);
            assert!(ran.await.is_ok(), "{label}");
        }
        assert!(path.is_file());
    }

    #[test]
    fn refuses_what_cannot_be_opened_by_its_label() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let garbage = dir.path().join("garbage.db");
        std::fs::write(&garbage, [7; 5000]).expect("writes");
        for path in [dir.path(), &garbage, &garbage.join("below.db")] {
            let text = format!("[sqlite_database.mine]\ntype = 'spin'\npath = {path:?}");
            let refused = opened(&text, None, dir.path()).err().expect("is refused").to_string();
            assert!(refused.contains("`mine`"), "{refused}");
        }
    }

    #[test]
    fn a_replica_is_not_replaced() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let replica: Arc<dyn DatabaseSource> = Arc::new(Nothing);
        let text = "[sqlite_database.default]\ntype = 'spin'";
        assert!(opened(text, Some(&replica), dir.path()).is_err());
        assert!(opened("", Some(&replica), dir.path()).is_ok());
    }
}
