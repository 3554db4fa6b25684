---@meta nauthilus_keys

--- Redis keys that work in a cluster.
---@class nauthilus_keys
local nauthilus_keys = {}

--- A hash tag for the data of one account.
---@param username string?
---@return string
function nauthilus_keys.account_tag(username) end

return nauthilus_keys
