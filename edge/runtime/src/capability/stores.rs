//! Which key-value stores there are: those of the runtime configuration, and `default`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use manifest::{BlockedNetworks, KeyValueStore, RuntimeConfig};

use crate::{
    Limits, LoadError,
    capability::{
        file_store::{FileStore, StoreFile},
        memory_store::MemoryStore,
        redis::{Terms, address::Address},
        redis_store::RedisStore,
        store::{ANSWER_BYTES_MAX, SharedStore, Store, StoreError},
    },
};

/// The store that every node has. Unless configured otherwise it is in memory: Spin's own flushes to the disk for each
/// write, which a counter per request cannot afford.
const DEFAULT: &str = "default";

/// Opens every store; files are made where absent, and Redis is looked for when it is first used.
pub(crate) fn open(
    config: &RuntimeConfig,
    limits: &Limits,
) -> Result<BTreeMap<String, SharedStore>, LoadError> {
    let memory =
        || Store::Memory(MemoryStore::new(limits.store_entries_max, limits.store_bytes_max));
    let mut stores = BTreeMap::from([(DEFAULT.to_owned(), Arc::new(memory()))]);
    // One writer per file, however many labels are in it.
    let mut files: BTreeMap<PathBuf, Arc<StoreFile>> = BTreeMap::new();
    for (label, configured) in config.key_value_stores() {
        let refused = |error: StoreError| LoadError::OpenStore {
            label: label.clone(),
            reason: error.to_string(),
        };
        let store = match configured {
            KeyValueStore::Spin { path: None } => memory(),
            KeyValueStore::Spin { path: Some(path) } => {
                let file = match files.get(path) {
                    Some(file) => Arc::clone(file),
                    None => StoreFile::open(path).map_err(refused)?,
                };
                files.insert(path.clone(), Arc::clone(&file));
                Store::File(FileStore::new(file, label))
            }
            KeyValueStore::Redis { url } => {
                let broken = || StoreError::Unavailable("its url cannot be read".to_owned());
                let address = Address::parse(url.expose()).ok_or_else(broken).map_err(refused)?;
                Store::Redis(RedisStore::new(address, terms(limits)))
            }
        };
        stores.insert(label.clone(), Arc::new(store));
    }
    Ok(stores)
}

/// The operator chose the server: no network is blocked on the way to it.
fn terms(limits: &Limits) -> Terms {
    Terms {
        blocked: BlockedNetworks::default(),
        connect_timeout: limits.connect_timeout,
        answer_timeout: limits.statement_timeout,
        answer_bytes_max: ANSWER_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Result<BTreeMap<String, SharedStore>, LoadError> {
        let config = RuntimeConfig::parse(text, std::path::Path::new("/")).expect("is good");
        open(&config, &Limits::default())
    }

    #[tokio::test]
    async fn default_is_in_memory_unless_the_file_says_otherwise() {
        let stores = opened("").expect("opens");
        assert!(stores.keys().eq(["default"]) && matches!(*stores["default"], Store::Memory(_)));
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("kv.db");
        let text = format!("[key_value_store.default]\ntype = 'spin'\npath = {path:?}");
        let stores = opened(&text).expect("opens");
        stores["default"].set("k", b"v".to_vec()).await.expect("writes");
        assert!(path.is_file());
    }

    #[tokio::test]
    async fn labels_in_one_file_share_its_writer_and_not_their_entries() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("kv.db");
        let table = |label| format!("[key_value_store.{label}]\ntype = 'spin'\npath = {path:?}\n");
        let stores = opened(&format!("{}{}", table("a"), table("b"))).expect("opens");
        let set = |label: &str| {
            let store = Arc::clone(&stores[label]);
            let value = label.as_bytes().to_vec();
            async move { store.set("k", value).await }
        };
        assert_eq!(tokio::join!(set("a"), set("b")), (Ok(()), Ok(())));
        assert_eq!(stores["a"].get("k").await, Ok(Some(b"a".to_vec())));
    }

    #[test]
    fn refuses_what_cannot_be_opened_by_its_label() {
        let dir = tempfile::tempdir().expect("makes a folder");
        for table in [
            format!("type = 'spin'\npath = {:?}", dir.path()),
            "type = 'redis'\nurl = 'redis://host:port'".to_owned(),
        ] {
            let refused = opened(&format!("[key_value_store.mine]\n{table}")).err();
            let said = refused.expect("is refused").to_string();
            assert!(said.contains("`mine`"), "{said}");
        }
    }
}
