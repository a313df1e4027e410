//! What a service manager is told, as systemd is.

use std::{
    io::{ErrorKind, Write as _},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    path::PathBuf,
};

use tempfile::TempDir;

use crate::{
    proxied::{Origin, PATIENCE, Proxied, command},
    tls,
};

/// The manager's end of what it is told.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let socket = UnixDatagram::bind(Self::path_in(&folder)).expect("binds");
        socket.set_read_timeout(Some(PATIENCE)).expect("sets the limit");
        Self { socket, folder }
    }

    fn path_in(folder: &TempDir) -> PathBuf {
        folder.path().join("notify")
    }

    fn path(&self) -> PathBuf {
        Self::path_in(&self.folder)
    }

    #[track_caller]
    fn heard(&self) -> String {
        let mut bytes = [0; 64];
        let length = self.socket.recv(&mut bytes).expect("hears something in time");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
}

#[test]
fn tells_its_manager_when_it_is_ready_reloads_and_ends() {
    let manager = Manager::new();
    let origin = Origin::start("", "hello");
    let (_files, arguments) = tls::files("one");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut node = Proxied::start_with(&origin, &arguments, |command| {
        command.env("NOTIFY_SOCKET", manager.path());
    });
    assert_eq!(manager.heard(), "READY=1");
    node.signal("-HUP");
    assert_eq!([manager.heard(), manager.heard()], ["RELOADING=1", "READY=1"]);
    node.stop();
    assert_eq!(manager.heard(), "STOPPING=1");
    assert_eq!(node.ended(), Some(0));
}

/// Returns both ends of a stream that takes not one byte more until it is read.
fn full() -> (UnixStream, UnixStream) {
    let (reader, mut writer) = UnixStream::pair().expect("makes a pair");
    writer.set_nonblocking(true).expect("is set");
    // What is left after whole blocks may take a byte.
    for size in [4_096, 1] {
        loop {
            match writer.write(&[b'\n'; 4_096][..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("cannot be filled: {error}"),
            }
        }
    }
    writer.set_nonblocking(false).expect("is set");
    (reader, writer)
}

/// It can say nothing on standard output until that is read, which is after it was asked to reload.
#[test]
fn reloads_when_it_is_asked_to_as_soon_as_it_is_ready() {
    let manager = Manager::new();
    let (_files, arguments) = tls::files("one");
    let (mut output, input) = full();
    let mut node = command(&["--origin", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]);
    node.args(&arguments).env("NOTIFY_SOCKET", manager.path()).stdout(OwnedFd::from(input));
    let mut node = Proxied::silent(node);
    assert_eq!(manager.heard(), "READY=1");
    node.signal("-HUP");
    let reader = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    assert_eq!([manager.heard(), manager.heard()], ["RELOADING=1", "READY=1"]);
    node.stop();
    assert_eq!(node.ended(), Some(0));
    drop(reader.join());
}
