---@meta tac

--- A file's lines, the last one first.
---@class tac
local tac = {}

--- A file that is read backward.
---@class tac.File
local File = {}

--- The line in front of the last one read; nil at the beginning. Waits.
---@return string?
function File:line() end

--- Ends reading.
function File:close() end

--- The file. Waits.
---@param path string
---@return tac.File?
---@return string? error
function tac.open(path) end

return tac
