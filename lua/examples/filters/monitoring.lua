-- Filter: sends a user to a mail server that is up, and to the same one as the user's other sessions.
--
-- It chooses among the servers of backend_server_monitoring that passed their last check and speak the
-- login's protocol. nginx gets the choice as Auth-Server and Auth-Port (servers must then be given by
-- address), Dovecot proxies as the attribute "host". The log line gets backend_server. A session is
-- identified by the client's address and port. It ends when hooks/dovecot_session_cleaner.lua is notified.
-- After its last session, or when its server goes down, an account may get another server. Look-ups
-- (deliveries) follow existing sessions and create none.
--
-- It needs the feature backend_server_monitoring, Redis (server.redis, or the pool named by
-- CUSTOM_REDIS_POOL_NAME) and the Redis script claim_server, which init.lua uploads.
-- Environment: MONITORING_PROTOCOLS, the monitored protocols, separated by commas (default
-- imap,pop3,lmtp,sieve; logins with other protocols pass); MONITORING_STICKY_SECONDS, how long an account
-- stays with its server after its last login if the end of its sessions is not reported (default 86400).
-- If no server is up, or if Redis fails, the script raises: the login fails temporarily.
local nauthilus_backend = require("nauthilus_backend")
local nauthilus_redis = require("nauthilus_redis")
local nauthilus_util = require("nauthilus_util")

local function is_watched(protocol)
    local protocols = nauthilus_util.getenv("MONITORING_PROTOCOLS", "imap,pop3,lmtp,sieve")
    return string.find("," .. protocols .. ",", "," .. protocol .. ",", 1, true) ~= nil
end

-- Returns the pool that init.lua registered, or the server's own Redis.
local function redis_handle()
    local name = nauthilus_util.getenv("CUSTOM_REDIS_POOL_NAME")
    if not name then return "default" end
    local handle, err = nauthilus_redis.get_redis_connection(name)
    nauthilus_util.if_error_raise(err)
    return handle
end

-- Returns the ports of the live servers of a protocol, by host, and the hosts.
local function live_servers(protocol)
    local ports, hosts = {}, {}
    for _, server in ipairs(nauthilus_backend.get_backend_servers()) do
        if server.protocol == protocol and not ports[server.host] then
            ports[server.host] = server.port
            table.insert(hosts, server.host)
        end
    end
    return ports, hosts
end

-- Returns the host of the account's sessions, or any host if there is none. A login becomes a session.
local function claim_host(request, hosts)
    local handle = redis_handle()
    local lifetime = tonumber(nauthilus_util.getenv("MONITORING_STICKY_SECONDS", "86400"))
    if not lifetime then error("MONITORING_STICKY_SECONDS is not a number") end
    local is_session = not request.no_auth and request.client_ip ~= ""
    local session = is_session and request.client_ip .. ":" .. request.client_port or ""
    local first = math.random(#hosts)
    hosts[1], hosts[first] = hosts[first], hosts[1]

    local sessions = nauthilus_util.get_redis_key(request, "sessions:" .. request.account)
    local host, err = nauthilus_redis.redis_run_script(handle, "", "claim_server", { sessions }, { session, lifetime, unpack(hosts) })
    nauthilus_util.if_error_raise(err)
    if is_session then
        -- The event that reports the end of a session holds only this.
        local key = nauthilus_util.get_redis_key(request, "session:" .. session)
        local _, set_err = nauthilus_redis.redis_set(handle, key, request.account, lifetime)
        nauthilus_util.if_error_raise(set_err)
    end
    return host
end

function nauthilus_call_filter(request)
    -- Keep the verdict: with override_rejection, ACCEPT would let a wrong password in.
    if not request.authenticated and not request.no_auth then
        return nauthilus_builtin.FILTER_REJECT, nauthilus_builtin.FILTER_RESULT_OK
    end
    if not request.user_found or not is_watched(request.protocol) then
        return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK
    end

    local ports, hosts = live_servers(request.protocol)
    if #hosts == 0 then error("no server for " .. request.protocol .. " is alive") end
    local host = claim_host(request, hosts)
    nauthilus_backend.select_backend_server(host, ports[host])
    local result = nauthilus_backend_result.new()
    result:attributes({ host = host })
    nauthilus_backend.apply_backend_result(result)
    nauthilus_builtin.custom_log_add("backend_server", host)
    return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK
end
