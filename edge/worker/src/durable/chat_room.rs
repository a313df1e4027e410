//! One chat room: its sockets, which may sleep, and its last messages.

use api_types::rooms::{ChatFault, ChatMember, ChatMessage, ServerFrame, read, write};
use domain::Timestamp;
use rooms_core::chat::{self, Closing, Frame, Heard, Sweep};
use worker::{
    DurableObject, Env, Error, Method, Request, Response, Result, SqlStorage, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, WebSocketRequestResponsePair, durable_object,
};

use super::{count, from_now, integer, number, rows, status, text};
use crate::log;
use crate::ports::now;

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS room (id INTEGER PRIMARY KEY CHECK (id = 1), last_at_ms INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, member TEXT NOT NULL, name TEXT NOT NULL, \
     text TEXT NOT NULL, sent_at_ms INTEGER NOT NULL)",
];

/// One chat room.
#[durable_object]
#[derive(Debug)]
pub struct ChatRoom {
    state: State,
}

impl DurableObject for ChatRoom {
    fn new(state: State, _env: Env) -> Self {
        if let Ok(pair) = WebSocketRequestResponsePair::new(chat::PING, chat::PONG) {
            state.set_websocket_auto_response(&pair);
        }
        Self { state }
    }

    /// POST makes the room. GET opens a socket, `?after=` names what its client has, `&member=` 16 hex digits:
    /// 404 where there is no room, 503 where there is no place.
    async fn fetch(&self, request: Request) -> Result<Response> {
        let sql = self.sql()?;
        if request.method() == Method::Post {
            let statement =
                "INSERT INTO room (id, last_at_ms) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING";
            sql.exec(statement, vec![number(now().unix_ms())])?;
            self.state.storage().set_alarm(chat::KEPT).await?;
            return Ok(status(200));
        }
        if last_at(&sql)?.is_none() {
            return Ok(status(404));
        }
        if self.state.get_websockets().len() >= chat::SOCKETS_MAX {
            return Ok(status(503));
        }
        // The earliest moment at which this socket can have been silent for too long.
        let alarm = self.state.storage().get_alarm().await?;
        let idle_at = now().after(chat::IDLE);
        if alarm.is_none_or(|at| at > idle_at.unix_ms()) {
            self.state.storage().set_alarm(chat::IDLE).await?;
        }
        self.join(&sql, request.url()?.query())
    }

    async fn websocket_message(
        &self,
        socket: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        let Some(mut member) = member(&socket) else {
            let _closed_already = socket.close(Some(1011), Some("unknown member"));
            return Ok(());
        };
        let frame = match &message {
            WebSocketIncomingMessage::String(text) => Frame::Text(text),
            WebSocketIncomingMessage::Binary(bytes) => Frame::Binary(bytes.len()),
        };
        let heard = chat::hear(&mut member, frame, now());
        socket.serialize_attachment(write(&member))?;
        match heard {
            Heard::Say { text, id } => self.say(&socket, &member, text, id),
            Heard::Renamed => {}
            Heard::Refuse(frame) => tell(&socket, &frame),
            Heard::Close(closing) => close(&socket, closing),
        }
        Ok(())
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        // A close frame is answered with one (RFC 6455, section 5.5.1).
        let _closed_already = socket.close(Some(1000), Some(""));
        self.left(&socket);
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.left(&socket);
        Ok(())
    }

    /// Closes silent sockets; forgets the room when its time has come.
    async fn alarm(&self) -> Result<Response> {
        let sql = self.sql()?;
        let now = now();
        let mut heard = Vec::new();
        for socket in self.state.get_websockets() {
            match member(&socket).filter(|member| !chat::is_idle(member, now)) {
                Some(member) => heard.push(Timestamp::from_unix_ms(member.heard_at_ms)),
                None => close(&socket, Closing::Idle),
            }
        }
        let last_at = last_at(&sql)?.unwrap_or(Timestamp::from_unix_ms(0));
        match chat::sweep(&heard, last_at, now) {
            Sweep::Again(at) => self.state.storage().set_alarm(from_now(at, now)).await?,
            Sweep::Forget => {
                for socket in self.state.get_websockets() {
                    close(&socket, Closing::Expired);
                }
                self.state.storage().delete_all().await?;
            }
        }
        Ok(status(200))
    }
}

impl ChatRoom {
    fn sql(&self) -> Result<SqlStorage> {
        let sql = self.state.storage().sql();
        for statement in SCHEMA {
            sql.exec(statement, None)?;
        }
        Ok(sql)
    }

    fn join(&self, sql: &SqlStorage, query: Option<&str>) -> Result<Response> {
        let after = chat::after(query);
        let member = chat::arrive(random(query), now());
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
        pair.server.serialize_attachment(write(&member))?;
        let statement = "SELECT seq, member, name, text, sent_at_ms FROM messages ORDER BY seq";
        let kept: Vec<ChatMessage> =
            rows(sql, statement, Vec::new())?.iter().map(|row| message(row)).collect();
        let first = kept.first().map_or(0, |message| message.seq);
        let welcome = ServerFrame::Welcome {
            member: member.member,
            first,
            last: kept.last().map_or(0, |message| message.seq),
            has_gap: chat::has_gap(after, first),
            present: self.present(None),
        };
        tell(&pair.server, &welcome);
        for message in
            kept.into_iter().filter(|message| after.is_none_or(|after| message.seq > after))
        {
            tell(&pair.server, &ServerFrame::Message(message));
        }
        self.tell_others(&pair.server, &ServerFrame::Presence { present: self.present(None) });
        Response::from_websocket(pair.client)
    }

    /// Keeps a message, then tells everybody; its writer also which one it was.
    fn say(&self, socket: &WebSocket, member: &ChatMember, text: String, id: Option<String>) {
        match self.keep(member, text) {
            Ok(message) => {
                tell(socket, &ServerFrame::Message(ChatMessage { id, ..message.clone() }));
                self.tell_others(socket, &ServerFrame::Message(message));
            }
            Err(error) => {
                log::error("chat room", &error.to_string());
                let detail = "the message was not kept".to_owned();
                let code = ChatFault::Internal;
                tell(socket, &ServerFrame::Error { code, detail, retry_after_s: Some(1) });
            }
        }
    }

    fn keep(&self, member: &ChatMember, text: String) -> Result<ChatMessage> {
        let (sql, now) = (self.sql()?, now());
        let statement = "INSERT INTO messages (seq, member, name, text, sent_at_ms) \
             SELECT coalesce(max(seq), 0) + 1, ?1, ?2, ?3, ?4 FROM messages RETURNING seq";
        let parameters = vec![
            member.member.as_str().into(),
            member.name.as_str().into(),
            text.as_str().into(),
            number(now.unix_ms()),
        ];
        let seq = rows(&sql, statement, parameters)?.first().map_or(0, |row| integer(row, 0));
        let seq = u64::try_from(seq).unwrap_or(0);
        let oldest = count(seq.saturating_sub(chat::KEPT_MESSAGES));
        sql.exec("DELETE FROM messages WHERE seq <= ?1", vec![oldest])?;
        sql.exec("UPDATE room SET last_at_ms = ?1 WHERE id = 1", vec![number(now.unix_ms())])?;
        Ok(ChatMessage {
            seq,
            member: member.member.clone(),
            name: member.name.clone(),
            text,
            sent_at: now.to_string(),
            id: None,
        })
    }

    /// A socket that is closing is still in the list.
    fn left(&self, socket: &WebSocket) {
        self.tell_others(socket, &ServerFrame::Presence { present: self.present(Some(socket)) });
    }

    fn present(&self, without: Option<&WebSocket>) -> u64 {
        let sockets = self.state.get_websockets();
        let here = sockets.iter().filter(|socket| without != Some(*socket)).count();
        u64::try_from(here).unwrap_or(u64::MAX)
    }

    fn tell_others(&self, socket: &WebSocket, frame: &ServerFrame) {
        for other in self.state.get_websockets().iter().filter(|other| *other != socket) {
            tell(other, frame);
        }
    }
}

/// A socket that is gone hears nothing, and says so by itself.
fn tell(socket: &WebSocket, frame: &ServerFrame) {
    let _gone = socket.send_with_str(write(frame));
}

fn close(socket: &WebSocket, closing: Closing) {
    let (code, reason) = closing.code();
    let _gone = socket.close(Some(code), Some(reason));
}

fn member(socket: &WebSocket) -> Option<ChatMember> {
    let kept: Option<String> = socket.deserialize_attachment().ok()?;
    read(kept?.as_bytes())
}

fn last_at(sql: &SqlStorage) -> Result<Option<Timestamp>> {
    let found = rows(sql, "SELECT last_at_ms FROM room", Vec::new())?;
    Ok(found.first().map(|row| Timestamp::from_unix_ms(integer(row, 0))))
}

fn message(row: &[worker::SqlStorageValue]) -> ChatMessage {
    ChatMessage {
        seq: u64::try_from(integer(row, 0)).unwrap_or(0),
        member: text(row, 1).to_owned(),
        name: text(row, 2).to_owned(),
        text: text(row, 3).to_owned(),
        sent_at: Timestamp::from_unix_ms(integer(row, 4)).to_string(),
        id: None,
    }
}

/// Reads the member's random name, which the Worker has drawn.
fn random(query: Option<&str>) -> [u8; 8] {
    let pairs = query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    let mut drawn = pairs.filter(|(name, _)| *name == "member");
    let number = drawn.find_map(|(_, hex)| u64::from_str_radix(hex, 16).ok());
    number.unwrap_or(0).to_be_bytes()
}
