---@meta nauthilus_context

--- The request's key-value store, shared by its features, backend, filters and actions. Values are copied both ways.
---@class nauthilus_context
local nauthilus_context = {}

--- Keeps a copy of the value under the key.
---@param key string
---@param value any
function nauthilus_context.context_set(key, value) end

--- A copy of what is kept under the key.
---@param key string
---@return any value nil if there is none
function nauthilus_context.context_get(key) end

--- Forgets the key.
---@param key string
function nauthilus_context.context_delete(key) end

return nauthilus_context
