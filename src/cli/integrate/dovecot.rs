//! Dovecot 2.3: passdb and userdb in Lua, which ask this server over JSON.
//!
//! Dovecot's HTTP client for Lua speaks plain HTTP over TCP only: no unix sockets, no PROXY header.

use super::{ClientFile, Integration, fill};
use crate::config::ListenAddress;

pub fn compose(integration: &Integration<'_>) -> Result<Vec<ClientFile>, String> {
    let endpoints = &integration.config.server.disabled_endpoints;
    integration.require(endpoints.auth_json, "auth_json")?;
    let needs = "plain HTTP over TCP without TLS and PROXY protocol";
    let target = integration.target(|target| target.is_plain() && !target.is_unix(), needs)?;
    let ListenAddress::Tcp(address) = &target.address else {
        return Err("the listener has no TCP address".to_owned());
    };
    let authorization = integration
        .authorization(target)?
        .map(|value| format!("    request:add_header(\"Authorization\", \"{value}\")"));
    let script = fill(
        SCRIPT,
        &[
            ("SERVER", &address.to_string()),
            ("TIMEOUT_MS", &(integration.patience() * 1000).to_string()),
            ("AUTHORIZATION", &authorization.unwrap_or_default()),
        ],
    );
    let path = integration.path_of("loligo.lua", "/etc/dovecot/loligo.lua");
    let conf = fill(CONF, &[("SCRIPT", &path)]);
    Ok(vec![
        ClientFile {
            name: "auth-loligo.conf.ext",
            place: "/etc/dovecot/conf.d/auth-loligo.conf.ext",
            text: conf,
        },
        ClientFile { name: "loligo.lua", place: "/etc/dovecot/loligo.lua", text: script },
    ])
}

const CONF: &str =
    "# Dovecot's users are those of Loligo (Debian: packages dovecot-auth-lua and lua-cjson).
# Include this file from conf.d/10-auth.conf instead of the other auth-*.conf.ext:
#   !include auth-loligo.conf.ext
# and remove the limit on characters, which would refuse user names before Loligo sees them:
#   auth_username_chars =
# Dovecot's users must be able to read the script, and others must not if it holds a secret:
#   chown root:dovecot @SCRIPT@; chmod 640 @SCRIPT@

passdb {
  driver = lua
  args = file=@SCRIPT@ blocking=yes
}
userdb {
  driver = lua
  args = file=@SCRIPT@ blocking=yes
}
";

const SCRIPT: &str = r#"-- Dovecot's passdb and userdb: ask Loligo over JSON.
--
-- Attributes of a user with a meaning to Dovecot: home, uid, gid, mail and quota (bytes). Others are
-- ignored. If the server cannot decide or cannot be reached, the result is an internal failure, which
-- mail clients see as a temporary one.
local json = require("cjson")

local URL = "http://@SERVER@/api/v1/auth/json"

-- One attempt: a login must not count twice. Longer than the server works on a request.
local client = dovecot.http.client{
    timeout = @TIMEOUT_MS@;
    max_attempts = 1;
    user_agent = "Dovecot";
}

-- Sends a request to the server; `mode` is nil for a login, else "no-auth" or "list-accounts".
local function ask(user, password, mode)
    local request = client:request{
        url = mode and (URL .. "?mode=" .. mode) or URL;
        method = user and "POST" or "GET";
    }
@AUTHORIZATION@
    if not user then
        request:add_header("Accept", "application/json")
        return request:submit()
    end
    request:add_header("Content-Type", "application/json")
    local secured = user.secured or ""
    request:set_payload(json.encode{
        username = user.user,
        password = password,
        protocol = user.service,
        method = (user.mech or ""):lower(),
        client_ip = user.remote_ip or "127.0.0.1",
        client_port = tostring(user.remote_port or "0"),
        local_ip = user.local_ip or "127.0.0.1",
        local_port = tostring(user.local_port or "0"),
        -- "secured" also for connections from this host.
        ssl = secured ~= "" and "1" or nil,
        ssl_protocol = secured ~= "" and secured or nil,
    })
    return request:submit()
end

-- The fields of a found user. In a passdb the names of userdb fields get a prefix.
local function fields(response, prefix)
    local found = {}
    local account = response:header("Auth-User")
    if account and account ~= "" then found.user = account end
    local attributes = json.decode(response:payload()).attributes
    if type(attributes) ~= "table" then return found end
    for _, name in ipairs({ "home", "uid", "gid", "mail" }) do
        if attributes[name] then found[prefix .. name] = attributes[name][1] end
    end
    if attributes.quota then
        found[prefix .. "quota_rule"] = "*:bytes=" .. attributes.quota[1]
    end
    return found
end

-- What to log about a login that failed.
local function reason(response)
    local status = response:header("Auth-Status") or ("status " .. response:status())
    return status .. " " .. (response:header("X-Nauthilus-Session") or "")
end

function auth_password_verify(user, password)
    local response = ask(user, password)
    if response:status() == 200 then
        return dovecot.auth.PASSDB_RESULT_OK, fields(response, "userdb_")
    end
    if response:status() == 403 then
        return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, reason(response)
    end
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, reason(response)
end

-- Logins always need the password; only look-ups of the userdb work without.
function auth_passdb_lookup(user)
    return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "no password lookups"
end

function auth_userdb_lookup(user)
    local response = ask(user, "", "no-auth")
    if response:status() == 200 then
        return dovecot.auth.USERDB_RESULT_OK, fields(response, "")
    end
    if response:status() == 403 then
        return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, "unknown user"
    end
    return dovecot.auth.USERDB_RESULT_INTERNAL_FAILURE, reason(response)
end

function auth_userdb_iterate()
    local response = ask(nil, nil, "list-accounts")
    if response:status() == 200 then return json.decode(response:payload()) end
    error("accounts cannot be listed: " .. reason(response))
end

function script_init() return 0 end
function script_deinit() end
"#;
