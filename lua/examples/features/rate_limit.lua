-- Feature: rejects clients that make too many attempts, with right or wrong passwords.
--
-- It counts the attempts of a client address, or of the network that lua.config.ip_scoping_* reduces it
-- to, within a time window that starts with the first attempt. Beyond the limit, logins are rejected with
-- the message "Too many login attempts" until the window ends. The log line gets rate_limit_attempts, and
-- actions find feature_rate_limit in the context table "rt". Attempts are not counted per account, because
-- that would let anybody lock out others.
--
-- It needs Redis (server.redis, or the pool named by CUSTOM_REDIS_POOL_NAME) and the Redis script
-- count_attempt, which init.lua uploads.
-- Environment: RATE_LIMIT_ATTEMPTS (default 60); RATE_LIMIT_SECONDS, the length of the window (default 60).
-- If Redis fails, the script raises: the login fails temporarily.
local nauthilus_context = require("nauthilus_context")
local nauthilus_misc = require("nauthilus_misc")
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_util = require("nauthilus_util")

-- Reads a positive number from the environment.
local function setting(name, default)
    local text = nauthilus_util.getenv(name, default)
    local number = tonumber(text)
    if not number or number < 1 then error(name .. " must be a number of at least 1, not " .. text) end
    return number
end

-- Returns the pool that init.lua registered, or the server's own Redis.
local function redis_handle()
    local name = nauthilus_util.getenv("CUSTOM_REDIS_POOL_NAME")
    if not name then return "default" end
    local handle, err = nauthilus_redis.get_redis_connection(name)
    nauthilus_util.if_error_raise(err)
    return handle
end

-- Returns the client's number of attempts within the window, including this one.
local function count_attempt(request)
    local key = nauthilus_util.get_redis_key(request, "rate_limit:" .. nauthilus_misc.scoped_ip(request.client_ip))
    local seconds = setting("RATE_LIMIT_SECONDS", "60")
    local attempts, err = nauthilus_redis.redis_run_script(redis_handle(), "", "count_attempt", { key }, { seconds })
    nauthilus_util.if_error_raise(err)
    return attempts
end

-- Informs later scripts.
local function note_in_context()
    local rt = nauthilus_context.context_get("rt")
    if not nauthilus_util.is_table(rt) then rt = {} end
    rt.feature_rate_limit = true
    nauthilus_context.context_set("rt", rt)
end

function nauthilus_call_feature(request)
    local attempts = count_attempt(request)
    if attempts <= setting("RATE_LIMIT_ATTEMPTS", "60") then
        return nauthilus_builtin.FEATURE_TRIGGER_NO, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
    end
    note_in_context()
    nauthilus_builtin.custom_log_add("rate_limit_attempts", attempts)
    nauthilus_builtin.status_message_set("Too many login attempts")
    return nauthilus_builtin.FEATURE_TRIGGER_YES, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
end
