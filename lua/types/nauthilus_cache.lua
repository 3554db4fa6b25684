---@meta nauthilus_cache

--- Memory of the process, shared by all scripts. Values are copied both ways.
---@class nauthilus_cache
local nauthilus_cache = {}

--- Keeps a value, for `ttl` seconds if that is more than 0.
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

--- Whether there is such a key, also with a nil.
---@param key string
---@return boolean
---@return nil
function nauthilus_cache.cache_exists(key) end

--- Forgets the key.
---@param key string
---@return boolean found
---@return nil
function nauthilus_cache.cache_delete(key) end

--- Puts what the function makes of the value in its place. The function must not wait.
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

--- Takes the whole list.
---@param key string
---@return any[]
---@return nil
function nauthilus_cache.cache_pop_all(key) end

--- All keys.
---@return string[]
---@return nil
function nauthilus_cache.cache_keys() end

--- How many keys there are.
---@return number
---@return nil
function nauthilus_cache.cache_size() end

--- Forgets everything.
function nauthilus_cache.cache_flush() end

return nauthilus_cache
