// SPDX-License-Identifier: Apache-2.0

//! Keys and certificates of one run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::processes::write_private;

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: String,
    /// The key, PEM.
    pub key: String,
}

/// The CA of one run, and the certificates that it signed; the files are in the run's folder.
#[derive(Debug)]
pub struct Pki {
    /// The CA's certificate, PEM.
    pub authority: String,
    /// The file with the CA's certificate.
    pub authority_file: PathBuf,
    /// The files with the servers' certificate, for the loopback interface, and its key.
    pub server_files: (PathBuf, PathBuf),
    /// The files with the public and the private key for ServiceAccount tokens.
    pub token_key_files: (PathBuf, PathBuf),
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// Creates all keys and certificates, except those of clients.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut params = named("sa-hygiene cluster test", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);

        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        let token_key = KeyPair::generate()?;

        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            write_private(&path, text)?;
            Ok(path)
        };
        Ok(Self {
            authority_file: write("ca.crt", &authority)?,
            server_files: (write("server.crt", &certificate)?, write("server.key", &key.serialize_pem())?),
            token_key_files: (
                write("token.pub", &token_key.public_key_pem())?,
                write("token.key", &token_key.serialize_pem())?,
            ),
            authority,
            issuer,
        })
    }

    /// A client certificate: its common name is the user, its organization a group.
    ///
    /// # Errors
    /// If the certificate cannot be created.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = named(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

fn named(name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params
}
