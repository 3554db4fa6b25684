-- Action: stores a record of every login in ClickHouse.
--
-- Configure it under lua.actions with type post, so that logins do not wait for it. Rows are collected in
-- the process's cache and sent as one INSERT when there are enough of them, or at the first login after a
-- minute. The statement is part of the URL:
--
--     CLICKHOUSE_INSERT_URL=http://127.0.0.1:8123/?query=INSERT%20INTO%20logins%20FORMAT%20JSONEachRow
--
--     CREATE TABLE logins (
--         ts DateTime64(3), session String, service LowCardinality(String), protocol LowCardinality(String),
--         username String, account String, password_hash String, client_ip String, client_port String, client_net String,
--         client_hostname String, client_id String, user_agent String, local_ip String, local_port String,
--         authenticated Bool, user_found Bool, no_auth Bool, repeating Bool, feature LowCardinality(String),
--         brute_force_bucket LowCardinality(String), brute_force_counter UInt64, http_status UInt16, latency_ms Float64,
--         status_message String, ssl_protocol LowCardinality(String), ssl_cipher LowCardinality(String), ssl_fingerprint String
--     ) ENGINE = MergeTree ORDER BY ts TTL toDateTime(ts) + INTERVAL 90 DAY;
--
-- Passwords are not stored: password_hash is the short keyed hash that the server uses in its own password
-- histories. It shows when one password is tried on many accounts.
--
-- Environment: CLICKHOUSE_INSERT_URL; CLICKHOUSE_USER and CLICKHOUSE_PASSWORD; CLICKHOUSE_BATCH_SIZE
-- (default 100); CLICKHOUSE_CACHE_KEY (default clickhouse:logins). Metrics: those of init.lua.
-- While ClickHouse is down, up to ten batches of rows are kept and sending is retried every 30 seconds.
-- Further rows are dropped, which is logged. Rows not yet sent when the server stops are lost.
local http = require("glua_http")
local json = require("json")
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_password = require("nauthilus_password")
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_util = require("nauthilus_util")
local time = require("time")

local NAME = "clickhouse"
local REQUESTS_GAUGE = "http_client_concurrent_requests_total"
local TIMEOUT = "10s"
local BATCH_SIZE = "100"
local CACHE_KEY = "clickhouse:logins"
local LINGER_SECONDS = 60
local PAUSE_SECONDS = 30
local BATCHES_KEPT = 10

-- Columns with the same name as a field of the request.
local FIELDS = {
    "session", "service", "protocol", "username", "account", "client_ip", "client_port", "client_net", "client_hostname", "client_id",
    "user_agent", "local_ip", "local_port", "authenticated", "user_found", "no_auth", "repeating", "feature", "brute_force_bucket",
    "brute_force_counter", "http_status", "status_message", "ssl_protocol", "ssl_cipher", "ssl_fingerprint",
}

-- Returns the login as a line of JSON.
local function row_of(request)
    local row = { ts = time.unix(), latency_ms = request.latency, password_hash = "" }
    for _, name in ipairs(FIELDS) do row[name] = request[name] end
    if request.password ~= "" then
        local hash, err = nauthilus_password.generate_password_hash(request.password)
        nauthilus_util.if_error_raise(err)
        row.password_hash = hash
    end
    local line, encode_err = json.encode(row)
    nauthilus_util.if_error_raise(encode_err)
    return line
end

-- Sends rows. Raises unless ClickHouse accepted them.
local function insert(rows)
    local url = nauthilus_util.getenv("CLICKHOUSE_INSERT_URL") or error("CLICKHOUSE_INSERT_URL is not set")
    nauthilus_prometheus.increment_gauge(REQUESTS_GAUGE, { service = NAME })
    local timer = nauthilus_prometheus.start_histogram_timer(NAME .. "_duration_seconds", { op = "insert" })
    local response, err = http.post(url, {
        timeout = TIMEOUT,
        headers = {
            ["Content-Type"] = "application/x-ndjson",
            ["X-ClickHouse-User"] = nauthilus_util.getenv("CLICKHOUSE_USER", "default"),
            ["X-ClickHouse-Key"] = nauthilus_util.getenv("CLICKHOUSE_PASSWORD", ""),
        },
        body = table.concat(rows, "\n") .. "\n",
    })
    nauthilus_prometheus.stop_timer(timer)
    nauthilus_prometheus.decrement_gauge(REQUESTS_GAUGE, { service = NAME })
    if err then error(NAME .. ": " .. err, 0) end
    if response.status_code ~= 200 then
        error(NAME .. ": status " .. response.status_code .. ": " .. string.sub(response.body, 1, 200), 0)
    end
end

-- Sends the collected rows. On failure they are put back, after newer rows, and sending pauses for a while.
local function send(key)
    local rows = nauthilus_cache.cache_pop_all(key)
    if #rows == 0 then return end
    local ok, err = pcall(insert, rows)
    if ok then
        nauthilus_builtin.custom_log_add(NAME .. "_rows", #rows)
        return
    end
    nauthilus_cache.cache_set(key .. ":pause", true, PAUSE_SECONDS)
    for _, row in ipairs(rows) do nauthilus_cache.cache_push(key, row) end
    error(err, 0)
end

function nauthilus_call_action(request)
    local key = nauthilus_util.getenv("CLICKHOUSE_CACHE_KEY", CACHE_KEY)
    local batch = tonumber(nauthilus_util.getenv("CLICKHOUSE_BATCH_SIZE", BATCH_SIZE))
    local count, err = nauthilus_cache.cache_push(key, row_of(request))
    if not count then error(NAME .. ": " .. tostring(err)) end

    if count > BATCHES_KEPT * batch then
        local dropped = #nauthilus_cache.cache_pop_all(key)
        error(NAME .. ": " .. dropped .. " rows were dropped")
    end
    if nauthilus_cache.cache_exists(key .. ":pause") then return nauthilus_builtin.ACTION_RESULT_OK end

    -- The mark expires after a minute; rows collected before that are due.
    local is_due = not nauthilus_cache.cache_exists(key .. ":mark")
    if is_due then nauthilus_cache.cache_set(key .. ":mark", true, LINGER_SECONDS) end
    if count >= batch or (is_due and count > 1) then send(key) end
    return nauthilus_builtin.ACTION_RESULT_OK
end
