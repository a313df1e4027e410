//! Tells the service manager where the node is in its life (`sd_notify(3)`): one datagram for each step, where
//! `NOTIFY_SOCKET` names a socket; nothing otherwise.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// What a manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It takes requests.
    Ready,
    /// It reads its certificate anew.
    Reloading,
    /// It takes no more.
    Stopping,
}

impl Step {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Reloading => b"RELOADING=1",
            Self::Stopping => b"STOPPING=1",
        }
    }
}

/// Tells whoever manages the node, if anybody does.
pub(crate) fn tell(step: Step) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, step) {
        tracing::warn!("the service manager was not told: {error}");
    }
}

fn send(socket: &OsStr, step: Step) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        // A name that is in no file system.
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // A manager that is behind must not hold up the node.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(step.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).expect("hears something");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn is_heard_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("binds");
        send(path.as_os_str(), Step::Ready).expect("is sent");
        assert_eq!(heard(&manager), "READY=1");

        let name = format!("vitrine-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("is a name");
        let manager = UnixDatagram::bind_addr(&address).expect("binds");
        send(OsStr::new(&format!("@{name}")), Step::Stopping).expect("is sent");
        assert_eq!(heard(&manager), "STOPPING=1");
        assert!(send(OsStr::new("/nowhere/notify"), Step::Ready).is_err());
    }
}
