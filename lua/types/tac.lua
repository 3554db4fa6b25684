---@meta tac

--- Reads a file's lines backward, last line first.
---@class tac
local tac = {}

--- A file read backward.
---@class tac.File
local File = {}

--- The previous line; nil at the beginning of the file. Waits.
---@return string?
function File:line() end

--- Closes the file.
function File:close() end

--- Opens a file. Waits.
---@param path string
---@return tac.File?
---@return string? error
function tac.open(path) end

return tac
