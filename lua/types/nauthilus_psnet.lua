---@meta nauthilus_psnet

--- How many connections there are.
---@class nauthilus_psnet
local nauthilus_psnet = {}

--- Counts connections to `host:port` from now on. Waits.
---@param target string
---@param direction "local"|"remote"
---@param description string
function nauthilus_psnet.register_connection_target(target, direction, description) end

--- How many established connections there are.
---@param target string
---@return number?
---@return string? error
function nauthilus_psnet.get_connection_target(target) end

return nauthilus_psnet
