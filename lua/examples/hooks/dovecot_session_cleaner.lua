-- Hook: removes sessions remembered by filters/monitoring.lua when Dovecot reports their end.
--
-- It accepts POST requests with the JSON of Dovecot's event exporter, for the events
-- mail_user_session_finished (a mailbox was closed) and proxy_session_finished (a proxy closed the
-- session):
--
--     event_exporter auth_server {
--       format = json
--       format_args = time-rfc3339
--       transport = http-post
--       transport_args = http://127.0.0.1:9080/api/v1/custom/dovecot-session
--     }
--     metric sessions {
--       exporter = auth_server
--       filter = event=mail_user_session_finished
--     }
--
-- The response is {"session": "192.0.2.1:4711", "status": "removed"}. The status is "unknown" for a session
-- that is not remembered and "ignored" for other events. Dovecot cannot authenticate here: make sure only
-- your mail servers can reach this location.
--
-- It needs Redis: server.redis, or the pool named by the environment variable CUSTOM_REDIS_POOL_NAME. If
-- Redis fails, the script raises: status 500.
local json = require("json")
local nauthilus_http_request = require("nauthilus_http_request")
local nauthilus_http_response = require("nauthilus_http_response")
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_util = require("nauthilus_util")

local ENDS_A_SESSION = { mail_user_session_finished = true, proxy_session_finished = true }

-- Returns the pool that init.lua registered, or the server's own Redis.
local function redis_handle()
    local name = nauthilus_util.getenv("CUSTOM_REDIS_POOL_NAME")
    if not name then return "default" end
    local handle, err = nauthilus_redis.get_redis_connection(name)
    nauthilus_util.if_error_raise(err)
    return handle
end

-- Returns the body as a table, or nil and the reason.
local function read_event()
    local content_type = nauthilus_http_request.get_http_request_header("Content-Type")[1] or ""
    if string.lower(string.match(content_type, "^[^;%s]*")) ~= "application/json" then
        return nil, nauthilus_http_response.STATUS_UNSUPPORTED_MEDIA_TYPE, "JSON is expected"
    end
    local event, err = json.decode(nauthilus_http_request.get_http_request_body())
    if err then return nil, nauthilus_http_response.STATUS_BAD_REQUEST, err end
    if not nauthilus_util.is_table(event) or not nauthilus_util.is_table(event.fields) then
        return nil, nauthilus_http_response.STATUS_BAD_REQUEST, "an event with fields is expected"
    end
    return event
end

-- Removes a session. Returns false if it is not remembered.
local function remove(request, session)
    local handle = redis_handle()
    local key = nauthilus_util.get_redis_key(request, "session:" .. session)
    local account, get_err = nauthilus_redis.redis_get(handle, key)
    nauthilus_util.if_error_raise(get_err)
    if not account then return false end

    -- In this order: if the second step fails, sending the event again completes it.
    local _, hdel_err = nauthilus_redis.redis_hdel(handle, nauthilus_util.get_redis_key(request, "sessions:" .. account), session)
    nauthilus_util.if_error_raise(hdel_err)
    local _, del_err = nauthilus_redis.redis_del(handle, key)
    nauthilus_util.if_error_raise(del_err)
    return true
end

function nauthilus_run_hook(request)
    local event, refusal, reason = read_event()
    if not event then
        nauthilus_http_response.string(refusal, reason)
        return
    end
    local ip, port = event.fields.remote_ip, event.fields.remote_port
    if not ENDS_A_SESSION[event.event] or not ip or not port then return { status = "ignored" } end

    local session = tostring(ip) .. ":" .. tostring(port)
    local status = remove(request, session) and "removed" or "unknown"
    nauthilus_util.log_info(request.logging, { caller = "dovecot_session_cleaner.lua", client = session, status = status })
    return { session = session, status = status }
end
