---@meta regexp

--- Regular expressions in the syntax of RE2.
---@class regexp
local regexp = {}

--- A compiled pattern.
---@class regexp.Regexp
local Regexp = {}

--- Whether it matches anywhere.
---@param text string
---@return boolean
function Regexp:match(text) end

--- All matches, each with its groups.
---@param text string
---@return string[][]
function Regexp:find_all_string_submatch(text) end

--- A pattern to be used again.
---@param pattern string
---@return regexp.Regexp?
---@return string? error
function regexp.compile(pattern) end

--- Whether it matches anywhere.
---@param pattern string
---@param text string
---@return boolean?
---@return string? error
function regexp.match(pattern, text) end

--- All matches, each with its groups: `{ { whole, group1, … }, … }`.
---@param pattern string
---@param text string
---@return string[][]?
---@return string? error
function regexp.find_all_string_submatch(pattern, text) end

return regexp
