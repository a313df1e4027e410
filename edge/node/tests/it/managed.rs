//! What a service manager is told, as systemd is.

use std::os::unix::net::UnixDatagram;

use crate::{
    proxied::{Origin, PATIENCE, Proxied},
    tls,
};

#[test]
fn tells_its_manager_when_it_is_ready_reloads_and_ends() {
    let dir = tempfile::tempdir().expect("makes a folder");
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("binds");
    manager.set_read_timeout(Some(PATIENCE)).expect("sets the limit");
    let heard = || {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).expect("hears something in time");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let origin = Origin::start("", "hello");
    let (_files, arguments) = tls::files("one");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut node = Proxied::start_with(&origin, &arguments, |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(heard(), "READY=1");
    node.signal("-HUP");
    assert_eq!([heard(), heard()], ["RELOADING=1", "READY=1"]);
    node.stop();
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(node.ended(), Some(0));
}
