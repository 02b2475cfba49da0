//! HTTPS: the same over TLS. Certificates are looked at only if the monitor says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{MonitorError, Nets, Probe, Probed, http, tcp, words};
use crate::config::model::{HttpCheck, MonitorCheck, MonitorSpec, Verify};
use crate::monitor::result::{CheckStatus, Outcome};

/// Where distributions keep the authorities they trust.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) async fn probe(probe: &Probe, http: &HttpCheck, nets: &Nets) -> Probed {
    let failed = |why: String| Outcome::of(CheckStatus::L6Rsp, why);
    let config = probe.tls.clone().ok_or_else(|| failed("no TLS".to_owned()))?;
    let stream = tcp::connect(probe, nets, true).await?;
    let deadline = Instant::now() + probe.patience();
    let name = name(probe, http.domain_name.as_deref());
    match timeout_at(deadline, TlsConnector::from(config).connect(name, stream)).await {
        Err(_) => Err(Outcome::of(CheckStatus::L6Tout, "")),
        Ok(Err(error)) => Err(failed(words(&error))),
        Ok(Ok(stream)) => http::ask(stream, probe, http, deadline).await,
    }
}

/// Who the member has to be: a name, which TLS asks for, or its address.
pub(super) fn name(probe: &Probe, domain: Option<&str>) -> ServerName<'static> {
    let named = domain.and_then(|domain| ServerName::try_from(domain.to_owned()).ok());
    named.unwrap_or_else(|| ServerName::from(probe.to.ip()))
}

/// What a monitor needs for TLS; nothing if it does not speak it.
pub(in crate::monitor) fn config(
    monitor: &MonitorSpec,
) -> Result<Option<Arc<ClientConfig>>, MonitorError> {
    let verify = match &monitor.check {
        MonitorCheck::Https(_, verify) => verify,
        MonitorCheck::TlsHello => &Verify::None,
        MonitorCheck::Tcp
        | MonitorCheck::Http(_)
        | MonitorCheck::Ping
        | MonitorCheck::UdpConnect => return Ok(None),
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions();
    let unusable =
        |why: Error| MonitorError::Authorities { file: PathBuf::new(), why: why.to_string() };
    let builder = builder.map_err(unusable)?;
    let mut config = match verify {
        Verify::None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
        Verify::Required(file) => {
            let file = file.as_deref().unwrap_or_else(|| Path::new(SYSTEM));
            builder.with_root_certificates(authorities(file)?).with_no_client_auth()
        }
    };
    // Every probe is to see the certificate.
    config.resumption = Resumption::disabled();
    Ok(Some(Arc::new(config)))
}

fn authorities(file: &Path) -> Result<RootCertStore, MonitorError> {
    let failed = |why: String| MonitorError::Authorities { file: file.to_owned(), why };
    let mut store = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        // The system's bundle may have some that rustls does not take.
        let (_, _) = store.add_parsable_certificates([certificate]);
    }
    if store.is_empty() {
        Err(failed("there is no certificate in it".to_owned()))
    } else {
        Ok(store)
    }
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
