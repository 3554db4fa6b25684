-- Action: counts logins by the feature or filter that objected to them.
--
-- Configure it under lua.actions with type post. It adds 1 to the counter analytics_count for each
-- feature or filter that objected to the login: the server's own features, and scripts that set a name
-- starting with feature_ or filter_ in the context table "rt", as the examples do. The label "feature"
-- therefore has a bounded number of values.
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
    -- "lua" stands for all scripts; scripts that set their own name are already counted.
    if request.feature ~= "" and not (request.feature == "lua" and is_noted) then count(request.feature) end
    return nauthilus_builtin.ACTION_RESULT_OK
end
