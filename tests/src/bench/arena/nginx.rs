//! nginx as a proxy of streams.

use std::fs;
use std::net::SocketAddr;

use super::error::Error;
use super::field::Field;
use super::peer::{Found, Peer};
use crate::Qlb;

/// Where Debian's package puts it.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn start(field: &Field, _: &Qlb, number: u8) -> Result<Found, Error> {
    const NAME: &str = "nginx";
    if fs::metadata(MODULE).is_err() {
        return Ok(Found::Missing(NAME, format!("no {MODULE} (libnginx-mod-stream)")));
    }
    let vip = field.vip(number, NAME)?;
    let dir = tempfile::tempdir().map_err(Error::Files)?;
    let server = |name: &str, at: SocketAddr, members: &[SocketAddr]| {
        let members: String = members.iter().map(|at| format!("server {at}; ")).collect();
        format!(
            " upstream {name} {{ {members}}}\n \
             server {{ listen {at} backlog=4096; proxy_pass {name}; }}\n"
        )
    };
    let path = dir.path().display();
    let conf = format!(
        "load_module {MODULE};\nuser root;\ndaemon off;\nworker_processes 1;\npid {path}/pid;\n\
         error_log stderr;\nevents {{ worker_connections 16384; }}\nstream {{\n{}{}}}\n",
        server("web", vip.web, &field.web()),
        server("bulk", vip.bulk, &[field.bulk()]),
    );
    fs::write(dir.path().join("conf"), conf).map_err(Error::Files)?;
    let process = crate::nginx::serve(&vip.host.namespace, dir.path())?;
    let mut peer = Peer::at(NAME, "stream proxy, one worker".into(), vip);
    peer.processes.push(process);
    peer._keep.push(Box::new(dir));
    Ok(Found::Ready(Box::new(peer)))
}
