---@meta nauthilus_misc

--- Country names, random delays and scoped addresses.
---@class nauthilus_misc
local nauthilus_misc = {}

--- The English name for an ISO code.
---@param code string
---@return string name "Unknown" if nobody knows it
---@return nil
function nauthilus_misc.get_country_name(code) end

--- Waits at least `min` and less than `max` milliseconds.
---@param min number
---@param max number
---@return number? milliseconds
---@return string? error
function nauthilus_misc.wait_random(min, max) end

--- The network that represents an address, or the address itself. The context may be omitted.
---@param context string
---@param ip? string
---@return string
---@return nil
function nauthilus_misc.scoped_ip(context, ip) end

return nauthilus_misc
