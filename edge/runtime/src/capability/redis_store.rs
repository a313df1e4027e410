//! A key-value store in Redis: keys and values as they are, as in Spin, so that others can read them there.

use std::sync::Arc;

use tokio::{sync::Mutex, time::timeout};

use crate::capability::{
    redis::{Connection, RedisError, Terms, address::Address, codec::Reply},
    store::{Entry, StoreError, count},
};

/// Keys that one step of `SCAN` looks at.
const SCAN_STEP: &[u8] = b"1000";

/// Writes the value if the old one is still there: an absent value is `false` in Lua.
const SWAP: &[u8] = b"local now = redis.call('GET', KEYS[1])
local same = (ARGV[1] == '0' and now == false) or (ARGV[1] == '1' and now == ARGV[2])
if same then redis.call('SET', KEYS[1], ARGV[3]) return 1 end
return 0";

/// One Redis under a label. The connection is made with the first command and again when it was lost.
pub(crate) struct RedisStore {
    address: Address,
    terms: Terms,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Server(reason) if reason.contains("not an integer") => Self::NotANumber,
            RedisError::Server(reason) if reason.contains("overflow") => Self::Overflow,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl RedisStore {
    pub(crate) fn new(address: Address, terms: Terms) -> Self {
        Self { address, terms, connection: Mutex::default() }
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        value(self.ask(&[b"GET", key.as_bytes()]).await?)
    }

    pub(crate) async fn has(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.ask(&[b"EXISTS", key.as_bytes()]).await? == Reply::Integer(1))
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>, StoreError> {
        let (mut keys, mut bytes) = (Vec::new(), 0);
        let mut cursor = b"0".to_vec();
        loop {
            // Unlike `KEYS`, it does not hold up the server's other clients.
            let Reply::List(answer) = self.ask(&[b"SCAN", &cursor, b"COUNT", SCAN_STEP]).await?
            else {
                return Err(RedisError::Type.into());
            };
            let Ok([Reply::Bulk(next), Reply::List(found)]) = <[Reply; 2]>::try_from(answer) else {
                return Err(RedisError::Type.into());
            };
            for key in found {
                // A key that is no text cannot have been set by a component.
                if let Reply::Bulk(key) = key
                    && let Ok(key) = String::from_utf8(key)
                {
                    count(&mut bytes, key.len())?;
                    keys.push(key);
                }
            }
            if next == b"0" {
                break;
            }
            cursor = next;
        }
        // `SCAN` may find a key twice.
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    pub(crate) async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let Reply::List(values) = self.ask(&command(b"MGET", &keys)).await? else {
            return Err(RedisError::Type.into());
        };
        if values.len() != keys.len() {
            return Err(RedisError::Type.into());
        }
        keys.into_iter().zip(values).map(|(key, found)| Ok((key, value(found)?))).collect()
    }

    pub(crate) async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let parts = entries.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_slice()]);
        let command: Vec<&[u8]> = std::iter::once(&b"MSET"[..]).chain(parts).collect();
        self.ask(&command).await.map(|_| ())
    }

    pub(crate) async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.ask(&command(b"DEL", &keys)).await.map(|_| ())
    }

    pub(crate) async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        match self.ask(&[b"INCRBY", key.as_bytes(), delta.to_string().as_bytes()]).await? {
            Reply::Integer(sum) => Ok(sum),
            _ => Err(RedisError::Type.into()),
        }
    }

    pub(crate) async fn swap(
        &self,
        key: &str,
        old: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let was_there: &[u8] = if old.is_some() { b"1" } else { b"0" };
        let old = old.unwrap_or_default();
        let command = [b"EVAL", SWAP, b"1", key.as_bytes(), was_there, &old, &value];
        Ok(self.ask(&command).await? == Reply::Integer(1))
    }

    async fn ask(&self, command: &[&[u8]]) -> Result<Reply, StoreError> {
        let connection = self.connection().await?;
        let answer = connection.ask(command).await;
        if let Err(RedisError::Timeout) = answer {
            // Whatever waits behind the answer that does not come would wait as long.
            let mut current = self.connection.lock().await;
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &connection)) {
                *current = None;
            }
        }
        Ok(answer?)
    }

    /// The connection of now, or a new one; who comes meanwhile waits for the same.
    async fn connection(&self) -> Result<Arc<Connection>, RedisError> {
        // While a server is gone, each command before this one may be waiting for a connection of its own.
        let waited = timeout(self.terms.answer_timeout, self.connection.lock()).await;
        let mut current = waited.map_err(|_| RedisError::Timeout)?;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(Connection::open(&self.address, &self.terms).await?);
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

fn command<'a>(name: &'a [u8], keys: &'a [String]) -> Vec<&'a [u8]> {
    std::iter::once(name).chain(keys.iter().map(String::as_bytes)).collect()
}

fn value(reply: Reply) -> Result<Option<Vec<u8>>, StoreError> {
    match reply {
        Reply::Nil => Ok(None),
        Reply::Bulk(value) => Ok(Some(value)),
        _ => Err(RedisError::Type.into()),
    }
}

#[cfg(test)]
mod tests;
