---@meta ioutil

--- Whole files, and from readers to writers.
---@class ioutil
local ioutil = {}

--- A file's content. Waits.
---@param path string
---@return string?
---@return string? error
function ioutil.read_file(path) end

--- Writes a file anew. Waits.
---@param path string
---@param data string
---@return string? error
function ioutil.write_file(path, data) end

--- Everything that the reader has.
---@param writer table|userdata
---@param reader table|userdata
---@return string? error
function ioutil.copy(writer, reader) end

--- So many bytes.
---@param writer table|userdata
---@param reader table|userdata
---@param count integer
---@return string? error
function ioutil.copyn(writer, reader, count) end

return ioutil
