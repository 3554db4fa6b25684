//! `db` and a MySQL 8 that asks for caching_sha2_password, and MySQL servers with vices: Debian has
//! none of them, so each is a stub that knows its side of the handshake.

use crate::support::sql::{ask, script};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

const NONCE: &[u8; 20] = b"0123456789abcdefghij";

/// The server's end of a connection.
struct Wire {
    stream: TcpStream,
    sequence: u8,
}

impl Wire {
    fn send(&mut self, payload: &[u8]) {
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
        self.stream.write_all(&[&[a, b, c, self.sequence], payload].concat()).unwrap();
        self.sequence += 1;
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        self.sequence = head[3] + 1;
        payload
    }

    fn greet(&mut self, plugin: &str) {
        let capabilities = 0x00AF_FFFF_u32 & !0x0800;
        let [a, b, c, d] = capabilities.to_le_bytes();
        let mut greeting = b"\x0a8.4.0\0\x01\0\0\0".to_vec();
        greeting.extend_from_slice(&NONCE[..8]);
        greeting.extend_from_slice(&[0, a, b, 45, 2, 0, c, d, 21]);
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(&NONCE[8..]);
        greeting.push(0);
        greeting.extend_from_slice(plugin.as_bytes());
        greeting.push(0);
        self.send(&greeting);
    }

    fn ok(&mut self) {
        self.send(&[0, 0, 0, 2, 0, 0, 0]);
    }

    /// Answers every statement but SELECT with success, that one with the number 42, until the
    /// client leaves.
    fn serve(&mut self) {
        loop {
            let mut head = [0; 4];
            if self.stream.read_exact(&mut head).is_err() {
                return;
            }
            let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
            self.stream.read_exact(&mut payload).unwrap();
            self.sequence = 1;
            if !payload.starts_with(b"\x03SELECT") {
                self.ok();
                continue;
            }
            let eof = [0xFE, 0, 0, 2, 0];
            let column =
                [&b"\x03def\0\0\0\x01n\0\x0c"[..], &[63, 0, 11, 0, 0, 0, 3, 0, 0, 0, 0, 0]]
                    .concat();
            for packet in [&[1][..], &column, &eof, b"\x0242", &eof] {
                self.send(packet);
            }
        }
    }
}

/// Serves one connection by `behave`; the address of a server for `db.open`.
fn stub(behave: impl FnOnce(&mut Wire) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("ada:secret@tcp({})/mail", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        behave(&mut Wire { stream, sequence: 0 });
    });
    (address, thread)
}

/// What a query on `address` gives.
fn query(address: &str) -> Value {
    let lua = format!(
        "function nauthilus_run_hook() local r, err = assert(db.open('mysql', '{address}')):query('SELECT 42') return {{ r and r.rows[1][1] or err }} end"
    );
    ask(&script(&lua), "")
}

/// What caching_sha2_password sends first.
fn scramble(password: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| Sha256::digest(parts.concat()).to_vec();
    let first = hash(&[password]);
    let mask = hash(&[&hash(&[&first]), NONCE]);
    first.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

fn has(response: &[u8], part: &[u8]) -> bool {
    response.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_password_in_the_servers_cache_is_proven_by_its_hash() {
    let (address, stub) = stub(|wire| {
        wire.greet("caching_sha2_password");
        assert!(has(&wire.receive(), &scramble(b"secret")));
        wire.send(&[1, 3]);
        wire.ok();
        wire.serve();
    });
    assert_eq!(query(&address), json!([42]));
    stub.join().unwrap();
}

#[test]
fn a_password_not_in_the_cache_is_encrypted_with_the_servers_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let openssl = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    };
    std::fs::write(&path, openssl(&["genrsa", "2048"], b"")).unwrap();
    let key = path.display().to_string();
    let public = openssl(&["rsa", "-pubout", "-in", &key], b"");
    let encrypted = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = encrypted.clone();
    let (address, stub) = stub(move |wire| {
        // The account uses another plugin than the server's default.
        wire.greet("mysql_native_password");
        wire.receive();
        wire.send(&[&b"\xFEcaching_sha2_password\0"[..], NONCE, &[0]].concat());
        assert_eq!(wire.receive(), scramble(b"secret"));
        wire.send(&[1, 4]);
        assert_eq!(wire.receive(), [2], "asks for the key");
        wire.send(&[&[1], public.as_slice()].concat());
        *seen.lock().unwrap() = wire.receive();
        wire.ok();
        wire.serve();
    });
    assert_eq!(query(&address), json!([42]));
    stub.join().unwrap();
    let decrypted = openssl(
        &["pkeyutl", "-decrypt", "-inkey", &key, "-pkeyopt", "rsa_padding_mode:oaep"],
        &encrypted.lock().unwrap(),
    );
    let password: Vec<u8> =
        decrypted.iter().zip(NONCE.iter().cycle()).map(|(a, b)| a ^ b).collect();
    assert_eq!(password, b"secret\0");
}

#[test]
fn a_server_with_a_vice_gets_nothing() {
    type Vice = fn(&mut Wire);
    let vices: [(Vice, &str); 6] = [
        (
            |wire| {
                wire.greet("caching_sha2_password");
                wire.receive();
                wire.send(b"\xFEmysql_clear_password\0");
            },
            "this authentication plugin is not supported: mysql_clear_password",
        ),
        (
            |wire| {
                wire.greet("mysql_native_password");
                wire.receive();
                wire.ok();
                wire.receive();
                wire.sequence = 1;
                wire.send(b"\xFB/etc/passwd");
            },
            "sql: the server asks for a local file",
        ),
        (
            |wire| {
                wire.greet("mysql_native_password");
                wire.receive();
                wire.sequence = 9;
                wire.ok();
            },
            "sql: packets out of order",
        ),
        (|wire| wire.stream.write_all(&[0xFF, 0xFF, 0xFF, 0]).unwrap(), "connection closed by"),
        (|wire| wire.send(b"\xFF\x10\x04Too many connections"), "Error 1040: Too many connections"),
        (
            |wire| wire.send(b"HTTP/1.1 400 Bad Request"),
            "sql: the server's greeting is not understood",
        ),
    ];
    for (vice, error) in vices {
        let (address, stub) = stub(vice);
        let shown = query(&address);
        assert!(
            shown[0]
                .as_str()
                .is_some_and(|text| text.starts_with(error) && !text.contains("secret")),
            "{shown} is not {error}"
        );
        stub.join().unwrap();
    }
}
