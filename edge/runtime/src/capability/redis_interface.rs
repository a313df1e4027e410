//! `spin:redis`: each open connection is a connection of its own, for a component may change its state (`SELECT`,
//! `MULTI`, `SUBSCRIBE`).

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Accessor, Resource};

use crate::{
    bindings::spin::redis::redis::{self, Error, RedisParameter, RedisResult},
    capability::redis::{Connection, RedisError, Terms, address::Address, codec::Reply},
    host::{Granted, Host},
};

/// An open connection: what a guest's handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenRedis {
    connection: Arc<Connection>,
    /// Room for one connection, given back with the handle.
    _permit: OwnedSemaphorePermit,
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Type => Self::TypeError,
            RedisError::Server(reason)
                if reason.starts_with("WRONGTYPE") || reason.contains("not an integer") =>
            {
                Self::TypeError
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// Sends a command on the connection behind `handle`.
async fn ask(
    accessor: &Accessor<Host, Granted>,
    handle: &Resource<OpenRedis>,
    command: &[&[u8]],
) -> wasmtime::Result<Result<Reply, Error>> {
    let connection = accessor.with(|mut access| {
        wasmtime::Result::<_>::Ok(Arc::clone(&access.get().table.get(handle)?.connection))
    })?;
    Ok(connection.ask(command).await.map_err(Into::into))
}

/// Opens a connection to an allowed host, as long as there is room.
async fn open(
    accessor: &Accessor<Host, Granted>,
    url: &str,
) -> wasmtime::Result<Result<Resource<OpenRedis>, Error>> {
    let Some(address) = Address::parse(url) else { return Ok(Err(Error::InvalidAddress)) };
    let (is_allowed, permits, terms) = accessor.with(|mut access| {
        let host = access.get();
        let is_allowed = host.outbound.allows("redis", &address.host, address.port);
        let terms: Terms = host.outbound.redis_terms();
        (is_allowed, Arc::clone(&host.capabilities.redis_permits), terms)
    });
    if !is_allowed {
        tracing::warn!(host = address.host, "redis connection refused: the host is not allowed");
        return Ok(Err(Error::InvalidAddress));
    }
    let Ok(permit) = permits.try_acquire_owned() else {
        return Ok(Err(Error::TooManyConnections));
    };
    let connection = match Connection::open(&address, &terms).await {
        Ok(connection) => Arc::new(connection),
        Err(error) => return Ok(Err(error.into())),
    };
    let opened = OpenRedis { connection, _permit: permit };
    accessor.with(|mut access| Ok(Ok(access.get().table.push(opened)?)))
}

/// A command's name and its arguments.
fn parts<'a>(name: &'a str, arguments: impl IntoIterator<Item = &'a str>) -> Vec<&'a [u8]> {
    std::iter::once(name).chain(arguments).map(str::as_bytes).collect()
}

fn done(reply: Result<Reply, Error>) -> Result<(), Error> {
    reply.map(|_| ())
}

fn payload(reply: Result<Reply, Error>) -> Result<Option<Vec<u8>>, Error> {
    match reply? {
        Reply::Nil => Ok(None),
        Reply::Bulk(value) => Ok(Some(value)),
        _ => Err(Error::TypeError),
    }
}

fn integer(reply: Result<Reply, Error>) -> Result<i64, Error> {
    match reply? {
        Reply::Integer(number) => Ok(number),
        _ => Err(Error::TypeError),
    }
}

fn count(reply: Result<Reply, Error>) -> Result<u32, Error> {
    u32::try_from(integer(reply)?).map_err(|_| Error::TypeError)
}

fn texts(reply: Result<Reply, Error>) -> Result<Vec<String>, Error> {
    let Reply::List(members) = reply? else { return Err(Error::TypeError) };
    let text = |member| match member {
        Reply::Bulk(bytes) => String::from_utf8(bytes).map_err(|_| Error::TypeError),
        _ => Err(Error::TypeError),
    };
    members.into_iter().map(text).collect()
}

/// The values of an answer one after the other, lists in lists laid flat, as Spin does it.
fn results(reply: Reply) -> Vec<RedisResult> {
    let mut results = Vec::new();
    let mut open = vec![vec![reply].into_iter()];
    while let Some(values) = open.last_mut() {
        match values.next() {
            None => {
                open.pop();
            }
            Some(Reply::List(inner)) => open.push(inner.into_iter()),
            Some(Reply::Nil) => results.push(RedisResult::Nil),
            Some(Reply::Integer(number)) => results.push(RedisResult::Int64(number)),
            Some(Reply::Bulk(bytes)) => results.push(RedisResult::Binary(bytes)),
            Some(Reply::Status(text) | Reply::Error(text)) => {
                results.push(RedisResult::Status(text));
            }
        }
    }
    results
}

impl redis::HostConnectionWithStore<Host> for Granted {
    async fn open(
        accessor: &Accessor<Host, Self>,
        address: String,
    ) -> wasmtime::Result<Result<Resource<OpenRedis>, Error>> {
        open(accessor, &address).await
    }

    async fn publish(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        channel: String,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let command = [b"PUBLISH", channel.as_bytes(), &payload];
        Ok(done(ask(accessor, &handle, &command).await?))
    }

    async fn get(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(payload(ask(accessor, &handle, &[b"GET", key.as_bytes()]).await?))
    }

    async fn set(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(done(ask(accessor, &handle, &[b"SET", key.as_bytes(), &value]).await?))
    }

    async fn incr(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        key: String,
    ) -> wasmtime::Result<Result<i64, Error>> {
        Ok(integer(ask(accessor, &handle, &[b"INCR", key.as_bytes()]).await?))
    }

    async fn del(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let command = parts("DEL", keys.iter().map(String::as_str));
        Ok(count(ask(accessor, &handle, &command).await?))
    }

    async fn sadd(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        key: String,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let arguments = std::iter::once(&key).chain(&values).map(String::as_str);
        Ok(count(ask(accessor, &handle, &parts("SADD", arguments)).await?))
    }

    async fn smembers(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        key: String,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        Ok(texts(ask(accessor, &handle, &[b"SMEMBERS", key.as_bytes()]).await?))
    }

    async fn srem(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        key: String,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let arguments = std::iter::once(&key).chain(&values).map(String::as_str);
        Ok(count(ask(accessor, &handle, &parts("SREM", arguments)).await?))
    }

    async fn execute(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenRedis>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> wasmtime::Result<Result<Vec<RedisResult>, Error>> {
        let arguments = arguments.into_iter().map(|argument| match argument {
            RedisParameter::Int64(number) => number.to_string().into_bytes(),
            RedisParameter::Binary(bytes) => bytes,
        });
        let arguments: Vec<Vec<u8>> = arguments.collect();
        let name = std::iter::once(command.as_bytes());
        let command: Vec<&[u8]> = name.chain(arguments.iter().map(Vec::as_slice)).collect();
        Ok(ask(accessor, &handle, &command).await?.map(results))
    }
}

impl redis::HostConnection for Host {
    fn drop(&mut self, handle: Resource<OpenRedis>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl redis::Host for Host {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_lists_flat_in_their_order() {
        let inner = Reply::List(vec![Reply::Integer(2), Reply::List(vec![Reply::Nil])]);
        let reply =
            Reply::List(vec![Reply::Bulk(b"1".to_vec()), inner, Reply::Status("OK".into())]);
        let shown = format!("{:?}", results(reply));
        let at = |word| shown.find(word).expect(word);
        assert!(at("Binary") < at("Int64") && at("Int64") < at("Nil") && at("Nil") < at("Status"));
        assert!(results(Reply::List(Vec::new())).is_empty());
    }
}
