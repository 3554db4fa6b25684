---@meta storage

--- A key-value store in memory that is saved to a file.
---@class storage
local storage = {}

--- Keys and values, shared by everyone who opens the same file.
---@class storage.Store
local Store = {}

--- Stores a value, for `ttl` seconds if `ttl` is greater than 0.
---@param key string
---@param value any
---@param ttl? number
---@return string? error
function Store:set(key, value, ttl) end

--- The value and whether the key exists.
---@param key string
---@return any value
---@return boolean found
---@return string? error
function Store:get(key) end

--- All keys.
---@return string[]
function Store:keys() end

--- All pairs.
---@return table<string, any>
function Store:dump() end

--- Writes the file. Waits.
---@return string? error
function Store:sync() end

--- Writes the file. Waits.
---@return string? error
function Store:close() end

--- Opens the store of a file. Waits.
---@param path string
---@param driver? "memory"
---@return storage.Store?
---@return string? error
function storage.open(path, driver) end

return storage
