//! Web servers to be probed: pages that are well or not, by a file; TLS with certificates of any kind.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use lb_tests::{Namespace, Process, wait_until};
use tempfile::TempDir;

use crate::bench::SOON;

/// A certificate and its key, in PEM files.
#[derive(Debug)]
pub(crate) struct Certificate {
    dir: TempDir,
}

impl Certificate {
    /// Signed by itself, for this address, and valid in this year or over since 2001.
    pub(crate) fn for_address(address: IpAddr, valid: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let settings = format!(
            "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=member at {address}\n\
             [ca]\ndefault_ca=own\n[own]\ndatabase={at}/index\nnew_certs_dir={at}\nrand_serial=yes\n\
             default_md=sha256\npolicy=any\nx509_extensions=ext\n[any]\ncommonName=supplied\n\
             [ext]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=IP:{address}\n"
        );
        fs::write(dir.path().join("settings"), settings).unwrap();
        fs::write(dir.path().join("index"), "").unwrap();
        let end = if valid { "20491231000000Z" } else { "20010101000000Z" };
        for line in [
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config settings -keyout key -out request",
            &format!(
                "ca -selfsign -batch -notext -config settings -keyfile key -in request -out certificate \
                 -startdate 20000101000000Z -enddate {end}"
            ),
        ] {
            let mut command = Command::new("openssl");
            let output = command.args(line.split_whitespace()).current_dir(dir.path()).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Self { dir }
    }

    /// The certificate, which is its own authority.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("certificate")
    }
}

/// A real nginx: `/health` is 200 while it is well and 503 else; `/slow` never answers. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Web {
    process: Process,
    dir: TempDir,
}

impl Web {
    pub(crate) fn start(
        namespace: &Namespace,
        address: SocketAddr,
        tls: Option<&Certificate>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("conf");
        fs::write(&conf, settings(dir.path(), address, tls)).unwrap();
        fs::write(dir.path().join("well"), "").unwrap();
        let command = namespace.command("nginx").arg("-p").arg(dir.path());
        let mut process = Process::spawn(command.args(["-e", "stderr", "-c"]).arg(&conf)).unwrap();
        let pid = dir.path().join("pid");
        let started = |_: &Process| fs::read_to_string(&pid).ok().filter(|pid| !pid.is_empty());
        process.wait_ready(started, SOON, "nginx running").unwrap();
        Self { process, dir }
    }

    pub(crate) fn is_well(&self, well: bool) {
        let file = self.dir.path().join("well");
        if well {
            fs::write(file, "").unwrap();
        } else {
            fs::remove_file(file).unwrap();
        }
    }

    /// Lines of the log: `<client> <request> <Host> <status>`.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log has a line with these words.
    pub(crate) fn wait_log(&self, words: &str) {
        let what = format!("{words} in {}", self.log());
        wait_until(|| self.log().contains(words), SOON, &what).unwrap();
    }

    pub(crate) fn stop(mut self) {
        self.process.stop(nix::sys::signal::Signal::SIGTERM, SOON).unwrap();
    }
}

fn settings(dir: &Path, address: SocketAddr, tls: Option<&Certificate>) -> String {
    let dir = dir.display();
    let (ssl, files) = match tls {
        Some(certificate) => {
            let at = certificate.dir.path().display();
            let files =
                format!("ssl_certificate {at}/certificate;\n ssl_certificate_key {at}/key;\n");
            (" ssl", files)
        }
        None => ("", String::new()),
    };
    format!(
        "user root;\ndaemon off;\nworker_processes 1;\npid {dir}/pid;\nerror_log stderr;\n\
         events {{}}\nhttp {{\n log_format probes '$remote_addr $request $host $status';\n \
         access_log {dir}/log probes;\n client_body_temp_path {dir}/1;\n proxy_temp_path {dir}/2;\n \
         fastcgi_temp_path {dir}/3;\n uwsgi_temp_path {dir}/4;\n scgi_temp_path {dir}/5;\n \
         server {{\n listen {address}{ssl};\n {files} location = /health {{\n \
         if (-f {dir}/well) {{ return 204; }}\n return 503;\n }}\n \
         location / {{ return 200; }}\n }}\n}}\n"
    )
}
