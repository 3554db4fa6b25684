-- Hook: reports the state of the services that the other examples need, for monitoring.
--
-- The response is {"status": "ok", "redis": "up", "cache_entries": 12,
-- "connections": {"BLOCKLIST_SERVICE_ENDPOINT": 3}} with status 200. If Redis does not answer, "status" is
-- "degraded", "redis" holds the reason, and the status is 503. The connections are those of this host to
-- the service endpoints named in the environment; init.lua starts counting them.
--
-- It needs Redis: server.redis, or the pool named by CUSTOM_REDIS_POOL_NAME. Environment:
-- BLOCKLIST_SERVICE_ENDPOINT and GEOIP_POLICY_SERVICE_ENDPOINT, HOST:PORT each. If callers use tokens,
-- configure roles for this hook.
local json = require("json")
local nauthilus_cache = require("nauthilus_cache")
local nauthilus_http_response = require("nauthilus_http_response")
local nauthilus_psnet = require("nauthilus_psnet")
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_util = require("nauthilus_util")

local ENDPOINTS = { "BLOCKLIST_SERVICE_ENDPOINT", "GEOIP_POLICY_SERVICE_ENDPOINT" }

-- Returns nil if Redis answers, otherwise the reason.
local function redis_problem()
    local handle, err = "default", nil
    local name = nauthilus_util.getenv("CUSTOM_REDIS_POOL_NAME")
    if name then handle, err = nauthilus_redis.get_redis_connection(name) end
    if err then return err end
    local _, ping_err = nauthilus_redis.redis_ping(handle)
    return ping_err
end

-- Returns the number of connections to each configured endpoint that is counted.
local function connections()
    local counts = {}
    json.tableIsObject(counts)
    for _, name in ipairs(ENDPOINTS) do
        local endpoint = nauthilus_util.getenv(name)
        if endpoint then counts[name] = nauthilus_psnet.get_connection_target(endpoint) end
    end
    return counts
end

function nauthilus_run_hook(request)
    local problem = redis_problem()
    local report, err = json.encode({
        status = problem and "degraded" or "ok",
        redis = problem or "up",
        cache_entries = nauthilus_cache.cache_size(),
        connections = connections(),
    })
    nauthilus_util.if_error_raise(err)
    local code = problem and nauthilus_http_response.STATUS_SERVICE_UNAVAILABLE or nauthilus_http_response.STATUS_OK
    nauthilus_http_response.data(code, "application/json", report)
end
