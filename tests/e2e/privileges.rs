//! What the process gives up at start, seen from outside: `server.run_as_user`, `run_as_group`,
//! `chroot`, `landlock`. The tests need root, and the users `nobody` and `daemon`, which every
//! system has.

use crate::support::site::{backend_that_finds_everybody, loligo};
use crate::support::{Client, Request, Server, Site};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The uid and the primary group of a user.
fn ids(user: &str) -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut fields =
        passwd.lines().find(|l| l.starts_with(&format!("{user}:"))).unwrap().split(':');
    (fields.nth(2).unwrap().parse().unwrap(), fields.next().unwrap().parse().unwrap())
}

/// A field of the status of each thread of the server, its words joined by blanks.
fn of_threads(server: &Server, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).ok();
    // A thread may end while one looks.
    let all: Vec<_> = tasks.filter_map(|task| status(task.unwrap())).collect();
    assert!(all.len() > 3, "worker, background, log, watchdog");
    let value = |status: &String| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    all.iter().map(value).collect()
}

fn all_have(server: &Server, field: &str, value: &str) {
    let values = of_threads(server, field);
    assert!(values.iter().all(|own| own == value), "{field}: {values:?} instead of {value:?}");
}

/// What the server says that does not start, or the check of its configuration.
fn refused(site: &Site, command: &str, become_user: Option<&str>) -> String {
    let config = site.write_config();
    let mut run = loligo();
    run.current_dir(site.path("")).args([command, "-c"]).arg(&config);
    if let Some(user) = become_user {
        let (uid, gid) = ids(user);
        run.uid(uid).gid(gid);
    }
    said(run)
}

fn said(mut run: Command) -> String {
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success(), "{said}");
    said
}

/// A port that only root may bind, where the system has such ports.
fn privileged_port() -> u16 {
    (600..1024).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

#[test]
fn every_thread_becomes_the_user_and_what_was_opened_before_stays() {
    let (uid, gid) = ids("nobody");
    let site = Site::new();
    let socket = site.path("auth.sock");
    let mut server = site
        .set(json!({ "server": {
            "address": format!("127.0.0.1:{}", privileged_port()),
            "listen_unix": [socket], "run_as_user": "nobody", "workers": 2,
        } }))
        .start();
    all_have(&server, "Uid", &format!("{uid} {uid} {uid} {uid}"));
    all_have(&server, "Gid", &format!("{gid} {gid} {gid} {gid}"));
    all_have(&server, "Groups", &gid.to_string());
    all_have(&server, "CapEff", "0000000000000000");
    all_have(&server, "CapPrm", "0000000000000000");
    all_have(&server, "NoNewPrivs", "1");
    // Root's still: no other process of the user may look into its memory.
    let environ = format!("/proc/{}/environ", server.pid());
    assert_eq!(fs::metadata(environ).unwrap().uid(), 0);
    let about = fs::metadata(&socket).unwrap();
    assert_eq!((about.uid(), about.gid()), (uid, gid));
    assert_eq!(server.login("ada", "right").status, 200);
    assert_eq!(Client::unix(&socket).ask(&Request::login("ada", "right")).status, 200);
    // It still shows itself, reloads, and knows SIGUSR1.
    assert!(server.metric("process_open_fds") > 0.0);
    server.write("backend.lua", &backend_that_finds_everybody("", r#"request.password == "new""#));
    assert!(server.reload());
    assert_eq!(server.login("ada", "new").status, 200);
    server.signal(Signal::USR1);
    server.wait_for_log("listeners are kept");
    // Whom it became is not for a reload to change.
    server.change(json!({ "server": { "run_as_user": "daemon" } }));
    assert!(!server.reload());
    server.wait_for_log("server.run_as_user: differs from the start: only a restart can change it");
    assert_eq!(server.login("ada", "new").status, 200);
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn a_group_may_be_another_than_the_users_own() {
    let ((uid, _), (_, gid)) = (ids("nobody"), ids("daemon"));
    let settings = json!({ "server": { "run_as_user": "nobody", "run_as_group": "daemon" } });
    let server = Site::new().set(settings).start();
    all_have(&server, "Uid", &format!("{uid} {uid} {uid} {uid}"));
    all_have(&server, "Gid", &format!("{gid} {gid} {gid} {gid}"));
    for groups in of_threads(&server, "Groups") {
        assert!(groups.split(' ').any(|group| group == gid.to_string()), "{groups}");
        assert!(groups.split(' ').all(|group| group != "0"), "{groups}");
    }
}

#[test]
fn programs_that_scripts_start_gain_no_rights() {
    let hook = r#"
        function nauthilus_run_hook()
            return { out = require("cmd").exec("./who -u").stdout }
        end
    "#;
    let site = Site::new().hook("who", hook).set(json!({ "server": { "run_as_user": "nobody" } }));
    // A program that would run as root.
    fs::copy("/usr/bin/id", site.path("who")).unwrap();
    fs::set_permissions(site.path("who"), PermissionsExt::from_mode(0o4755)).unwrap();
    let server = site.start();
    let answer = server.ask(&Request::get("/api/v1/custom/who")).text();
    assert!(answer.contains(&format!("\"{}\\n\"", ids("nobody").0)), "{answer}");
    // Without any setting, too.
    all_have(&Site::new().start(), "NoNewPrivs", "1");
}

#[test]
fn what_cannot_be_given_up_keeps_the_server_from_starting() {
    let place = |key: &str| format!("loligo.json:@: server.{key}: ");
    for (settings, user, expected) in [
        (
            json!({ "run_as_user": "no-such" }),
            None,
            place("run_as_user")
                + "there is no user \"no-such\" on this system: add it, or name another",
        ),
        (
            json!({ "run_as_user": "nobody", "run_as_group": "no-such" }),
            None,
            place("run_as_group") + "there is no group \"no-such\" on this system",
        ),
        (
            json!({ "run_as_user": "root" }),
            None,
            place("run_as_user") + "is root, which gives nothing up: name another user",
        ),
        (
            json!({ "run_as_group": "daemon" }),
            None,
            place("run_as_group") + "binds nobody who is root: set server.run_as_user, too",
        ),
        (
            json!({ "chroot": "/tmp" }),
            None,
            place("chroot") + "keeps nobody in who is root: set server.run_as_user, too",
        ),
        (
            json!({ "chroot": "/no/such", "run_as_user": "nobody" }),
            None,
            place("chroot") + "cannot enter /no/such: No such file or directory",
        ),
        (
            json!({ "landlock": { "read": ["/no/such"] } }),
            None,
            place("landlock.read") + "\"/no/such\" cannot be used: ",
        ),
        (
            json!({ "run_as_user": "daemon" }),
            Some("nobody"),
            place("run_as_user") + "needs root: start the server as root, or remove it",
        ),
        (
            json!({ "run_as_group": "daemon" }),
            Some("nobody"),
            place("run_as_group") + "needs root: ",
        ),
        (json!({ "chroot": "/tmp" }), Some("nobody"), place("chroot") + "needs root: "),
    ] {
        let site = Site::new().set(json!({ "server": settings }));
        let said = refused(&site, "serve", user);
        assert!(without_line(&said).contains(&expected), "{said}");
        // The check tells, but for what only root can try.
        if user.is_none() {
            let said = refused(&site, "check", user);
            assert!(without_line(&said).contains(&expected), "{said}");
        }
    }
}

/// The first number of a line, which is that of the configuration file, is `@`.
fn without_line(said: &str) -> String {
    let Some((before, after)) = said.split_once("loligo.json:") else { return said.to_owned() };
    format!("{before}loligo.json:@{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn files_that_the_user_cannot_read_are_told_at_start_with_their_place() {
    let hidden = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    let site = Site::new().set(json!({ "server": { "run_as_user": "nobody" } }));
    hidden(&site.path("backend.lua"));
    let remedy =
        "The server reads its files again as user \"nobody\", at start and for every reload";
    for command in ["serve", "check"] {
        let said = refused(&site, command, None);
        let expected = "loligo.json:@: lua.config.backend_script_path: \"backend.lua\" cannot be read: Permission denied";
        assert!(without_line(&said).contains(expected) && said.contains(remedy), "{said}");
    }
    // The configuration itself.
    let site = Site::new().set(json!({ "server": { "run_as_user": "nobody" } }));
    hidden(&site.write_config());
    let said = refused(&site, "serve", None);
    assert!(said.contains("loligo.json") && said.contains("Permission denied"), "{said}");
    assert!(said.contains(remedy), "{said}");
}

#[test]
fn a_check_by_somebody_else_says_what_it_could_not_try() {
    let check = |site: &Site| {
        let (uid, gid) = ids("daemon");
        let mut run = loligo();
        run.current_dir(site.path("")).args(["check", "-c"]).arg(site.write_config());
        run.uid(uid).gid(gid).output().unwrap()
    };
    let site = Site::new().set(json!({ "server": { "run_as_user": "nobody" } }));
    let output = check(&site);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("server.run_as_user: is not tried: only root can check"), "{said}");
    let output = check(&site.set(json!({ "server": { "run_as_user": "no-such" } })));
    assert!(!output.status.success());
}

/// A hook that says whether it can read and write what is named.
const TRIES: &str = r#"
    function nauthilus_run_hook()
        local request = require("nauthilus_http_request")
        local path = request.get_http_request_header("X-Path")[1]
        local read, write = io.open(path, "r"), io.open(path, "a")
        return { read = read ~= nil, write = write ~= nil }
    end
"#;

fn tries(server: &Server, path: &Path) -> (bool, bool) {
    let request = Request::get("/api/v1/custom/tries").header("X-Path", path.to_str().unwrap());
    let answer: Value = serde_json::from_slice(&server.ask(&request).body).unwrap();
    (answer["read"] == json!(true), answer["write"] == json!(true))
}

#[test]
fn a_changed_root_holds_scripts_and_reloads_in() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(outside.path(), PermissionsExt::from_mode(0o666)).unwrap();
    let site = Site::new().hook("tries", TRIES);
    let root = site.path("root");
    let site = site.set(json!({ "server": { "chroot": root, "run_as_user": "nobody" } }));
    // Without the configuration within it, no reload could work.
    fs::create_dir(&root).unwrap();
    let said = refused(&site, "serve", None);
    assert!(said.contains(&format!("inside of {}", root.display())), "{said}");
    let config = site.write_config();
    let within = |path: &Path| root.join(path.strip_prefix("/").unwrap());
    fs::create_dir_all(within(config.parent().unwrap())).unwrap();
    fs::copy(&config, within(&config)).unwrap();
    for script in ["backend.lua", "tries.lua"] {
        fs::copy(site.path(script), root.join(script)).unwrap();
    }
    fs::write(root.join("inside"), "").unwrap();
    let mut server = site.start();
    assert_eq!(fs::read_link(format!("/proc/{}/root", server.pid())).unwrap(), root);
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", server.pid())).unwrap(), root);
    assert_eq!(server.login("ada", "right").status, 200);
    // There is no /etc/resolv.conf in it.
    assert!(server.log().contains("server.chroot: /etc/resolv.conf cannot be read then"));
    assert_eq!(tries(&server, Path::new("/inside")), (true, false));
    assert_eq!(tries(&server, outside.path()), (false, false));
    assert_eq!(tries(&server, Path::new("/../../../../etc/passwd")), (false, false));
    server
        .write("root/backend.lua", &backend_that_finds_everybody("", "request.password == 'new'"));
    assert!(server.reload());
    assert_eq!(server.login("ada", "new").status, 200);
}

#[test]
fn landlock_keeps_scripts_to_what_is_named() {
    let site = Site::new().hook("tries", TRIES);
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::create_dir(site.path("open")).unwrap();
    fs::write(site.path("open/file"), "").unwrap();
    let landlock = json!({ "read": [site.path("")], "write": [site.path("open")] });
    let mut server = site.set(json!({ "server": { "landlock": landlock } })).start();
    // It is root, and yet:
    assert_eq!(tries(&server, outside.path()), (false, false));
    assert_eq!(tries(&server, Path::new("/etc/passwd")), (false, false));
    assert_eq!(tries(&server, &server.path("backend.lua")), (true, false));
    assert_eq!(tries(&server, &server.path("open/file")), (true, true));
    assert_eq!(server.login("ada", "right").status, 200);
    assert!(server.metric("process_open_fds") > 0.0);
    assert!(server.reload());
    assert_eq!(tries(&server, outside.path()), (false, false));
    assert_eq!(tries(&Site::new().hook("tries", TRIES).start(), outside.path()), (true, true));
}

#[test]
fn landlock_that_leaves_out_the_servers_own_files_keeps_it_from_starting() {
    let site = Site::new().set(json!({ "server": { "landlock": { "read": ["/etc"] } } }));
    for command in ["serve", "check"] {
        let said = refused(&site, command, None);
        assert!(said.contains("loligo.json") && said.contains("Permission denied"), "{said}");
        assert!(said.contains("The server reads its files again within server.landlock"), "{said}");
    }
}

#[test]
fn a_kernel_without_landlock_keeps_the_server_from_starting() {
    let site = Site::new();
    let site = site.set(json!({ "server": { "landlock": { "read": ["/"] } } }));
    let config = site.write_config();
    let mut run = Command::new("python3");
    run.args(["-c", WITHOUT_LANDLOCK]).arg(loligo().get_program());
    run.args(["serve", "-c"]).arg(config).current_dir(site.path(""));
    let said = said(run);
    assert!(
        without_line(&said)
            .contains("loligo.json:@: server.landlock.read: this kernel cannot do it"),
        "{said}"
    );
}

/// Runs a program for which landlock_create_ruleset(2), 444 on all architectures, fails as on a
/// kernel that does not know it (seccomp(2)).
const WITHOUT_LANDLOCK: &str = r#"
import ctypes, os, struct, sys
filters = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 444, 0x06, 0, 0, 0x00050000 | 38, 0x06, 0, 0, 0x7fff0000)
buffer = ctypes.create_string_buffer(filters)
program = struct.pack("HxxxxxxQ", 4, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"#;
