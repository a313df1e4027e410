//! nginx with a configuration of our own, in a folder of our own: the machine's is not looked at.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::eventually;
use tokio::process::{Child, Command};

use super::PAGE;
use crate::matrix::Target;

/// Where Debian puts it; `sbin` is not on everybody's PATH.
const PLACES: [&str; 2] = ["/usr/sbin/nginx", "/usr/bin/nginx"];
const START_LIMIT: Duration = Duration::from_secs(10);

/// nginx as one process, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    ports: Ports,
    pub(crate) version: String,
}

/// What it listens on.
#[derive(Debug, Clone, Copy)]
struct Ports {
    /// Files.
    files: u16,
    /// `proxy_cache` before the origin of files.
    cache: u16,
    /// A proxy before the generator's origin.
    proxy: u16,
    /// Files over TLS, with HTTP/2.
    tls: u16,
}

/// What stands behind it, and what it needs.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// With the files below `files`.
    pub(crate) folder: &'a Path,
    /// Certificate and key.
    pub(crate) tls: (PathBuf, PathBuf),
    /// What `proxy_cache` is filled from.
    pub(crate) origin: SocketAddr,
    /// What the proxy asks every time.
    pub(crate) responder: SocketAddr,
}

impl Nginx {
    /// Starts it on a core, and waits until it serves.
    pub(crate) async fn start(
        surroundings: &Surroundings<'_>,
        core: Option<usize>,
    ) -> Result<Self> {
        let program = PLACES.iter().map(Path::new).find(|path| path.is_file());
        let program = program.context("find nginx (Debian: `apt-get install nginx-light`)")?;
        let [files, cache, proxy, tls] = harness::free_ports()?;
        let ports = Ports { files, cache, proxy, tls };
        let (folder, file) = (surroundings.folder, surroundings.folder.join("nginx.conf"));
        std::fs::write(&file, configuration(surroundings, ports)).context("configure nginx")?;
        let text = |path: &Path| path.display().to_string();
        let errors = folder.join("nginx-errors.log");
        let mut args = vec!["-p".to_owned(), text(folder), "-c".to_owned(), text(&file)];
        args.extend(["-e".to_owned(), text(&errors)]);
        let mut path = program.to_owned();
        if let Some(core) = core {
            (path, args) = harness::on_core(core, program, args);
        }
        let child = Command::new(path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start nginx")?;
        let nginx = Self { child, ports, version: version(program).await? };
        let asked = nginx.files("nginx");
        let serves = eventually(START_LIMIT, "nginx listens", || async {
            tokio::net::TcpStream::connect(asked.address).await.ok()
        });
        if serves.await.is_err() {
            bail!("nginx does not start: {}", std::fs::read_to_string(errors).unwrap_or_default());
        }
        Ok(nginx)
    }

    /// Files.
    pub(crate) fn files(&self, name: &'static str) -> Target {
        self.target(name, self.ports.files)
    }

    /// Its cache.
    pub(crate) fn cache(&self, name: &'static str) -> Target {
        self.target(name, self.ports.cache)
    }

    /// A proxy that keeps nothing.
    pub(crate) fn proxy(&self, name: &'static str) -> Target {
        self.target(name, self.ports.proxy)
    }

    /// Files over TLS.
    pub(crate) fn tls(&self, name: &'static str) -> Target {
        self.target(name, self.ports.tls)
    }

    fn target(&self, name: &'static str, port: u16) -> Target {
        let address = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port));
        Target { name, address, pids: self.child.id().into_iter().collect() }
    }
}

async fn version(program: &Path) -> Result<String> {
    let said = Command::new(program).arg("-v").output().await.context("ask nginx's version")?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    Ok(said.trim().trim_start_matches("nginx version: ").to_owned())
}

/// One process: killed, it leaves no worker behind. It serves by the same loop as a worker would.
///
/// A page of 4 KB is read and sent with its head by one `writev`: with `sendfile` it takes more calls for that. Models are
/// sent by `sendfile`, head first: with `tcp_nopush` a range of 64 KiB took 42 ms, as long as a delayed acknowledgement.
/// Bodies of the origin stay in memory.
fn configuration(surroundings: &Surroundings<'_>, ports: Ports) -> String {
    let folder = surroundings.folder.display();
    let (certificate, key) = (surroundings.tls.0.display(), surroundings.tls.1.display());
    let (origin, responder) = (surroundings.origin, surroundings.responder);
    let Ports { files, cache, proxy, tls } = ports;
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {folder}/nginx-{name};\n"))
        .concat();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log warn;
events {{ worker_connections 8192; use epoll; multi_accept off; }}
http {{
{places}  types {{ text/html html; model/gltf-binary glb; }}
  default_type application/octet-stream;
  access_log off;
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nopush off;
  tcp_nodelay on;
  open_file_cache max=1000 inactive=1h;
  open_file_cache_valid 1h;
  open_file_cache_min_uses 1;
  keepalive_requests 100000000;
  keepalive_timeout 1h;
  reset_timedout_connection off;
  server_tokens off;
  proxy_http_version 1.1;
  proxy_set_header Connection \"\";
  proxy_buffer_size 8k;
  proxy_buffers 16 64k;
  proxy_busy_buffers_size 128k;
  proxy_force_ranges on;
  proxy_cache_path {folder}/nginx-cache levels=1:2 keys_zone=one:10m max_size=1g inactive=1h use_temp_path=off;
  upstream origin {{ server {origin}; keepalive 256; keepalive_requests 100000000; keepalive_timeout 1h; }}
  upstream responder {{ server {responder} max_fails=0; keepalive 256; keepalive_requests 100000000; keepalive_timeout 1h; }}
  server {{
    listen 127.0.0.1:{files} backlog=4096;
    root {folder}/files;
    location = {PAGE} {{ sendfile off; }}
  }}
  server {{
    listen 127.0.0.1:{cache} backlog=4096;
    location / {{ proxy_pass http://origin; proxy_cache one; proxy_cache_lock on; }}
    location = {PAGE} {{ proxy_pass http://origin; proxy_cache one; proxy_cache_lock on; sendfile off; }}
  }}
  server {{
    listen 127.0.0.1:{proxy} backlog=4096;
    location / {{ proxy_pass http://responder; }}
  }}
  server {{
    listen 127.0.0.1:{tls} ssl http2 backlog=4096;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    http2_max_concurrent_streams 256;
    root {folder}/files;
    location = {PAGE} {{ sendfile off; }}
  }}
}}
"
    )
}
