---@meta goos

--- Information about files and the host.
---@class goos
local goos = {}

--- A file's `is_dir`, `size`, `mod_time` (Unix seconds) and `mode` (-rw-r--r--). Waits.
---@param path string
---@return table?
---@return string? error
function goos.stat(path) end

--- The host's name.
---@return string?
---@return string? error
function goos.hostname() end

--- The size of a memory page in bytes.
---@return integer
function goos.get_pagesize() end

--- Creates a folder and its parents. Waits.
---@param path string
---@return string? error
function goos.mkdir_all(path) end

--- The environment's variables.
---@return table<string, string>
function goos.environ() end

return goos
