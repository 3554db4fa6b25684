-- Action: counts logins by what turned them away.
--
-- Configured under lua.actions with type post. Adds 1 to the counter analytics_count for each feature or filter that spoke against the
-- login: the server's own features, and scripts that noted themselves in the context's table "rt" under a name that begins with feature_
-- or filter_, as the examples do. So the label "feature" has as many values as there are features and filters, whoever attacks.
--
-- Environment: none. Metrics: analytics_count of init.lua, shown on /metrics.
local nauthilus_context = require("nauthilus_context")
local nauthilus_prometheus = require("nauthilus_prometheus")
local nauthilus_util = require("nauthilus_util")

local COUNTER = "analytics_count"

local function count(feature) nauthilus_prometheus.increment_counter(COUNTER, { feature = feature }) end

function nauthilus_call_action(request)
    if request.no_auth then return nauthilus_builtin.ACTION_RESULT_OK end

    local rt = nauthilus_context.context_get("rt")
    local is_noted = false
    for name, noted in pairs(nauthilus_util.is_table(rt) and rt or {}) do
        local feature = noted and (string.match(name, "^feature_(.+)$") or string.match(name, "^filter_(.+)$"))
        if feature then
            count(feature)
            is_noted = true
        end
    end
    -- "lua" is the feature of all scripts; one that noted its own name has been counted.
    if request.feature ~= "" and not (request.feature == "lua" and is_noted) then count(request.feature) end
    return nauthilus_builtin.ACTION_RESULT_OK
end
