-- Action: adds blocked networks to a HAProxy map, so that HAProxy rejects them before they cost a login.
--
-- Configure it under lua.actions with type brute_force. It writes the blocked network to a map through
-- HAProxy's stats socket over TCP. The value is the Unix time at which the block ends. HAProxy needs the
-- socket, the map (it may be an empty file) and a rule:
--
--     global
--         stats socket ipv4@127.0.0.1:9999 level admin
--     frontend imap
--         tcp-request connection set-var(sess.now) date
--         tcp-request connection reject if { src,map_ip_int(/etc/haproxy/blocked.map,0),sub(sess.now) gt 0 }
--
-- Environment: HAPROXY_STATS, HOST:PORT of the socket; HAPROXY_GENERIC_MAP, the file name of the map in
-- HAProxy's configuration; HAPROXY_SMTP_MAP, optional, another map for SMTP protocols;
-- HAPROXY_BLOCK_SECONDS, the duration (default 28800; use the value of ban_time).
-- If HAProxy is down or refuses the command, the action raises, which is logged. The login is refused
-- in any case.
local tcp = require("tcp")
local time = require("time")
local nauthilus_util = require("nauthilus_util")

local SMTP = { smtp = true, smtps = true, submission = true, submissions = true }
local BLOCK_SECONDS = 28800

-- The login waits for this action, so the limit is short. A local connection takes far less.
local TIMEOUT_SECONDS = 2

local function required(name) return nauthilus_util.getenv(name) or error(name .. " is not set") end

local function map_for(protocol)
    local generic = required("HAPROXY_GENERIC_MAP")
    return SMTP[protocol] and nauthilus_util.getenv("HAPROXY_SMTP_MAP") or generic
end

-- Returns HAProxy's answer to a command. HAProxy closes the connection after it.
local function tell(command)
    local connection, err = tcp.open(required("HAPROXY_STATS"), TIMEOUT_SECONDS)
    nauthilus_util.if_error_raise(err)
    connection.readTimeout, connection.writeTimeout = TIMEOUT_SECONDS, TIMEOUT_SECONDS
    connection:write(command .. "\n")
    local answer = connection:read("*a")
    connection:close()
    return string.match(answer, "^%s*(.-)%s*$")
end

function nauthilus_call_action(request)
    if request.client_net == "" then return nauthilus_builtin.ACTION_RESULT_OK end

    local map = map_for(request.protocol)
    local ends = time.unix() + tonumber(nauthilus_util.getenv("HAPROXY_BLOCK_SECONDS", BLOCK_SECONDS))
    -- Delete first, because adding an existing network creates a second entry. The answer does not matter: the network may be absent.
    tell("del map " .. map .. " " .. request.client_net)
    local refusal = tell(string.format("add map %s %s %d", map, request.client_net, ends))
    if refusal ~= "" then error("HAProxy: " .. string.sub(refusal, 1, 200)) end

    nauthilus_builtin.custom_log_add("haproxy_map", request.client_net)
    return nauthilus_builtin.ACTION_RESULT_OK
end
