---@meta nauthilus_context

--- The request's key-value store, shared by its features, backend, filters and actions.
---@class nauthilus_context
local nauthilus_context = {}

--- Stores a copy of the value.
---@param key string
---@param value any
function nauthilus_context.context_set(key, value) end

--- A copy of the stored value.
---@param key string
---@return any value nil if there is none
function nauthilus_context.context_get(key) end

--- Deletes the key.
---@param key string
function nauthilus_context.context_delete(key) end

return nauthilus_context
