//! Who listens on a port already. Listeners share their port (SO_REUSEPORT), so the system would
//! let a second server in by mistake, and each would get some of the connections.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Refuses an address that has a listener. Connections that a server has left behind (TIME_WAIT) do
/// not count.
///
/// # Errors
/// `AddrInUse` with the process that listens there, if it can be found; other errors of the system.
pub(super) fn refuse_if_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    // A socket without SO_REUSEPORT cannot be bound beside one that listens.
    let probe = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        probe.set_only_v6(false)?;
    }
    probe.set_reuse_address(true)?;
    match probe.bind(&address.into()) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let process = listening(address.port()).map_or_else(
                || "another process".to_owned(),
                |(pid, name)| format!("process {pid} ({name})"),
            );
            Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("the address is in use by {process}"),
            ))
        }
        bound => bound,
    }
}

/// Number and name of a process that listens on a TCP port of this host, as far as we may look into
/// other processes (proc(5)).
fn listening(port: u16) -> Option<(u32, String)> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            table
                .lines()
                .filter_map(|line| inode_listening(line, port))
                .map(|inode| format!("socket:[{inode}]"))
                .collect::<Vec<_>>()
        })
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        if links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str())) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

/// The inode of a socket that listens on `port`, from a line of `/proc/net/tcp`: `0: 0100007F:2378
/// 00000000:0000 0A …`.
fn inode_listening(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_ascii_whitespace();
    let (_, local, _, state) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (_, hex) = local.rsplit_once(':')?;
    let listens = state == LISTEN && u16::from_str_radix(hex, 16) == Ok(port);
    // Queues, timer, retransmits, user and timeout come before the inode.
    fields.nth(5).filter(|_| listens)
}

/// TCP_LISTEN of the kernel.
const LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_on_which_somebody_listens_is_refused_with_its_process() {
        for (ours, wanted) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("127.0.0.1:0", "0.0.0.0"),
            ("0.0.0.0:0", "127.0.0.1"),
            ("[::1]:0", "[::]"),
        ] {
            let listener = TcpListener::bind(ours).unwrap();
            let wanted: SocketAddr =
                format!("{wanted}:{}", listener.local_addr().unwrap().port()).parse().unwrap();
            let error = refuse_if_taken(wanted).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            let own = format!("in use by process {} (", std::process::id());
            assert!(error.to_string().contains(&own), "{error}");
            drop(listener);
            refuse_if_taken(wanted).unwrap();
        }
    }

    #[test]
    fn the_end_of_a_connection_holds_nobody_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        // Ours is closed first: it is the side that stays in TIME_WAIT.
        drop(listener.accept().unwrap());
        drop(client);
        drop(listener);
        refuse_if_taken(address).unwrap();
    }

    #[test]
    fn other_lines_of_the_table_do_not_count() {
        let line = |local: &str, state: &str| {
            format!(
                "0: 0100007F:{local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 77 1"
            )
        };
        assert_eq!(inode_listening(&line("2378", "0A"), 0x2378), Some("77"));
        assert_eq!(inode_listening(&line("2378", "01"), 0x2378), None);
        assert_eq!(inode_listening(&line("2379", "0A"), 0x2378), None);
        assert_eq!(inode_listening("sl local_address rem_address st", 1), None);
        assert_eq!(inode_listening("", 1), None);
    }
}
