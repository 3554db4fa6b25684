---@meta nauthilus_cache

--- An in-process key-value store, shared by all scripts. Values are copied on write and on read.
---@class nauthilus_cache
local nauthilus_cache = {}

--- Stores a value, for `ttl` seconds if `ttl` is greater than 0.
---@param key string
---@param value any
---@param ttl? number
---@return string? ok "OK"
---@return string? error
function nauthilus_cache.cache_set(key, value, ttl) end

--- A copy of the value.
---@param key string
---@return any value
---@return nil
function nauthilus_cache.cache_get(key) end

--- Whether the key exists, even if its value is nil.
---@param key string
---@return boolean
---@return nil
function nauthilus_cache.cache_exists(key) end

--- Deletes the key.
---@param key string
---@return boolean found
---@return nil
function nauthilus_cache.cache_delete(key) end

--- Replaces the value with the function's result. The function must not wait.
---@param key string
---@param change fun(old: any): any
---@return any new
---@return nil
function nauthilus_cache.cache_update(key, change) end

--- Appends to a list.
---@param key string
---@param value any
---@return number? length
---@return string? error
function nauthilus_cache.cache_push(key, value) end

--- Removes and returns the whole list.
---@param key string
---@return any[]
---@return nil
function nauthilus_cache.cache_pop_all(key) end

--- All keys.
---@return string[]
---@return nil
function nauthilus_cache.cache_keys() end

--- The number of keys.
---@return number
---@return nil
function nauthilus_cache.cache_size() end

--- Deletes everything.
function nauthilus_cache.cache_flush() end

return nauthilus_cache
