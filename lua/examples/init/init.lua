-- Init: prepares what the other examples use. It runs once at start, before logins are served, and after
-- each reload.
--
-- It creates the metrics, starts counting connections to services, registers a Redis pool and uploads the
-- Redis scripts. Redis may be down: a script is then loaded when it is first run.
--
-- Environment: BLOCKLIST_SERVICE_ENDPOINT and GEOIP_POLICY_SERVICE_ENDPOINT, HOST:PORT each, as in the URLs
-- of these services; CUSTOM_REDIS_POOL_NAME, CUSTOM_REDIS_POOL_ADDRESS (HOST:PORT) and
-- CUSTOM_REDIS_POOL_PASSWORD, for a Redis that the examples use instead of the server's own; REDIS_SCRIPTS,
-- the folder of the Redis scripts (default lua/examples/redis).
-- Steps that fail are logged; scripts that depend on them report it themselves. Only configuration errors
-- raise.
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_psnet = require("nauthilus_psnet")
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_util = require("nauthilus_util")

local GAUGES = {
    { "http_client_concurrent_requests_total", "HTTP requests of scripts under way.", { "service" } },
}
local COUNTERS = {
    { "analytics_count", "Logins that a feature or a filter spoke against.", { "feature" } },
    { "geoippolicyd_count", "What the GeoIP policy service decided.", { "country", "status" } },
}
local HISTOGRAMS = {
    { "blocklist_duration_seconds", "Answer times of the blocklist service.", { "http" } },
    { "clickhouse_duration_seconds", "Answer times of ClickHouse.", { "op" } },
    { "geoippolicyd_duration_seconds", "Answer times of the GeoIP policy service.", { "http" } },
    { "haveibeenpwnd_duration_seconds", "Answer times of the service that knows leaked passwords.", { "http" } },
    { "telegram_duration_seconds", "Answer times of Telegram.", { "bot" } },
}

-- The description of each endpoint in the metric generic_connections.
local ENDPOINTS = {
    BLOCKLIST_SERVICE_ENDPOINT = "Blocklist service",
    GEOIP_POLICY_SERVICE_ENDPOINT = "GeoIP policy service",
}

-- The names of the Redis scripts; each is a file of that name.
local REDIS_SCRIPTS = { "claim_server", "count_attempt" }

local function create_metrics()
    for _, metric in ipairs(GAUGES) do nauthilus_prometheus.create_gauge_vec(unpack(metric)) end
    for _, metric in ipairs(COUNTERS) do nauthilus_prometheus.create_counter_vec(unpack(metric)) end
    for _, metric in ipairs(HISTOGRAMS) do nauthilus_prometheus.create_histogram_vec(unpack(metric)) end
end

local function watch_connections()
    for name, description in pairs(ENDPOINTS) do
        local endpoint = nauthilus_util.getenv(name)
        if endpoint then nauthilus_psnet.register_connection_target(endpoint, "remote", description) end
    end
end

-- Returns the handle of the Redis that the examples use.
local function register_pool()
    local name = nauthilus_util.getenv("CUSTOM_REDIS_POOL_NAME")
    if not name then return "default" end
    local _, err = nauthilus_redis.register_redis_pool(name, "standalone", {
        address = nauthilus_util.getenv("CUSTOM_REDIS_POOL_ADDRESS") or error("CUSTOM_REDIS_POOL_ADDRESS is not set"),
        password = nauthilus_util.getenv("CUSTOM_REDIS_POOL_PASSWORD", ""),
    })
    nauthilus_util.if_error_raise(err)
    local handle, handle_err = nauthilus_redis.get_redis_connection(name)
    nauthilus_util.if_error_raise(handle_err)
    return handle
end

local function read_file(path)
    local file, err = io.open(path, "r")
    if not file then error("Redis script: " .. tostring(err)) end
    local content, read_err = file:read("*a")
    file:close()
    return content or error("Redis script: " .. path .. ": " .. tostring(read_err))
end

local function upload_scripts(handle, logging)
    local folder = nauthilus_util.getenv("REDIS_SCRIPTS", "lua/examples/redis")
    for _, name in ipairs(REDIS_SCRIPTS) do
        local _, err = nauthilus_redis.redis_upload_script(handle, read_file(folder .. "/" .. name .. ".lua"), name)
        if err then nauthilus_util.log_warn(logging, { caller = "init.lua", script = name, problem = err }) end
    end
end

function nauthilus_run_hook(request)
    create_metrics()
    watch_connections()
    upload_scripts(register_pool(), request.logging)
end
