//! Connections of scripts end with the script, whatever the script forgets and however it ends.

use crate::support::{PATIENCE, Request, Site};
use serde_json::json;
use std::io::Read;
use std::net::TcpListener;

#[test]
fn they_are_closed_when_the_script_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hook = |name: &str| json!({ "http_location": name, "http_method": "GET", "script_path": format!("{name}.lua") });
    let script = |ending: &str| {
        format!(
            "local tcp = require('tcp')
            function nauthilus_run_hook() local c = assert(tcp.open('127.0.0.1:{port}')) c:write('hello') {ending} end"
        )
    };
    // The second is still waiting for an answer when its client goes away.
    let server = Site::new()
        .set(json!({ "lua": { "custom_hooks": [hook("returns"), hook("waits"), hook("raises")] } }))
        .file("returns.lua", &script("return { done = true }"))
        .file("waits.lua", &script("c.readTimeout = 3600 c:read()"))
        .file("raises.lua", &script("error('broken')"))
        .start();
    for name in ["returns", "waits", "raises"] {
        let mut client = server.connect();
        client.send(&Request::get(&format!("/api/v1/custom/{name}")).bytes());
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut heard = [0; 5];
        peer.read_exact(&mut heard).unwrap();
        if name == "waits" {
            drop(client);
        }
        assert_eq!((&heard, peer.read(&mut [0; 8]).unwrap()), (b"hello", 0), "{name}");
    }
}
