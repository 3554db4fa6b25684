//! A TCP proxy that carries bytes late: what a slow network does to a server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Listens until the test's process ends.
pub struct SlowProxy {
    pub address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
}

impl SlowProxy {
    /// Before the server at `port` of this host; without delay at first.
    pub fn before(port: u16) -> SlowProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let delay = delay_ms.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (Ok(from_client), Ok(to_client)) = (client.try_clone(), server.try_clone())
                else {
                    continue;
                };
                carry(from_client, server, Arc::default());
                carry(to_client, client, delay.clone());
            }
        });
        SlowProxy { address, delay_ms }
    }

    /// How late replies arrive from now on.
    pub fn delay(&self, time: Duration) {
        self.delay_ms.store(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// One thread reads, one writes when it is time, so that the delay holds nothing up but what it
/// delays.
fn carry(mut from: TcpStream, mut to: TcpStream, delay_ms: Arc<AtomicU64>) {
    let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + Duration::from_millis(delay_ms.load(Ordering::Relaxed));
            if sender.send((due, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        // The peer may have closed already.
        let _ = to.shutdown(Shutdown::Write);
    });
}
