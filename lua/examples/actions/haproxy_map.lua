-- Action: tells HAProxy from which networks brute force comes, so that it turns them away before they cost a login.
--
-- Configured under lua.actions with type brute_force. Writes the network that was blocked into a map, by HAProxy's stats socket over TCP;
-- the value is the unix time at which the block ends. HAProxy needs the socket, the map (an empty file will do) and a rule:
--
--     global
--         stats socket ipv4@127.0.0.1:9999 level admin
--     frontend imap
--         tcp-request connection set-var(sess.now) date
--         tcp-request connection reject if { src,map_ip_int(/etc/haproxy/blocked.map,0),sub(sess.now) gt 0 }
--
-- Environment: HAPROXY_STATS, HOST:PORT of the socket; HAPROXY_GENERIC_MAP, the map's file as HAProxy knows it; HAPROXY_SMTP_MAP, another
-- map for the protocols of SMTP, if they have one; HAPROXY_BLOCK_SECONDS, how long, default 28800: as long as ban_time.
-- If HAProxy is away or says no, the action raises, which is logged; the login is refused all the same.
local tcp = require("tcp")
local time = require("time")
local nauthilus_util = require("nauthilus_util")

local SMTP = { smtp = true, smtps = true, submission = true, submissions = true }
local BLOCK_SECONDS = 28800

-- The login waits for this action, so not for long; a connection within the machine takes far less.
local TIMEOUT_SECONDS = 2

local function required(name) return nauthilus_util.getenv(name) or error(name .. " is not set") end

local function map_for(protocol)
    local generic = required("HAPROXY_GENERIC_MAP")
    return SMTP[protocol] and nauthilus_util.getenv("HAPROXY_SMTP_MAP") or generic
end

-- What HAProxy says to a command; it closes after its answer.
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
    -- Adding a network that is there already would give it two entries. It need not be there, so what is said to this does not count.
    tell("del map " .. map .. " " .. request.client_net)
    local refusal = tell(string.format("add map %s %s %d", map, request.client_net, ends))
    if refusal ~= "" then error("HAProxy: " .. string.sub(refusal, 1, 200)) end

    nauthilus_builtin.custom_log_add("haproxy_map", request.client_net)
    return nauthilus_builtin.ACTION_RESULT_OK
end
