---@meta storage

--- Values that outlive the process, in memory and in a file.
---@class storage
local storage = {}

--- Keys and values, shared by all who open the same file.
---@class storage.Store
local Store = {}

--- Keeps a value, for `ttl` seconds if that is more than 0.
---@param key string
---@param value any
---@param ttl? number
---@return string? error
function Store:set(key, value, ttl) end

--- The value, and whether there is one.
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

--- The store of this file. Waits.
---@param path string
---@param driver? "memory"
---@return storage.Store?
---@return string? error
function storage.open(path, driver) end

return storage
