//! `semconv`: attributes under the names that OpenTelemetry agreed on.

use crate::script::ffi::{Call, Fault, Function, Kind};

/// The object that has the functions.
pub(super) struct Names;

pub(super) static FUNCTIONS: &[Function] = &[
    Function { name: "peer_service", body: peer_service },
    Function {
        name: "http_client_attrs",
        body: |call| {
            rename(
                call,
                &[
                    ("method", "http.method"),
                    ("url", "url.full"),
                    ("status_code", "http.status_code"),
                ],
            )
        },
    },
    Function {
        name: "db_attrs",
        body: |call| {
            rename(
                call,
                &[
                    ("system", "db.system"),
                    ("name", "db.name"),
                    ("operation", "db.operation"),
                    ("statement", "db.statement"),
                ],
            )
        },
    },
    Function {
        name: "net_attrs",
        body: |call| rename(call, &[("peer_name", "server.address"), ("peer_port", "server.port")]),
    },
];

/// `peer_service(name)` → `{["peer.service"] = name}`.
fn peer_service(call: &Call<'_>) -> Result<i32, Fault> {
    let name = call.string(1)?;
    call.push_table(0, 1);
    call.push_string(&name);
    call.set_field(-2, "peer.service");
    Ok(call.and_nil())
}

/// A new table with the fields that are there, under their other names.
fn rename(call: &Call<'_>, names: &[(&str, &str)]) -> Result<i32, Fault> {
    call.table(1)?;
    call.push_table(0, names.len());
    let renamed = call.len();
    for (from, to) in names {
        if call.push_field(1, from) == Kind::Nil {
            call.pop(1);
        } else {
            call.set_field(renamed, to);
        }
    }
    Ok(call.and_nil())
}
