---@meta nauthilus_psnet

--- Counts network connections.
---@class nauthilus_psnet
local nauthilus_psnet = {}

--- Starts counting connections to `host:port`. Waits.
---@param target string
---@param direction "local"|"remote"
---@param description string
function nauthilus_psnet.register_connection_target(target, direction, description) end

--- The number of established connections.
---@param target string
---@return number?
---@return string? error
function nauthilus_psnet.get_connection_target(target) end

return nauthilus_psnet
