//! nginx's mail proxy before Dovecot, with our server between them: it says who may log in, and
//! where.

use super::dovecot::Dovecot;
use super::nginx::Nginx;
use super::{Server, Site};
use serde_json::json;

pub struct Chain {
    pub nginx: Nginx,
    pub dovecot: Dovecot,
    _server: Server,
}

impl Chain {
    /// The proxy asks our server, whose backend is this one, over TCP.
    pub fn over_tcp(backend: &str) -> Chain {
        Chain::new(backend, |server, _| server.address.to_string())
    }

    /// The same over a unix socket.
    pub fn over_unix(backend: &str) -> Chain {
        Chain::new(backend, |_, socket| format!("unix:{socket}"))
    }

    /// Tries something over each of them.
    pub fn over_each(backend: &str, attempt: impl Fn(&Chain)) {
        for (name, chain) in
            [("TCP", Chain::over_tcp(backend)), ("a unix socket", Chain::over_unix(backend))]
        {
            println!("over {name}");
            attempt(&chain);
        }
    }

    fn new(backend: &str, listener: impl Fn(&Server, &str) -> String) -> Chain {
        let dovecot = Dovecot::behind_proxy();
        let site = Site::new();
        let socket = site.path("auth.sock");
        let settings = json!({ "server": {
            "listen_unix": [socket],
            "imap_backend_port": dovecot.imap,
            "pop3_backend_port": dovecot.pop3,
            "smtp_backend_port": dovecot.submission,
        } });
        let server = site.backend(backend).set(settings).start();
        let listener = listener(&server, socket.to_str().unwrap());
        let arguments = ["nginx", "--listener", &listener];
        let nginx = Nginx::mail_proxy(server.integrate(server.address_setting(), &arguments));
        Chain { nginx, dovecot, _server: server }
    }
}
