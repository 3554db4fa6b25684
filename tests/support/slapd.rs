//! OpenLDAP's `slapd` from a private configuration: a small directory over TCP, TLS and a unix
//! socket.

use super::process::{Process, free_port};
use super::until;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

pub struct Slapd {
    process: Option<Process>,
    pub ldap: u16,
    pub ldaps: u16,
    folder: TempDir,
}

impl Slapd {
    pub fn start() -> Slapd {
        let mut folder = tempfile::Builder::new().prefix("loligo-slapd-").tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem())
            .unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        std::fs::write(
            folder.path().join("slapd.conf"),
            SETTINGS.replace("@FOLDER@", folder.path().to_str().unwrap()),
        )
        .unwrap();
        std::fs::write(folder.path().join("seed.ldif"), SEED).unwrap();
        let mut add = Command::new("slapadd");
        add.arg("-q")
            .arg("-f")
            .arg(folder.path().join("slapd.conf"))
            .arg("-l")
            .arg(folder.path().join("seed.ldif"));
        let added = add.output().unwrap_or_else(|error| {
            panic!("cannot start slapadd: {error}; tests/run installs what the tests need")
        });
        assert!(added.status.success(), "slapadd: {}", String::from_utf8_lossy(&added.stderr));
        loop {
            let mut slapd = Slapd { process: None, ldap: free_port(), ldaps: free_port(), folder };
            if slapd.spawn() {
                return slapd;
            }
            folder = slapd.folder;
        }
    }

    /// Ends it; the directory stays.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        assert!(self.spawn(), "slapd ended");
    }

    /// The certificate, which nobody else has signed.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// `ldapi://…`
    pub fn socket_uri(&self) -> String {
        format!(
            "ldapi://{}",
            self.folder.path().join("ldapi").to_str().unwrap().replace('/', "%2F")
        )
    }

    /// False if it ended, as it does when one of its ports was taken after our look for a free one.
    fn spawn(&mut self) -> bool {
        let uris = format!(
            "ldap://127.0.0.1:{} ldaps://127.0.0.1:{} {}",
            self.ldap,
            self.ldaps,
            self.socket_uri()
        );
        let mut command = Command::new("slapd");
        // With -d it stays in the foreground.
        command.args(["-d", "0", "-h", &uris, "-f"]).arg(self.folder.path().join("slapd.conf"));
        let mut process = Process::spawn(&mut command, &self.folder.path().join("slapd.log"));
        let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let up = until("slapd to listen", || match process.ended() {
            Some(_) => Some(false),
            None => (listens(self.ldap) && listens(self.ldaps)).then_some(true),
        });
        self.process = up.then_some(process);
        up
    }
}

const SETTINGS: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile @FOLDER@/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile @FOLDER@/cert.pem
TLSCertificateKeyFile @FOLDER@/key.pem
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw right
directory @FOLDER@/db
sizelimit 3
"#;

/// The password of Ada is "secret"; Bob has none.
const SEED: &str = "
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn: Ada (the first) *
sn: Lovelace
mail: ada@example.org
mail: ada@example.net
userPassword: {SSHA}Wcm1xEisNjqp921ALcHfuQ7avFdzYWx0MTIzNA==

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Builder
mail: bob@example.org
";
