-- Feature: rejects clients that a blocklist service knows.
--
-- It posts {"ip": "192.0.2.1"} to the service and expects status 200 with {"found": true or false}. A
-- listed client is rejected with the message "IP address blocked". The log line gets blocklist_ip, and
-- actions find feature_blocklist in the context table "rt".
--
-- Environment: BLOCKLIST_URL, the URL of the service. Metrics: those of init.lua.
-- If the service is down, slow or gives an unexpected answer, the script raises: the login fails
-- temporarily. It is neither accepted nor rejected.
local http = require("glua_http")
local json = require("json")
local nauthilus_context = require("nauthilus_context")
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_util = require("nauthilus_util")

local NAME = "blocklist"
local REQUESTS_GAUGE = "http_client_concurrent_requests_total"

-- Well below the time limit of scripts, so that the error names the service and not the script.
local TIMEOUT = "3s"

-- Returns the service's answer for an address as a table.
local function ask_service(client_ip)
    local url = nauthilus_util.getenv("BLOCKLIST_URL") or error("BLOCKLIST_URL is not set")
    local question, encode_err = json.encode({ ip = client_ip })
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
    if response.status_code ~= 200 then error(NAME .. ": status " .. response.status_code) end

    local answer, decode_err = json.decode(response.body)
    nauthilus_util.if_error_raise(decode_err)
    if not nauthilus_util.is_table(answer) then error(NAME .. ": the answer is not an object") end
    if answer.error then error(NAME .. ": " .. tostring(answer.error)) end
    if type(answer.found) ~= "boolean" then error(NAME .. ": the answer does not say whether the address was found") end
    return answer
end

-- Informs later scripts.
local function note_in_context()
    local rt = nauthilus_context.context_get("rt")
    if not nauthilus_util.is_table(rt) then rt = {} end
    rt.feature_blocklist = true
    nauthilus_context.context_set("rt", rt)
end

function nauthilus_call_feature(request)
    if not ask_service(request.client_ip).found then
        return nauthilus_builtin.FEATURE_TRIGGER_NO, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
    end
    note_in_context()
    nauthilus_builtin.custom_log_add(NAME .. "_ip", request.client_ip)
    nauthilus_builtin.status_message_set("IP address blocked")
    return nauthilus_builtin.FEATURE_TRIGGER_YES, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
end
