---@meta nauthilus_keys

--- Keys for Redis Cluster.
---@class nauthilus_keys
local nauthilus_keys = {}

--- A hash tag for what belongs to one account.
---@param username string?
---@return string
function nauthilus_keys.account_tag(username) end

return nauthilus_keys
