//! Uses every function of the store interfaces once and answers what came back, one line each.

use std::fmt::Debug;

use spin_sdk::{
    experimental::wasi::keyvalue::{atomics, batch, store},
    http::Request,
    key_value::Store,
    redis::{Connection, RedisParameter},
};

use crate::{Answer, header, text};

/// Batch, atomics and listing on the store `x-store`.
pub(crate) async fn batch(request: &Request) -> Answer {
    let label = header(request, "x-store");
    let bucket = match store::open(label) {
        Ok(bucket) => bucket,
        Err(error) => return text(403, format!("{error:?}")),
    };
    let entries = [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())];
    let names = ["a", "b", "x"].map(str::to_owned);
    let mut lines = Lines::default();
    lines.add("set-many", batch::set_many(&bucket, &entries));
    lines.add("get-many", batch::get_many(&bucket, &names));
    lines.add("increment", atomics::increment(&bucket, "n", 41));
    lines.add("increment", atomics::increment(&bucket, "n", 1));
    lines.add("exists", bucket.exists("n"));
    lines.add("list-keys", bucket.list_keys(None).map(|page| (page.keys, page.cursor)));
    match atomics::Cas::new(&bucket, "a") {
        Err(error) => lines.add("cas", Err::<(), _>(error)),
        Ok(cas) => {
            lines.add("current", cas.current());
            lines.add("set", bucket.set("a", b"changed"));
            match atomics::swap(cas, b"lost") {
                Err(atomics::CasError::CasFailed(again)) => {
                    lines.add("swap failed, current", again.current());
                    lines.add("swap", atomics::swap(again, b"won").is_ok());
                }
                other => lines.add("swap", other.is_ok()),
            }
        }
    }
    lines.add("get", bucket.get("a"));
    lines.add("delete-many", batch::delete_many(&bucket, &names));
    lines.add("delete", bucket.delete("n"));
    lines.add("keys", keys(label).await);
    text(200, lines.0)
}

/// All keys of a store, as the stream gives them.
async fn keys(label: &str) -> Result<Vec<String>, String> {
    let store = Store::open(label).await.map_err(|error| format!("{error:?}"))?;
    store.get_keys().await.collect().await.map_err(|error| format!("{error:?}"))
}

/// Every function of `spin:redis` at `x-url`; with `x-command` only that one, without arguments.
pub(crate) async fn redis(request: &Request) -> Answer {
    let connection = match Connection::open(header(request, "x-url")).await {
        Ok(connection) => connection,
        Err(error) => return text(403, format!("{error:?}")),
    };
    let mut lines = Lines::default();
    let command = header(request, "x-command");
    if !command.is_empty() {
        lines.add(command, connection.execute(command, []).await);
        return text(200, lines.0);
    }
    lines.add("set", connection.set("k", b"v").await);
    lines.add("get", connection.get("k").await);
    lines.add("get", connection.get("absent").await);
    lines.add("incr", connection.incr("n").await);
    lines.add("incr", connection.incr("k").await);
    lines.add("sadd", connection.sadd("s", ["a", "b"]).await);
    lines.add("srem", connection.srem("s", ["a", "x"]).await);
    lines.add("smembers", connection.smembers("s").await);
    lines.add("publish", connection.publish("channel", b"message").await);
    let arguments = [RedisParameter::Binary(b"list".to_vec()), RedisParameter::Int64(7)];
    lines.add("rpush", connection.execute("RPUSH", arguments).await);
    lines.add("del", connection.del(["k", "n", "absent"]).await);
    text(200, lines.0)
}

/// Lines of `name: answer`.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, answer: impl Debug) {
        self.0.push_str(&format!("{name}: {answer:?}\n"));
    }
}
