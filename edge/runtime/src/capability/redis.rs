//! A client of Redis: many commands on one connection, each answered within its deadline.
//!
//! Own code rather than the crate `redis`: a component chooses whom it talks to, so what an answer may hold in memory
//! is bounded here while it arrives, and that crate reads whatever length a server announces.

pub(crate) mod address;
pub(crate) mod codec;

use std::time::Duration;

use manifest::BlockedNetworks;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::{
    address::Address,
    codec::{Broken, Reply},
};
use crate::dial::{DialError, dial};

/// Commands of one connection that were sent and not answered; more wait to be sent.
const UNANSWERED_MAX: usize = 256;

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisError {
    /// There is no connection.
    #[error("connect to redis: {0}")]
    Dial(#[source] DialError),
    /// The server refused password or database.
    #[error("redis refused the login: {0}")]
    Login(String),
    /// The connection ended, or the server sent what is no answer. Whether the command was carried out is unknown.
    #[error("the connection to redis is lost")]
    Lost,
    /// No answer in time. Whether the command was carried out is unknown.
    #[error("redis did not answer in time")]
    Timeout,
    /// The server answered with an error.
    #[error("redis: {0}")]
    Server(String),
    /// The server answered with something else than the command's answer.
    #[error("redis answered with another type")]
    Type,
}

/// How a connection is made and how long it waits.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) blocked: BlockedNetworks,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) answer_bytes_max: usize,
}

/// A connection; it ends when this is dropped.
pub(crate) struct Connection {
    commands: mpsc::Sender<Command>,
    answer_timeout: Duration,
}

struct Command {
    bytes: Vec<u8>,
    reply: oneshot::Sender<Reply>,
}

impl Connection {
    /// Connects and logs in.
    pub(crate) async fn open(address: &Address, terms: &Terms) -> Result<Self, RedisError> {
        let dialed = dial(&address.host, address.port, &terms.blocked, terms.connect_timeout);
        let stream = dialed.await.map_err(RedisError::Dial)?;
        let (commands, queue) = mpsc::channel(UNANSWERED_MAX);
        tokio::spawn(run(stream, queue, terms.answer_bytes_max));
        let connection = Self { commands, answer_timeout: terms.answer_timeout };
        if let Some(password) = &address.password {
            let mut login: Vec<&[u8]> = vec![b"AUTH"];
            login.extend(address.user.as_deref().map(str::as_bytes));
            login.push(password.expose().as_bytes());
            connection.log_in(&login).await?;
        }
        if address.database != 0 {
            connection.log_in(&[b"SELECT", address.database.to_string().as_bytes()]).await?;
        }
        Ok(connection)
    }

    async fn log_in(&self, command: &[&[u8]]) -> Result<(), RedisError> {
        match self.ask(command).await {
            Ok(_) => Ok(()),
            Err(RedisError::Server(reason)) => Err(RedisError::Login(reason)),
            Err(error) => Err(error),
        }
    }

    /// Whether the connection has ended: a command would not be sent.
    pub(crate) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Waits until the connection has ended.
    #[cfg(test)]
    pub(crate) async fn closed(&self) {
        self.commands.closed().await;
    }

    /// Sends `command`, its name first, and returns the answer, which is no error of the server.
    pub(crate) async fn ask(&self, command: &[&[u8]]) -> Result<Reply, RedisError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { bytes: codec::encode(command), reply };
        let asking = async {
            self.commands.send(command).await.map_err(|_| RedisError::Lost)?;
            answer.await.map_err(|_| RedisError::Lost)
        };
        match timeout(self.answer_timeout, asking).await.map_err(|_| RedisError::Timeout)?? {
            Reply::Error(reason) => Err(RedisError::Server(reason)),
            reply => Ok(reply),
        }
    }
}

/// The connection's life: until either side ends it or the server breaks the protocol.
async fn run(stream: TcpStream, commands: mpsc::Receiver<Command>, bytes_max: usize) {
    let (reader, writer) = stream.into_split();
    let (asked, answers) = mpsc::channel(UNANSWERED_MAX);
    tokio::select! {
        ended = write_all(writer, commands, asked) => {
            if let Err(error) = ended {
                tracing::debug!("writing to redis: {error}");
            }
        }
        ended = read_all(reader, answers, bytes_max) => {
            if let Err(error) = ended {
                tracing::debug!("reading from redis: {error}");
            }
        }
    }
}

/// Writes commands in order; those that wait together leave together.
async fn write_all(
    mut writer: OwnedWriteHalf,
    mut commands: mpsc::Receiver<Command>,
    asked: mpsc::Sender<oneshot::Sender<Reply>>,
) -> std::io::Result<()> {
    let mut waiting = Vec::with_capacity(UNANSWERED_MAX);
    let mut bytes = Vec::new();
    while commands.recv_many(&mut waiting, UNANSWERED_MAX).await > 0 {
        bytes.clear();
        for command in waiting.drain(..) {
            bytes.extend_from_slice(&command.bytes);
            // Before the bytes leave, or the answer could be there before anybody waits for it.
            if let Err(full) = asked.try_send(command.reply) {
                // The earlier commands must leave first: their answers make room.
                let own = bytes.len().saturating_sub(command.bytes.len());
                writer.write_all(bytes.get(..own).unwrap_or_default()).await?;
                bytes.drain(..own);
                if asked.send(full.into_inner()).await.is_err() {
                    return Ok(());
                }
            }
        }
        writer.write_all(&bytes).await?;
    }
    Ok(())
}

/// Hands each answer to the command that has waited longest.
async fn read_all(
    reader: OwnedReadHalf,
    mut asked: mpsc::Receiver<oneshot::Sender<Reply>>,
    bytes_max: usize,
) -> Result<(), Broken> {
    let mut reader = BufReader::with_capacity(16 * 1024, reader);
    loop {
        let reply = codec::read(&mut reader, bytes_max).await?;
        // An answer that nobody asked for cannot be told from one that comes too early.
        let Ok(waiting) = asked.try_recv() else { return Err(Broken::Format) };
        // Whoever asked may have given up.
        let _ = waiting.send(reply);
    }
}

#[cfg(test)]
pub(crate) mod tests;
