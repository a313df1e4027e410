//! Making connections: whom to reach, how long to try, and whom not to believe.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::RootCertStore;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::session::Session;
use crate::StoreError;

/// Longest try to connect, over all hosts of the URL, with the handshake: 5 s.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// After how long without an answer a quiet connection is asked whether it is there: 5 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// How long sent bytes may go unacknowledged: 5 s. A host that lost its power is noticed so.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);

/// What every connection is told first. A statement of the shop takes milliseconds: one that runs for 5 s is ended,
/// and one that waits for another's lock for 2 s is tried again. Neither ends a COMMIT that waits for standbys.
const SETTINGS: &str = "SET search_path = accounts, catalogue, inventory, orders, payments, feed, analytics, public;
SET statement_timeout = '5s'; SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '15s';
SET client_min_messages = 'warning'";

/// Which kind of server a connection must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The primary: it alone takes writes.
    Primary,
    /// A standby where there is one; what it says may be old.
    Standby,
}

/// Makes connections of one kind.
pub(crate) struct Connector {
    config: Config,
    role: Role,
    tls: MakeRustlsConnect,
    timeline: Arc<AtomicI64>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        write!(f, "Connector({:?})", self.role)
    }
}

impl Connector {
    /// Reads a connection URL or string of libpq's form; it may name several hosts.
    pub(crate) fn new(url: &str, role: Role, timeline: Arc<AtomicI64>) -> Result<Self, StoreError> {
        let mut config: Config = url.parse()?;
        config
            .application_name("vitrine-origin")
            .connect_timeout(CONNECT_MAX)
            .keepalives_idle(KEEPALIVE_IDLE)
            .tcp_user_timeout(UNACKNOWLEDGED_MAX);
        if role == Role::Primary {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, role, tls: tls(), timeline })
    }

    /// Connects, and refuses a primary that has been replaced: `read-write` is also true of one that was cut off
    /// and does not know it yet, but its timeline is older than one that was seen.
    pub(crate) async fn connect(&self) -> Result<Session, StoreError> {
        let work = self.connect_and_look(|_message| {});
        tokio::time::timeout(CONNECT_MAX, work).await.map_err(|_elapsed| StoreError::Unreachable)?
    }

    /// Connects a listener: `told` sees every notification.
    pub(crate) async fn connect_listener(
        &self,
        told: impl Fn(&str) + Send + 'static,
    ) -> Result<(Session, watch::Receiver<()>), StoreError> {
        let (alive, ended) = watch::channel(());
        let work = self.connect_and_look(move |message| {
            let _alive = &alive;
            told(message);
        });
        let session = tokio::time::timeout(CONNECT_MAX, work)
            .await
            .map_err(|_elapsed| StoreError::Unreachable)??;
        Ok((session, ended))
    }

    async fn connect_and_look(
        &self,
        told: impl Fn(&str) + Send + 'static,
    ) -> Result<Session, StoreError> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let is_in_doubt = Arc::new(AtomicBool::new(false));
        tokio::spawn(drive(connection, Arc::clone(&is_in_doubt), told));
        let session = Session::new(client, is_in_doubt);
        session.batch(SETTINGS).await?;
        if self.role == Role::Primary {
            let found = timeline(&session).await?;
            let seen = self.timeline.fetch_max(found, Ordering::AcqRel);
            if found < seen {
                tracing::error!(
                    timeline.found = found,
                    timeline.seen = seen,
                    "refused a primary that was replaced"
                );
                return Err(StoreError::Unreachable);
            }
        }
        Ok(session)
    }
}

/// Reads the timeline that the primary writes: the first eight digits of its current WAL file's name.
async fn timeline(session: &Session) -> Result<i64, StoreError> {
    let row = session.query("SELECT pg_walfile_name(pg_current_wal_lsn())", &[]).await?;
    let name: String = row.first().ok_or(StoreError::Corrupt("name of a WAL file"))?.get(0)?;
    let digits = name.get(..8).unwrap_or_default();
    i64::from_str_radix(digits, 16).map_err(|_unreadable| StoreError::Corrupt("name of a WAL file"))
}

/// Moves the bytes of a connection until it ends, and notes what the server says by itself.
async fn drive<S, T>(
    mut connection: Connection<S, T>,
    is_in_doubt: Arc<AtomicBool>,
    told: impl Fn(&str),
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            // A commit whose wait for the standbys was cancelled ends as a success with no more than a warning.
            // Its text may be of any language; such a warning has no other code than this (class 01).
            Ok(AsyncMessage::Notice(notice)) if *notice.code() == SqlState::WARNING => {
                is_in_doubt.store(true, Ordering::Release);
                tracing::error!(notice = notice.message(), "a commit may not be on the standbys");
            }
            Ok(AsyncMessage::Notice(notice)) => {
                tracing::debug!(notice = notice.message(), "the database remarked");
            }
            Ok(AsyncMessage::Notification(notification)) => told(notification.payload()),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %error, "lost a connection to the database");
                return;
            }
        }
    }
}

/// Trusts the certificate authorities of the machine, as they were when the process first asked: reading them takes
/// a millisecond or ten. Used where the server wants it, and always with `sslmode=require`.
#[expect(clippy::expect_used, reason = "ring has suites for both versions of TLS")]
fn tls() -> MakeRustlsConnect {
    static TLS: OnceLock<MakeRustlsConnect> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        MakeRustlsConnect::new(config)
    })
    .clone()
}
