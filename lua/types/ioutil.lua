---@meta ioutil

--- Reads and writes whole files, and copies from readers to writers.
---@class ioutil
local ioutil = {}

--- Reads a file. Waits.
---@param path string
---@return string?
---@return string? error
function ioutil.read_file(path) end

--- Replaces a file's content. Waits.
---@param path string
---@param data string
---@return string? error
function ioutil.write_file(path, data) end

--- Copies until the reader ends.
---@param writer table|userdata
---@param reader table|userdata
---@return string? error
function ioutil.copy(writer, reader) end

--- Copies `count` bytes.
---@param writer table|userdata
---@param reader table|userdata
---@param count integer
---@return string? error
function ioutil.copyn(writer, reader, count) end

return ioutil
