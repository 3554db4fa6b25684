-- Filter: rejects logins that a policy service (geoip-policyd) objects to because of their origin.
--
-- It posts {"key": "client", "value": {"address": "192.0.2.1", "sender": "ada@example.org"}} to the
-- service and expects status 200 or 202 with
-- {"guid": "...", "object": {"policy_reject": true or false, ...}}. If the service objects, the login is
-- rejected with the message "Policy violation". Lists among the object's members are added to the log line,
-- and actions find filter_geoippolicyd in the context table "rt". Look-ups, failed logins and clients in
-- private networks pass unchanged: the service learns from successful logins only.
--
-- Environment: GEOIP_POLICY_URL, the URL of the service. Metrics: those of init.lua.
-- If the service is down, slow or gives an unexpected answer, the script raises: the login fails
-- temporarily. It is neither accepted nor rejected.
local http = require("glua_http")
local json = require("json")
local nauthilus_context = require("nauthilus_context")
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_util = require("nauthilus_util")

local NAME = "geoippolicyd"
local REQUESTS_GAUGE = "http_client_concurrent_requests_total"

-- Well below the time limit of scripts, so that the error names the service and not the script.
local TIMEOUT = "3s"

-- Returns the service's answer for a login as a table.
local function ask_service(request)
    local url = nauthilus_util.getenv("GEOIP_POLICY_URL") or error("GEOIP_POLICY_URL is not set")
    local question, encode_err = json.encode({ key = "client", value = { address = request.client_ip, sender = request.account } })
    nauthilus_util.if_error_raise(encode_err)

    nauthilus_prometheus.increment_gauge(REQUESTS_GAUGE, { service = NAME })
    local timer = nauthilus_prometheus.start_histogram_timer(NAME .. "_duration_seconds", { http = "post" })
    local response, request_err = http.post(url, {
        timeout = TIMEOUT,
        headers = { Accept = "application/json", ["Content-Type"] = "application/json" },
        body = question,
    })
    nauthilus_prometheus.stop_timer(timer)
    nauthilus_prometheus.decrement_gauge(REQUESTS_GAUGE, { service = NAME })
    nauthilus_util.if_error_raise(request_err)
    local status = response.status_code
    if status ~= 200 and status ~= 202 then error(NAME .. ": status " .. status) end

    local answer, decode_err = json.decode(response.body)
    nauthilus_util.if_error_raise(decode_err)
    if not nauthilus_util.is_table(answer) then error(NAME .. ": the answer is not an object") end
    if answer.err then error(NAME .. ": " .. tostring(answer.err)) end
    if not nauthilus_util.is_table(answer.object) then error(NAME .. ": the answer says nothing about the client") end
    return answer
end

-- Adds the lists in the answer (such as the countries seen) to the log line, in the order of their names.
local function log_lists(object)
    local names = {}
    for name, values in pairs(object) do
        if nauthilus_util.is_table(values) then table.insert(names, name) end
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local texts = {}
        for _, value in ipairs(object[name]) do table.insert(texts, tostring(value)) end
        nauthilus_builtin.custom_log_add(NAME .. "_" .. name, table.concat(texts, ","))
    end
end

-- Informs later scripts.
local function note_in_context()
    local rt = nauthilus_context.context_get("rt")
    if not nauthilus_util.is_table(rt) then rt = {} end
    rt.filter_geoippolicyd = true
    nauthilus_context.context_set("rt", rt)
end

function nauthilus_call_filter(request)
    if request.no_auth then return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK end
    -- Keep the verdict: with override_rejection, ACCEPT would let a wrong password in.
    if not request.authenticated then return nauthilus_builtin.FILTER_REJECT, nauthilus_builtin.FILTER_RESULT_OK end
    if not nauthilus_util.is_routable_ip(request.client_ip) then
        return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK
    end

    local answer = ask_service(request)
    if answer.guid then nauthilus_builtin.custom_log_add(NAME .. "_guid", tostring(answer.guid)) end
    log_lists(answer.object)
    local is_rejected = answer.object.policy_reject == true
    nauthilus_prometheus.increment_counter(NAME .. "_count", {
        country = tostring(answer.object.country_code or ""),
        status = is_rejected and "reject" or "accept",
    })
    if not is_rejected then return nauthilus_builtin.FILTER_ACCEPT, nauthilus_builtin.FILTER_RESULT_OK end

    note_in_context()
    nauthilus_builtin.custom_log_add(NAME, "blocked")
    nauthilus_builtin.status_message_set("Policy violation")
    return nauthilus_builtin.FILTER_REJECT, nauthilus_builtin.FILTER_RESULT_OK
end
