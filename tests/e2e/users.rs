//! Users and secrets on the command line: `hash`, `verify`, `user`, `token`.

use crate::support::{Request, Site, root, site::loligo, until};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a command printed and how it ended.
struct Done {
    status: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str], input: &str) -> Done {
    let mut command = loligo();
    command.args(arguments);
    finish(command, input)
}

fn finish(mut command: Command, input: &str) -> Done {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Done {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("loligo-users-").tempdir().unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_hash_verifies_the_password_it_was_made_of() {
    for scheme in ["ARGON2ID", "blf-crypt", "SHA512-CRYPT", "SSHA512", "SSHA256"] {
        let made = run(&["hash", "--scheme", scheme], "pässword:x\n");
        assert_eq!((made.status, made.err.as_str()), (0, ""), "{scheme}");
        let hash = made.out.trim_end();
        assert_eq!(run(&["verify", hash], "pässword:x").status, 0, "{hash}");
        assert_eq!(run(&["verify", hash], "password:x").status, 3, "{hash}");
        // Both on standard input.
        assert_eq!(run(&["verify"], &format!("{hash}\r\npässword:x\r\n")).status, 0, "{hash}");
    }
    let folder = folder();
    let file = folder.path().join("password");
    std::fs::write(&file, "from a file\nsecond line\n").unwrap();
    let file = file.to_str().unwrap();
    let made = run(&["hash", "--password-file", file], "");
    assert_eq!(run(&["verify", made.out.trim_end()], "from a file").status, 0);
    assert_eq!(run(&["verify", made.out.trim_end(), "--password-file", file], "").status, 0);
}

#[test]
fn what_cannot_be_hashed_or_verified_is_named() {
    let unknown = run(&["hash", "--scheme", "MD5"], "x");
    assert_eq!(unknown.status, 1);
    assert!(unknown.err.contains("\"MD5\"") && unknown.err.contains("ARGON2ID"), "{}", unknown.err);
    assert_eq!(run(&["hash"], "").err, "the password is empty\n");
    assert_eq!(run(&["hash", "--scheme", "BLF-CRYPT"], &"x".repeat(73)).status, 1);

    let unknown = run(&["verify", "{XYZ}abc"], "x");
    assert_eq!(unknown.status, 1);
    assert!(unknown.err.contains("{XYZ}") && unknown.err.contains("{SSHA512}"), "{}", unknown.err);
    let plain = run(&["verify", "{PLAIN}canary"], "canary");
    assert_eq!(plain.status, 1);
    assert!(!plain.err.contains("canary"), "{}", plain.err);
    assert_eq!(run(&["verify"], "{PLAIN}canary\ncanary\n").status, 0);
    // No password is an argument.
    assert_eq!(run(&["hash", "canary"], "").status, 2);
}

#[test]
fn a_terminal_is_asked_twice_and_without_echo() {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let mut master = File::from(master);
    let terminal = || File::options().read(true).write(true).open(path).unwrap();
    let kept_open = terminal();

    let ask = |typed: [&[u8]; 2], master: &mut File| {
        let folder = folder();
        let prompts = folder.path().join("prompts");
        let mut child = loligo()
            .args(["hash", "--scheme", "SSHA512"])
            .stdin(terminal())
            .stdout(Stdio::piped())
            .stderr(File::create(&prompts).unwrap())
            .spawn()
            .unwrap();
        for (prompt, typed) in ["New password: ", "Repeat the password: "].into_iter().zip(typed) {
            until(prompt, || text(&prompts).ends_with(prompt).then_some(()));
            master.write_all(typed).unwrap();
        }
        let status = child.wait().unwrap();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (status.code().unwrap(), out, text(&prompts))
    };
    // With a mistake that is taken back.
    let (status, hash, _) = ask([b"canary\n", b"cany\x7fary\r"], &mut master);
    assert_eq!(status, 0);
    assert_eq!(run(&["verify", hash.trim_end()], "canary").status, 0);
    let (status, hash, said) = ask([b"canary\n", b"another\n"], &mut master);
    assert_eq!((status, hash.as_str()), (1, ""));
    assert!(said.contains("differ"), "{said}");
    let (status, hash, said) = ask([b"canary\n", b"can\x03"], &mut master);
    assert_eq!((status, hash.as_str()), (1, ""));
    assert!(said.contains("cancelled"), "{said}");

    // The terminal echoes again, and has echoed nothing before.
    master.write_all(b"end\n").unwrap();
    let mut echoed = Vec::new();
    until("the echo", || {
        let mut bytes = [0; 64];
        let count = master.read(&mut bytes).unwrap();
        echoed.extend_from_slice(&bytes[..count]);
        echoed.ends_with(b"end\r\n").then_some(())
    });
    assert_eq!(String::from_utf8(echoed).unwrap(), "end\r\n");
    drop(kept_open);
}

#[test]
fn users_of_a_file_log_in() {
    let folder = folder();
    let path = folder.path().join("users");
    let file = path.to_str().unwrap();
    let script = root().join("lua/examples/backends/password_file.lua");
    let user = |arguments: &[&str], input: &str| {
        let all = [&["user"], arguments].concat();
        run(&all, input)
    };
    let added = user(
        &["add", file, "ada", "--account", "ada@example.org", "--attribute", "quota=5"],
        "first\n",
    );
    assert_eq!((added.status, added.err.as_str()), (0, ""));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(user(&["add", file, "bob", "--scheme", "SSHA512"], "bobs").status, 0);
    let server = Site::new().backend(&text(&script)).env("PASSWORD_FILE", file).start();
    let login = |user: &str, password: &str| server.login(user, password);
    let answer = login("ada", "first");
    assert_eq!((answer.status, answer.header("auth-user")), (200, Some("ada@example.org")));
    assert_eq!(login("bob", "bobs").status, 200);

    assert_eq!(user(&["passwd", file, "ada"], "second").status, 0);
    assert_eq!(user(&["remove", file, "bob"], "").status, 0);
    // The script reads the file every few seconds, and the server remembers successes.
    let fresh = |user: &str, password: &str| {
        server
            .ask(
                &Request::get("/api/v1/auth/header?in-memory=0")
                    .header("Auth-User", user)
                    .header("Auth-Pass", password)
                    .header("Auth-Protocol", "imap"),
            )
            .status
    };
    until("the new password", || (fresh("ada", "second") == 200).then_some(()));
    assert_eq!((fresh("ada", "first"), fresh("bob", "bobs")), (403, 403));

    let listed = user(&["list", file, "--json"], "");
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let ada = json!({ "user": "ada", "account": "ada@example.org", "scheme": "ARGON2ID", "attributes": { "quota": ["5"] } });
    assert_eq!(listed, json!([ada]));
}

#[test]
fn changes_keep_other_lines_mode_owner_and_links() {
    let folder = folder();
    let real = folder.path().join("real");
    let link = folder.path().join("link");
    let before = "# people\nbroken\nada:{PLAIN}x:ada:k=v\r\nodd:{PLAIN}x:odd:nothing\nada:{PLAIN}second\nbob:{PLAIN}bobs";
    std::fs::write(&real, before).unwrap();
    std::fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&real, Some(65534), Some(65534)).unwrap();
    }
    std::os::unix::fs::symlink("real", &link).unwrap();
    let owner = || {
        let about = std::fs::metadata(&real).unwrap();
        (about.uid(), about.gid(), about.mode() & 0o7777)
    };
    let (was, file) = (owner(), link.to_str().unwrap());
    let user = |arguments: &[&str]| run(&[&["user"], arguments].concat(), "new");

    let failed = user(&["add", file, "ada"]);
    assert_eq!(failed.status, 1);
    assert!(failed.err.contains("link:3: there is a user ada already"), "{}", failed.err);
    for (arguments, status, message) in [
        (["passwd", file, "nobody"], 3, "there is no user nobody"),
        (["remove", file, "nobody"], 3, "there is no user nobody"),
        (["passwd", file, "odd"], 1, "link:4: a field after the account is not key=value"),
        (["add", file, "a:b"], 1, "cannot be a user's name"),
    ] {
        let done = user(&arguments);
        assert_eq!(done.status, status, "{arguments:?}");
        assert!(done.err.contains(message), "{arguments:?}: {}", done.err);
    }
    assert_eq!(text(&real), before);

    assert_eq!(user(&["passwd", file, "ada", "--scheme", "SSHA256"]).status, 0);
    let now = text(&real);
    let hash = now.split("ada:").nth(1).unwrap().split(':').next().unwrap();
    assert_eq!(now, before.replacen("{PLAIN}x", hash, 1));
    assert_eq!(run(&["verify", hash], "new").status, 0);
    assert_eq!(user(&["remove", file, "ada"]).status, 0);
    assert_eq!(text(&real), "# people\nbroken\nodd:{PLAIN}x:odd:nothing\nbob:{PLAIN}bobs");
    assert_eq!(owner(), was);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");

    let listed = user(&["list", file]);
    assert_eq!(listed.out, "USER  ACCOUNT  SCHEME  ATTRIBUTES\nbob   bob      PLAIN\n");
    assert!(listed.err.contains("link:2: it has no password hash"), "{}", listed.err);
    assert!(listed.err.contains("link:3: a field after"), "{}", listed.err);
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    assert_eq!((user(&["remove", missing, "ada"]).status, user(&["list", missing]).status), (1, 1));
    assert!(!Path::new(missing).exists());
}

#[test]
fn simultaneous_changes_lose_nothing() {
    let folder = folder();
    let path = folder.path().join("users");
    let names: Vec<String> = (0..12).map(|n| format!("user{n}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = loligo();
            command.args(["user", "add"]).arg(&path).args([name, "--scheme", "SSHA256"]);
            let mut child = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"secret").unwrap();
            child
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = text(&path);
    assert_eq!(text.lines().count(), names.len(), "{text}");
    for name in names {
        assert!(text.contains(&format!("{name}:{{SSHA256}}")), "{name}");
    }
}

#[test]
fn a_token_is_accepted_for_its_roles() {
    let auth = json!({ "server": { "jwt_auth": {
        "enabled": true,
        "secret_key": "0123456789abcdef0123456789abcdef",
        "users": [{ "username": "proxy", "password": "long-enough", "roles": ["authenticate"] }],
    } } });
    let server = Site::new().set(auth).start();
    let config = server.path("loligo.json");
    let token = |arguments: &[&str]| {
        let mut command = loligo();
        // The scripts are named relative to it.
        command.current_dir(config.parent().unwrap()).args(["token", "-c"]).arg(&config);
        command.args(arguments);
        finish(command, "")
    };
    let ask = |request: Request, token: &str| {
        server.ask(&request.header("Authorization", format!("Bearer {}", token.trim_end()))).status
    };
    let login = || Request::login("ada", "right");
    let list = || Request::get("/api/v1/bruteforce/list");

    // The roles of the configuration.
    let proxy = token(&["proxy"]);
    assert_eq!(proxy.status, 0, "{}", proxy.err);
    assert!(proxy.err.contains("for proxy: authenticate"), "{}", proxy.err);
    assert_eq!((ask(login(), &proxy.out), ask(list(), &proxy.out)), (200, 403));
    let admin =
        token(&["watch", "--role", "security", "--role", "authenticate", "--expires", "8760h"]);
    assert_eq!(admin.status, 0, "{}", admin.err);
    assert_eq!((ask(login(), &admin.out), ask(list(), &admin.out)), (200, 200));
    assert_eq!(admin.err.lines().count(), 1, "{}", admin.err);
    let scraper = token(&["watch", "--role", "security"]);
    assert!(scraper.err.contains("only good for /metrics"), "{}", scraper.err);
    assert_eq!(ask(Request::get("/metrics"), &scraper.out), 200);
    let short = token(&["proxy", "--expires", "1s"]);
    until("the end of the token", || (ask(login(), &short.out) == 401).then_some(()));

    assert!(token(&["watch"]).err.contains("give --role"));
    assert_eq!(token(&["watch", "--role", "admin", "--expires", "soon"]).status, 2);
    assert_eq!(token(&["watch", "--role", "admin", "--expires", "87601h"]).status, 2);
    let plain = Site::new();
    let mut command = loligo();
    command.current_dir(plain.path("")).args(["token", "-c"]).arg(plain.write_config());
    command.args(["x", "--role", "admin"]);
    let refused = finish(command, "");
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("server.jwt_auth is not enabled"), "{}", refused.err);
}
